#!/usr/bin/env bash
# Checks docker-compose.yml and the Dockerfile for what an engine would only say at run time, or never.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
exec "$("$root/scripts/tools.sh" python)" - "$root" <<'PYTHON'
import pathlib, re, sys, yaml

root = pathlib.Path(sys.argv[1])
compose = yaml.safe_load((root / "docker-compose.yml").read_text())
services, wrong = compose["services"], []

def check(holds, text):
    if not holds:
        wrong.append(text)

for name, service in services.items():
    image = service.get("image", "")
    check("build" in service or ":" in image.rsplit("/", 1)[-1] and not image.endswith(":latest"), f"{name}: the image {image!r} names no version")
    check("restart" in service, f"{name}: no restart policy")
    check(name == "migrate" or "healthcheck" in service, f"{name}: no health check")
    for other, how in service.get("depends_on", {}).items():
        check(other in services, f"{name}: depends on {other}, which does not exist")
        if how["condition"] == "service_healthy":
            check("healthcheck" in services.get(other, {}), f"{name}: waits for the health of {other}, which has no check")
    for port in service.get("ports", []):
        check(str(port).startswith("127.0.0.1:"), f"{name}: port {port} is open beyond loopback")
    for volume in service.get("volumes", []):
        check(volume.split(":")[0] in compose["volumes"], f"{name}: volume {volume} is not declared")
    for word in service.get("command", []):
        check(word.replace(" ", "") not in ("fsync=off", "full_page_writes=off", "synchronous_commit=off"), f"{name}: {word}: not durable")

florin = services["florin"]
check(florin["depends_on"]["migrate"]["condition"] == "service_completed_successfully", "florin: must wait for migrate")
users = {name: re.match(r"postgres://(\w+):", services[name]["environment"]["DATABASE_URL"])[1] for name in ("migrate", "florin")}
check(services["postgres"]["environment"]["POSTGRES_USER"] not in users.values(), "migrate, florin: one of them is PostgreSQL's superuser")
check(users["migrate"] != users["florin"], "florin: serves as the schema's owner")
check(services["migrate"]["command"] == ["migrate", "--grant-to", users["florin"]], "migrate: does not grant to the role that serves")
check("build" in services["migrate"] and services["migrate"]["image"] == florin["image"], "migrate and florin must be one image")

steps = [line.split(None, 1) for line in (root / "Dockerfile").read_text().splitlines() if line and line[0].isalpha()]
last = {step[0]: step[1] for step in steps}
members = re.search(r"members = \[(.*?)\]", (root / "Cargo.toml").read_text())[1]
ignored = (root / ".dockerignore").read_text().splitlines()
for member in set(re.findall(r'"([^"]+)"', members)) - {"."}:
    check(f"!{member}" in ignored and ["COPY", f"{member} {member}"] in steps, f"Dockerfile, .dockerignore: cargo does not find the member {member}")
check(last.get("STOPSIGNAL") == "SIGTERM", "Dockerfile: Florin drains on SIGTERM")
check(last.get("USER", "0") not in ("0", "root"), "Dockerfile: runs as root")
check([s[1] for s in steps if s[0] == "FROM"][-1].startswith("debian:"), "Dockerfile: the last stage is not the small one")

for text in wrong:
    print(text, file=sys.stderr)
print(f"docker-compose.yml, Dockerfile: {len(wrong)} wrong")
sys.exit(bool(wrong))
PYTHON
