"""The configuration file: what is taken, and what each mistake is told."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from media.plan import Codec
from pbx.config import Config, ConfigError, Extension, load, parse
from pbx.config_checks import weaknesses
from pbx.directory import BusyDetection, Diversions
from pbx.media_keys import Srtp
from sipcore.registrar.digest import Credentials

LEE = {"number": "100", "password": "correct horse"}
BAILEY = {"number": "101", "password": "battery staple"}


def problems(data: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        parse(data)
    return str(raised.value).splitlines()


def with_extension(**keys: Any) -> dict[str, Any]:
    return {"extensions": [LEE | keys, BAILEY]}


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    (tmp_path / "cert.pem").touch()
    (tmp_path / "key.pem").touch()
    return tmp_path


# -- what is taken ---------------------------------------------------------------------------------


def test_everything_has_a_default_but_an_extension() -> None:
    config = parse({})
    assert (config.sip.listen, config.sip.udp_port, config.sip.tcp_port) == ("0.0.0.0", 5060, 5060)
    assert not config.sip.tls
    assert (config.media.address, config.media.port_range, config.media.workers) == ("", (20000, 29999), None)
    assert config.media.srtp is Srtp.OFF
    assert config.numbers.reserved() == {"999": "voicemail", "700": "conference"}
    assert config.extensions == ()


def test_an_extension_needs_a_number_and_a_password_only() -> None:
    [lee] = parse({"extensions": [LEE]}).extensions
    assert lee.sip_id == "ext100"
    assert lee.pin.get_secret_value() == "100"
    assert lee.no_answer_seconds == 60
    assert lee.busy_detection is BusyDetection.PBX


def test_a_whole_file(certificate: Path) -> None:
    file = certificate / "myphone.toml"
    file.write_text(
        """
        [sip]
        listen = "::1"
        udp_port = 5070
        tcp_port = 0
        tls_port = 5071
        certificate = "cert.pem"
        key = "key.pem"
        realm = "office"
        [media]
        address = "192.0.2.1"
        port_range = [30000, 30999]
        workers = 0
        [store]
        data_dir = "kept"
        [numbers]
        voicemail = "9"
        [dial_codes]
        echo = "*43"
        parking.park = false
        [[extensions]]
        number = "100"
        password = "correct horse"
        first_name = "Zoé"
        last_name = "Parker"
        pin = "4711"
        sip_id = "zoe"
        outbound_caller_id = "+33123456789"
        no_answer_seconds = 20
        busy_detection = "phone"
        forward = { busy = "101", no_answer = "101" }
        [[extensions]]
        number = "101"
        password = "battery staple"
        """,
        "utf-8",
    )
    config = load(file)
    assert config.sip.tls
    assert config.sip.certificate == certificate / "cert.pem"
    assert config.store.data_dir == certificate / "kept"
    assert config.dial_codes == {"echo": "*43", "parking": {"park": False}}
    zoe, _ = config.directory()
    assert zoe.full_name == "Zoé Parker"
    assert zoe.sip_id == "zoe"
    assert zoe.outbound_caller_id == "+33123456789"
    assert zoe.no_answer_seconds == 20
    assert zoe.busy_detection is BusyDetection.PHONE
    assert zoe.diversions == Diversions(busy="101", no_answer="101")
    assert zoe.credentials == Credentials.of("100", "office", "correct horse")


def test_the_data_folder_is_beside_the_file_unless_set(tmp_path: Path) -> None:
    file = tmp_path / "myphone.toml"
    file.touch()
    assert load(file).store.data_dir == tmp_path / "data"


def test_codecs_are_spoken_in_the_order_of_the_file() -> None:
    assert parse({}).media.spoken() == (Codec.PCMA, Codec.PCMU, Codec.G722, Codec.OPUS)
    assert parse({"media": {"codecs": ["opus", "PCMU"]}}).media.spoken() == (Codec.OPUS, Codec.PCMU)


@pytest.mark.row("ADM-20")
@pytest.mark.parametrize(
    ("cores", "media", "processes"),
    [
        (1, {}, 1),
        (2, {}, 2),
        (64, {}, 3),
        (64, {"workers": 8}, 8),
        (2, {"workers": 0}, 0),
        (4, {"port_range": [20000, 20003]}, 1),
        (4, {"port_range": [20000, 20007]}, 2),
        (4, {"port_range": [20001, 20009]}, 1),
    ],
)
def test_sound_is_carried_by_a_process_for_each_core_unless_set(
    cores: int, media: dict[str, Any], processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three at most, and no more than have room for a call."""
    monkeypatch.setattr("pbx.config.cores", lambda: cores)
    assert parse({"media": media}).media.processes() == processes


