#!/usr/bin/env python3
"""A mail server for tests: it keeps each mail as a file and sends none on.

    smtp_sink.py PORT FOLDER

A mail to ada@example.com is appended to FOLDER/ada@example.com as one line of JSON: {"from", "to", "data"}. What the
part before the @ begins with decides the answer:

    greylist  451 the first time, then 250
    refused   550
    busy      421
    slow      250 after 30 s
"""
import asyncio
import json
import pathlib
import signal
import sys

from aiosmtpd.smtp import SMTP

SLOW_S = 30
MAIL_BYTES_MAX = 32 << 20


class Sink:
    def __init__(self, folder):
        self.folder = folder
        self.greylisted = set()

    async def handle_RCPT(self, server, session, envelope, address, options):
        local, _, domain = address.partition("@")
        if not domain or "/" in address or address.startswith("."):
            return "553 5.1.3 not a mailbox of this server"
        if local.startswith("greylist") and address not in self.greylisted:
            self.greylisted.add(address)
            return f"451 4.7.1 <{address}> is greylisted, try again later"
        if local.startswith("refused"):
            return f"550 5.1.1 <{address}>: user unknown"
        if local.startswith("busy"):
            return "421 4.3.2 too busy, try again later"
        if local.startswith("slow"):
            await asyncio.sleep(SLOW_S)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        for address in envelope.rcpt_tos:
            mail = {"from": envelope.mail_from, "to": address, "data": envelope.content.decode("ascii", "replace")}
            with open(self.folder / address, "a", encoding="utf-8") as file:
                file.write(json.dumps(mail) + "\n")
        return "250 2.0.0 kept"


async def main(port, folder):
    folder.mkdir(parents=True, exist_ok=True)
    sink = Sink(folder)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    server = await loop.create_server(
        lambda: SMTP(sink, hostname="sink.test", enable_SMTPUTF8=True, data_size_limit=MAIL_BYTES_MAX, loop=loop),
        "127.0.0.1",
        port,
    )
    await stop.wait()
    server.close()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    asyncio.run(main(int(sys.argv[1]), pathlib.Path(sys.argv[2])))
