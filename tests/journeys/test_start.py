"""What a start does without: whoever imports something large at the top of a module slows down every start."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

from tests.journeys.commands import PATIENCE, ROOT

START = """
import json, os, signal, sys
from pathlib import Path
from myphone_api.server import held, opened, prepare, run

def announce(switch):
    print(json.dumps(sorted(sys.modules)))
    os.kill(os.getpid(), signal.SIGTERM)

config, features = prepare(Path(sys.argv[1]))
with held(config.store) as hold, opened(config, features) as (store, config):
    run(config, features, store, None, hold, None, announce)
"""
CONFIG = """
[sip]
listen = "{here}"
udp_port = {port}
tcp_port = 0

[media]
workers = 1
port_range = [20000, 20199]

[[extensions]]
number = "100"
password = "correct horse"
"""
NEEDED_LATER = {
    "aiosmtplib": "the first mail",
    "alembic": "tables of another version",
    "argon2": "the first PIN",
    "av": "sound that is neither G.711 nor passed on",
    "cryptography": "a certificate",
    "dns": "the first name of a server",
    "email.headerregistry": "the first mail",
    "espeakng_loader": "a prompt that nobody has recorded",
    "media.engine": "sound, which workers make",
    "numpy": "the first conference",
    "phonenumbers": "lines to the outside",
    "psycopg": "a PostgreSQL database",
    "pylibsrtp": "the first secure call",
    "sqlalchemy.orm": "nothing here",
    "tomli_w": "myphone export",
}


def test_a_start_loads_nothing_large_that_may_never_be_needed(here: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((here, 0))
        port = probe.getsockname()[1]
    file = tmp_path / "myphone.toml"
    file.write_text(CONFIG.format(here=here, port=port))
    command = [sys.executable, "-c", START, str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr
    loaded = set(json.loads(done.stdout))
    assert {name: need for name, need in NEEDED_LATER.items() if name in loaded} == {}
    assert "sqlalchemy" in loaded