def test_every_address_can_be_set() -> None:
    config = parse({"sip": {"listen": "127.0.0.2", "udp_port": 6060}, "media": {"address": "127.0.0.2"}})
    assert (config.sip.listen, config.sip.udp_port, config.media.address) == ("127.0.0.2", 6060, "127.0.0.2")


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        parse({}).sip.udp_port = 1


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"sipp": {}}, "sipp: unknown key, did you mean sip?"),
        ({"sip": {"udp_prt": 1}}, "sip.udp_prt: unknown key, did you mean udp_port?"),
        (
            {"store": {"zzz": 1}},
            "store.zzz: unknown key, known here: call_days, data_dir, recording_days, url, voicemail_days",
        ),
        ({"sip": 5}, "sip: should be a table of keys"),
        ({"sip": {"udp_port": "5060"}}, "sip.udp_port: should be a whole number, without quotes"),
        ({"sip": {"udp_port": 65536}}, "sip.udp_port: should be less than or equal to 65535"),
        (
            {"sip": {"listen": "pbx.example"}},
            "sip.listen: should be an IP address, such as 192.168.1.5 or 0.0.0.0",
        ),
        ({"sip": {"t1": 0}}, "sip.t1: should be greater than 0"),
        (
            {"sip": {"certificate": "/no/where.pem"}},
            "sip.certificate: cannot read /no/where.pem: No such file or directory",
        ),
        (
            {"sip": {"udp_port": 0, "tcp_port": 0}},
            "sip.udp_port: no phone can connect: UDP, TCP and TLS are all off; set a port",
        ),
        ({"sip": {"tls_port": 5061}}, "sip.tls_port: needs sip.certificate and sip.key, or set it to 0"),
        ({"sip": {"min_expires": 4000}}, "sip.min_expires: should be 3600 (sip.max_expires) or less"),
        ({"sip": {"session_expires": 60}}, "sip.session_expires: should be 90 (sip.min_se) or more, or 0"),
        ({"sip": {"min_se": 3600}}, "sip.session_expires: should be 3600 (sip.min_se) or more, or 0"),
        (
            {"media": {"port_range": [20000, 20002]}},
            "media.port_range: should be [first, last], 1024 or above and with room for 4 ports",
        ),
        (
            {"media": {"port_range": [1000, 3000]}},
            "media.port_range: should be [first, last], 1024 or above and with room for 4 ports",
        ),
        (
            {"media": {"port_range": [20001, 20004]}},
            "media.port_range: should be [first, last], 1024 or above and with room for 4 ports",
        ),
        (
            {"media": {"port_range": [20000, 20009], "workers": 3}},
            "media.port_range: should have room for 4 ports for each of 3 workers (media.workers)",
        ),
        (
            {"media": {"address": "0.0.0.0"}},
            "media.address: is no address that sound can be sent to, give one of this machine or leave it empty",
        ),
        (
            {"media": {"address": "::"}},
            "media.address: is no address that sound can be sent to, give one of this machine or leave it empty",
        ),
        ({"media": {"port_range": [20000]}}, "media.port_range[1]: is missing, add it"),
        ({"media": {"port_range": 20000}}, "media.port_range: should be a list in brackets"),
        ({"media": {"port_range": [5000, 6000]}}, "media.port_range: should leave out 5060 (sip.udp_port)"),
        ({"media": {"srtp": True}}, "media.srtp: should be 'off', 'offered' or 'required'"),
        ({"media": {"codecs": []}}, "media.codecs: should name one or more"),
        ({"media": {"codecs": ["PCMA", "opus", "PCMA"]}}, "media.codecs: should name each once"),
        ({"media": {"codecs": ["G729"]}}, "media.codecs[0]: should be 'PCMA', 'PCMU', 'G722' or 'opus'"),
        ({"media": {"codecs": "opus"}}, "media.codecs: should be a list in brackets"),
        ({"media": {"workers": -1}}, "media.workers: should be greater than or equal to 0"),
        (
            {"numbers": {"voicemail": "700"}},
            "numbers.conference: is numbers.voicemail already, choose another",
        ),
        (
            {"dial_codes": {"echo": True}},
            "dial_codes.echo: should be a pattern in quotes, or false to switch the code off",
        ),
        ({"prompts": {"music": "/no/where"}}, "prompts.music: there is no folder /no/where"),
        ({"extensions": {}}, "extensions: should be a list in brackets"),
        ({"extensions": [{"number": "100"}]}, "extensions[0].password: (extension 100) is missing, add it"),
        ({"extensions": [LEE | {"number": 100}]}, "extensions[0].number: should be a text in quotes"),
        (with_extension(password=""), "extensions[0].password: (extension 100) is empty, set one"),
        (
            with_extension(first_name="a\nb"),
            "extensions[0].first_name: (extension 100) should have no control characters",
        ),
        (
            with_extension(no_answer_seconds="soon"),
            "extensions[0].no_answer_seconds: (extension 100) should be a number, without quotes",
        ),
        (
            with_extension(busy_detection="x"),
            "extensions[0].busy_detection: (extension 100) should be 'pbx' or 'phone'",
        ),
        (
            with_extension(forward={"bussy": "101"}),
            "extensions[0].forward.bussy: (extension 100) unknown key, did you mean busy?",
        ),
        (
            with_extension(forward={"busy": "100"}),
            "extensions[0].forward.busy: (extension 100) is the extension itself, choose another",
        ),
        (
            with_extension(forward={"busy": "109"}),
            "extensions[0].forward.busy: (extension 100) 109 is no extension, add it or choose another",
        ),
        (
            with_extension(forward={"busy": "voicemail:109"}),
            "extensions[0].forward.busy: (extension 100) 109 is no extension, add it or choose another",
        ),
        (
            with_extension(forward={"busy": "uri:skype:threecx"}),
            "extensions[0].forward.busy: (extension 100) needs a gateway for skype:, add the scheme to that of a trunk",
        ),
        (
            with_extension(forward={"busy": "number:0123456789012345"}),
            "extensions[0].forward.busy: (extension 100) should be 21 characters at most; users' own rules may "
            "have longer ones",
        ),
        (
            with_extension(forward={"busy": "fax:109"}),
            "extensions[0].forward.busy: (extension 100) should be 'busy', 'end', or begin with one of extension:, "
            "voicemail:, number:, uri:, system:",
        ),
        (
            {"extensions": [LEE, LEE | {"sip_id": "x"}]},
            "extensions[1].number: (extension 100) is the number of extensions[0] already",
        ),
        (
            with_extension(sip_id="EXT101"),
            "extensions[1].sip_id: (extension 101) ext101 means extension 100 already",
        ),
        (
            with_extension(sip_id="101"),
            "extensions[0].sip_id: (extension 100) 101 means extension 101 already",
        ),
        (
            {"extensions": [LEE | {"number": "999"}]},
            "extensions[0].number: (extension 999) is the voicemail number, change it or numbers.voicemail",
        ),
        (
            with_extension(sip_id="700"),
            "extensions[0].sip_id: (extension 100) is the conference number, change it or numbers.conference",
        ),
        (
            {"sip": {"session_expires": 5}},
            "sip.session_expires: should be 0, or should be greater than or equal to 10",
        ),
        (
            {"trunks": [{"name": "a", "qualify_seconds": "often"}]},
            "trunks[0].qualify_seconds: should be 0, or should be a number, without quotes",
        ),
        (
            {"dial_codes": {"parking": {"park": 5}}},
            "dial_codes.parking.park: should be a text in quotes, or should be False",
        ),
        (
            {"receptionists": [{"number": "800", "keys": {"q": "100"}}]},
            "receptionists[0].keys.q: should match pattern '^[0-9*#]$'",
        ),
        (
            {"media": {"port_range": [1, 2, 3]}},
            "media.port_range: should have at most 2 items after validation, not 3",
        ),
    ],
)
def test_a_mistake_is_one_line_with_key_and_remedy(data: dict[str, Any], problem: str) -> None:
    assert problems(data) == [problem]


