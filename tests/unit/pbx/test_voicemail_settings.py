"""What a configuration says of voicemail and mail: what cannot be, what would have no effect, and what stays secret."""

from __future__ import annotations

from typing import Any

import pytest

from pbx.config import Config, ConfigError, parse
from pbx.config_checks import weaknesses

LEE = {"number": "100", "password": "a-long-one-please"}


def configured(mail: dict[str, Any], **lee: Any) -> Config:
    return parse({"mail": mail, "extensions": [LEE | lee]})


SERVER = {"host": "mail.example.org", "sender": "pbx@example.org"}
MAILED = {"email": "lee@example.org", "voicemail": {"mail": "attachment"}}


def test_a_whole_configuration_of_mail() -> None:
    config = configured(SERVER | {"user": "pbx", "password": "secret of the server"}, **MAILED)
    assert list(weaknesses(config)) == []
    assert "secret of the server" not in f"{config!r} {config}"


@pytest.mark.row("EML-07")
@pytest.mark.parametrize(
    ("mail", "lee", "key"),
    [
        (SERVER, {"voicemail": {"mail": "notification"}}, "extensions[0].voicemail.mail"),
        (SERVER, {"email": "lee@example.org\nBcc: all"}, "extensions[0].email"),
        (SERVER, {"email": "no address"}, "extensions[0].email"),
        (SERVER, {"email": "a@b.org, c@d.org"}, "extensions[0].email"),
        ({"host": "mail.example.org"}, {}, "mail.sender"),
        (SERVER | {"user": "pbx"}, {}, "mail.password"),
        (SERVER | {"user": "pbx", "password": "x", "security": "none"}, {}, "mail.security"),
        (SERVER | {"security": "ssl3"}, {}, "mail.security"),
        (SERVER | {"host": "mail\r\nEHLO"}, {}, "mail.host"),
    ],
)
def test_what_cannot_be_is_named(mail: dict[str, Any], lee: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as error:
        configured(mail, **lee)
    assert key in str(error.value)


def test_mail_without_a_server_is_a_weakness_and_stops_nobody() -> None:
    [weakness] = weaknesses(configured({}, **MAILED))
    assert "set mail.host" in str(weakness)
