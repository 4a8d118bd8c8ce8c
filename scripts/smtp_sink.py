#!/usr/bin/env python3
"""A mail server for tests: it keeps each mail as a file and sends none on.

    smtp_sink.py PORT TLS_PORT FOLDER

A mail to ada@example.com is appended to FOLDER/ada@example.com as one line of JSON: {"from", "to", "data", "tls"}. What
the part before the @ begins with decides the answer:

    greylist  451 the first time, then 250
    refused   550
    busy      421
    slow      250 after 30 s

At TLS_PORT it offers STARTTLS, with the certificate FOLDER/cert.pem that it makes for 127.0.0.1 at its start, and then
lets florin log in with the password secret.
"""
import asyncio
import datetime
import ipaddress
import json
import pathlib
import signal
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

SLOW_S = 30
MAIL_BYTES_MAX = 32 << 20


def tls(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sink.test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(private)
    (folder / "cert.pem").write_bytes(certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def florin(server, session, envelope, mechanism, data):
    return AuthResult(success=(data.login, data.password) == (b"florin", b"secret"), handled=False)


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
            mail["tls"] = session.ssl is not None
            with open(self.folder / address, "a", encoding="utf-8") as file:
                file.write(json.dumps(mail) + "\n")
        return "250 2.0.0 kept"


async def main(port, tls_port, folder):
    folder.mkdir(parents=True, exist_ok=True)
    sink = Sink(folder)
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    settings = {"hostname": "sink.test", "enable_SMTPUTF8": True, "data_size_limit": MAIL_BYTES_MAX, "loop": loop}
    secure = {"tls_context": tls(folder), "authenticator": florin, **settings}
    # the plain port last: whoever finds it open finds the other one as well
    for at, options in ((tls_port, secure), (port, settings)):
        await loop.create_server(lambda options=options: SMTP(sink, **options), "127.0.0.1", at)
    await stop.wait()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]), pathlib.Path(sys.argv[3])))