def test_a_certificate_needs_its_key(certificate: Path) -> None:
    path = str(certificate / "cert.pem")
    assert problems({"sip": {"certificate": path}}) == [
        "sip.key: is missing, add the private key of the certificate"
    ]
    assert problems({"sip": {"key": path}}) == ["sip.certificate: is missing, add the certificate of the key"]


def test_tls_and_tcp_need_two_ports(certificate: Path) -> None:
    sip = {
        "certificate": str(certificate / "cert.pem"),
        "key": str(certificate / "key.pem"),
        "tls_port": 5060,
    }
    assert problems({"sip": sip}) == ["sip.tls_port: 5060 is sip.tcp_port already, choose another"]


def test_all_mistakes_are_told_at_once() -> None:
    assert len(problems({"sip": {"t1": 0, "x": 1}, "extensions": [{}]})) == 4


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("[sip\n", "is not TOML: "),
        ("a = 1\na = 2", "is not TOML: "),
        ("sip = 1", "sip: should be a table of keys"),
        ("[sip]\nudp_port = 70000", "sip.udp_port: should be less than"),
    ],
)
def test_mistakes_name_the_file(tmp_path: Path, text: str, start: str) -> None:
    file = tmp_path / "myphone.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(file)
    assert str(raised.value).startswith(f"{file}: {start}")


