"""SIPp plays a provider, at which the system has an account."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from tests.interop.server import Server
from tests.interop.sipp import SippPhone

SECRET = "a-password-of-the-account"

ACCOUNT = """
[[trunks]]
name = "provider"
type = "provider"
registrar = "{provider}"
user = "office"
password = "{password}"
qualify_seconds = 0
"""


@pytest.mark.row("ADM-08")
def test_an_account_at_a_provider(network: str, tmp_path: Path) -> None:
    """Registered at the start, with the right credentials, and given back at the stop."""
    address = f"{network}.3"
    provider = SippPhone(tmp_path, f"{network}.201", "office", SECRET, address)
    tables = ACCOUNT.format(provider=provider.address, password=SECRET)
    with provider:
        scenario = provider.start("provider")
        with Server(tmp_path / "run", address, [], tables=tables):
            scenario.wait_until(
                lambda: "Expires: 600" in provider.trace("provider").read_text(), "a registration"
            )
        provider.finish(scenario, "provider")
    registered, given_back = re.findall(
        r"^Authorization: Digest (.*)", provider.trace("provider").read_text(), re.M
    )
    for header in (registered, given_back):
        credentials = dict(re.findall(r'(\w+)="?([^",\s]*)', header))
        assert credentials["response"] == response_to(credentials, SECRET)


def response_to(credentials: dict[str, str], password: str) -> str:
    """The response of RFC 2617 section 3.2.2.1, with qop=auth and MD5, of a REGISTER."""
    first = md5("{username}:{realm}:".format_map(credentials) + password)
    second = md5("REGISTER:{uri}".format_map(credentials))
    return md5(f"{first}:" + "{nonce}:{nc}:{cnonce}:{qop}:".format_map(credentials) + second)


def md5(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()