def test_a_syntax_error_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "myphone.toml").write_text("[sip]\nudp_port = = 3")
    with pytest.raises(ConfigError, match="line 2"):
        load(tmp_path / "myphone.toml")


@pytest.mark.parametrize("name", ["absent.toml", "."])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read: .*; give the path of a configuration file"):
        load(tmp_path / name)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "myphone.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is not TOML"):
        load(tmp_path / "myphone.toml")


# -- secrets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "extension",
    [
        {"number": "100", "password": ["SECRET"]},
        {"number": "1x", "password": "SECRET", "pin": "SECRET"},
        {"password": "SECRET"},
        {"number": "999", "password": "SECRET"},
        {"number": "100", "password": "SECRET", "pasword": "SECRET"},
    ],
)
def test_errors_repeat_no_password(extension: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as raised:
        parse({"extensions": [extension]})
    error = raised.value
    assert "SECRET" not in f"{error} {error!r} {error.__cause__} {error.__context__}"


def test_a_config_shows_no_password() -> None:
    config = parse({"extensions": [{"number": "100", "password": "SECRET", "pin": "SECRET"}]})
    assert "SECRET" not in f"{config!r} {config} {config.model_dump()} {config.directory()}"


def test_built_in_python_the_errors_hide_the_input_too() -> None:
    with pytest.raises(ValidationError) as raised:
        Extension(number="1x", password="SECRET")  # type: ignore[arg-type]
    assert "SECRET" not in str(raised.value)


# -- advice ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "target", "patient"),
    [(45, "100", False), (46, "100", True), (60, "extension:100", True), (60, "voicemail:100", False)],
)
def test_who_rings_for_long_for_callers_from_outside_is_pointed_out(
    seconds: int, target: str, patient: bool
) -> None:
    person = {"number": "100", "password": "k7wq-29xm", "no_answer_seconds": seconds}
    config = parse({"extensions": [person], "inbound_rules": [{"target": target}]})
    found = [problem.key for problem in weaknesses(config)]
    assert found == ["extensions[0].no_answer_seconds"] * patient


@pytest.mark.parametrize(
    ("password", "weak"), [("100", True), ("ext100", True), ("1234567", True), ("k7wq-29xm", False)]
)
def test_weak_passwords_are_pointed_out(password: str, weak: bool) -> None:
    config = parse({"extensions": [{"number": "100", "password": password}]})
    assert [problem.key for problem in weaknesses(config)] == ["extensions[0].password"] * weak


def test_a_config_may_be_put_together_in_python() -> None:
    config = Config(extensions=(Extension.model_validate(LEE),))
    assert [extension.number for extension in config.directory()] == ["100"]


# -- the manual ------------------------------------------------------------------------------------


def tables(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """The tables of a file, and those within them."""
    for field in model.model_fields.values():
        kinds = (field.annotation, *get_args(field.annotation))
        for kind in kinds:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield kind
                yield from tables(kind)


MANUAL = Path(__file__).parents[3] / "docs" / "configuration.md"


@pytest.mark.row("ADM-20")
@pytest.mark.parametrize("table", [Config, *tables(Config)])
def test_the_manual_tells_of_every_key(table: type[BaseModel]) -> None:
    manual = MANUAL.read_text("utf-8")
    assert [key for key in table.model_fields if not re.search(rf"`\[*{key}\]*`", manual)] == []


def test_the_examples_of_the_manual_are_right() -> None:
    examples = re.findall(r"```toml\n(.*?)```", MANUAL.read_text("utf-8"), re.DOTALL)
    assert len(examples) == 7
    extensions = [entry for example in examples for entry in tomllib.loads(example).get("extensions", [])]
    config = parse({"extensions": extensions} | tomllib.loads(examples[1]) | tomllib.loads(examples[4]))
    parse(tomllib.loads(examples[3]))
    assert len(config.extensions) == 3
    assert list(weaknesses(config)) == []


def test_the_example_of_the_readme_is_right(certificate: Path) -> None:
    [example] = re.findall(
        r"```toml\n(.*?)```", (MANUAL.parents[1] / "README.md").read_text("utf-8"), re.DOTALL
    )
    example = example.replace("/etc/myphone/pbx.crt", str(certificate / "cert.pem"))
    config = parse(tomllib.loads(example.replace("/etc/myphone/pbx.key", str(certificate / "key.pem"))))
    assert config.sip.tls
    assert list(weaknesses(config)) == []
