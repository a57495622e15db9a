"""`myphone ext add` and `set`: what an export has of an extension can be set by an option, or is refused by its key."""

from __future__ import annotations

import tomllib
import wave
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from myphone_api.cli import main, make_parser
from pbx.store import forwarding
from pbx.store.store import Store
from tests.unit.myphone_api.test_live_commands import FILE, Cli

MORE = """
[[groups]]
name = "Support, 2nd level"
extensions = ["101"]

[[outbound_rules]]
prefix = "0"
trunks = ["provider"]
"""


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    path = tmp_path / "myphone.toml"
    path.write_text(FILE + MORE)
    return Cli(path, capsys)


def rules_of(cli: Cli, number: str) -> Any:
    return cli.extensions()[number].get("user_rules")


def write_wav(path: Path, seconds: float = 0.1) -> Path:
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(b"\1\2" * int(8000 * seconds))
    return path


@pytest.mark.row("ADM-01")
def test_each_key_of_an_extension_has_an_option(cli: Cli) -> None:
    given = {
        "first_name": "Leigh", "last_name": "Park", "email": "leigh@example.org", "language": "fr", "sip_id": "leigh",
        "outbound_caller_id": "+33140000001", "withhold_number": True, "no_answer_seconds": 25.0,
        "busy_detection": "phone", "record_calls": "external", "manager": True, "barge_in": True,
    }  # fmt: skip
    mailbox = {"enabled": False, "say_caller": True, "say_time": True, "mail": "attachment"}
    forward = {"always": "voicemail:100", "busy": "101", "no_answer": "end", "not_registered": "voicemail"}
    cli.run(
        "ext", "add", "102", *options(given | prefixed("voicemail", mailbox) | prefixed("forward", forward))
    )
    shown = cli.extensions()["102"]
    assert shown == given | {
        "number": "102",
        "voicemail": mailbox,
        "forward": forward,
        "version": 1,
        "phones": 0,
    }
    [exported] = [each for each in cli.json("export")["extensions"] if each["number"] == "102"]
    for key in set(shown) - {"version", "phones"}:
        assert exported[key] == shown[key]


def options(values: dict[str, Any]) -> list[str]:
    """Values as options, named after their keys."""
    found = []
    for key, value in values.items():
        name = key.replace("_", "-").replace(".", "-")
        found += (
            [f"--{'' if value else 'no-'}{name}"] if isinstance(value, bool) else [f"--{name}", str(value)]
        )
    return found


def prefixed(table: str, values: dict[str, Any]) -> dict[str, Any]:
    return {f"{table}.{key}": value for key, value in values.items()}


def test_of_a_table_those_keys_change_that_are_given(cli: Cli) -> None:
    cli.run("ext", "set", "101", "--forward-no-answer", "voicemail", "--voicemail-say-time")
    cli.run("ext", "set", "101", "--forward-busy", "", "--voicemail-say-caller", "--no-voicemail-say-time")
    assert cli.extensions()["101"]["forward"] == {"no_answer": "voicemail"}
    assert cli.extensions()["101"]["voicemail"] == {"say_caller": True}
    cli.run("ext", "set", "101", "--forward-no-answer", "", "--no-voicemail-say-caller")
    assert not {"forward", "voicemail"} & set(cli.extensions()["101"])


@pytest.mark.row("ADM-03", "ADM-04")
def test_an_extension_comes_into_groups_and_leaves_them(cli: Cli) -> None:
    second = "Support, 2nd level"
    said = cli.json("ext", "add", "102", "--groups", "Management", second, "--heads", second)
    assert (said["added"], said["tables"]) == (["102"], ["groups"])
    assert cli.extensions()["102"]["groups"] == ["Management", second]
    assert cli.extensions()["102"]["heads"] == [second]
    cli.run("ext", "set", "102", "--groups", "Management")  # who leaves a group leads it no more
    assert cli.extensions()["102"]["groups"] == ["Management"]
    assert "heads" not in cli.extensions()["102"]
    cli.run("ext", "set", "102", "--heads", second)
    assert cli.extensions()["102"]["groups"] == ["Management", second]
    cli.run("ext", "set", "102", "--groups")
    assert "groups" not in cli.extensions()["102"]
    assert cli.extensions()["100"]["heads"] == ["Management"]


@pytest.mark.row("FWD-03")
def test_the_simple_form_is_set_key_by_key(cli: Cli) -> None:
    assert (
        cli.run("ext", "set", "100", "--simple-busy", "101", "--no-answer-seconds", 20)[0] == "changed 100\n"
    )
    form = rules_of(cli, "100")["simple"]
    assert (form["busy"], form["no_answer"], form["no_answer_seconds"]) == (
        "extension:101",
        "voicemail",
        20.0,
    )
    cli.run("ext", "set", "100", "--simple-forward-all", "0612345678", "--simple-forward-all-offer")
    cli.run(
        "ext",
        "set",
        "100",
        "--simple-no-answer",
        "end",
        "--busy-detection",
        "phone",
        "--no-answer-seconds",
        30,
    )
    cli.run("ext", "set", "100", "--simple-forward-all-outside-office-hours", "voicemail")
    assert rules_of(cli, "100")["simple"] == {
        "no_answer_seconds": 30.0,
        "no_answer": "end",
        "busy": "extension:101",
        "more_than_one_call": True,
        "forward_all": {
            "to": "number:0612345678",
            "offer": True,
            "outside_office_hours": "voicemail",
            "only_external": False,
        },
    }
    cli.run("ext", "set", "100", "--simple-forward-all", "")
    assert "forward_all" not in rules_of(cli, "100")["simple"]
    assert cli.extensions()["100"]["version"] == 6
    assert cli.run("ext", "set", "100", "--simple-busy", "101")[0] == "nothing to change\n"


@pytest.mark.row("MYP-29")
def test_the_black_list_is_set_as_a_whole(cli: Cli) -> None:
    cli.run("ext", "set", "101", "--black-list", "+33 1 40", "0612", "--black-list-reject-anonymous")
    assert rules_of(cli, "101") == {"black_list": {"numbers": ["+33 1 40", "0612"], "reject_anonymous": True}}
    cli.run("ext", "set", "101", "--black-list")
    assert rules_of(cli, "101") == {"black_list": {"numbers": [], "reject_anonymous": True}}


def test_rules_that_a_form_would_end_are_given_up_by_name_only(cli: Cli, tmp_path: Path) -> None:
    """Those of the configuration, and those that the user has made; these are kept among the replaced ones."""
    _, errors = cli.run("ext", "set", "101", "--simple-busy", "voicemail", code=2)
    assert "user_rules.simple: (extension 101) would take the place of 1 rules" in errors
    assert "--replace-rules" in errors
    rules = {"rules": [{"type": "busy", "action": "extension:101"}], "no_answer_seconds": 33.0}
    file = tmp_path / "rules.toml"
    file.write_text(tomli_w.dumps({"user_rules": [{"extension": "100", "advanced": rules}]}))
    assert cli.run("import", file)[0] == "changed 100\n"
    assert cli.run("import", file)[0] == "nothing to change\n"
    cli.run("ext", "set", "100", "--no-answer-seconds", 44)
    assert rules_of(cli, "100")["advanced"]["no_answer_seconds"] == 44.0
    before = rules_of(cli, "100")
    cli.run("ext", "set", "100", "--simple-busy", "voicemail", code=2)
    _, errors = cli.run("ext", "set", "100", "--forward-busy", "101", code=2)
    assert "forward: (extension 100) its user's own rules come first" in errors
    assert rules_of(cli, "100") == before
    cli.run("ext", "set", "100", "--simple-busy", "voicemail", "--replace-rules")
    assert rules_of(cli, "100")["simple"]["busy"] == "voicemail"
    cli.run("ext", "set", "100", "--forward-busy", "101", "--replace-rules")
    assert rules_of(cli, "100") is None
    store = Store.open(cli.config.parent / "data" / "myphone.db")
    try:
        [(_, kept)] = store.read(lambda connection: forwarding.replaced("100", connection))
        assert kept["rules"][0]["action"] == "extension:101"
    finally:
        store.abandon()


def test_a_greeting_is_copied_into_the_mailbox(cli: Cli, tmp_path: Path) -> None:
    said = write_wav(tmp_path / "said.wav")
    assert cli.run("ext", "set", "100", "--voicemail-greeting", said)[0] == "changed 100\n"
    greeting = tmp_path / "data" / "voicemail" / "100" / "greeting.wav"
    assert greeting.read_bytes() == said.read_bytes()
    assert cli.extensions()["100"]["voicemail_greeting"]
    assert list((tmp_path / "data" / "voicemail" / "incoming").iterdir()) == []
    cli.run("ext", "set", "100", "--voicemail-greeting", "")
    assert not greeting.exists()
    assert "voicemail_greeting" not in cli.extensions()["100"]
    (tmp_path / "noise.wav").write_bytes(b"noise")
    for wrong in ("noise.wav", "nowhere.wav"):
        _, errors = cli.run("ext", "set", "100", "--voicemail-greeting", tmp_path / wrong, code=2)
        assert "--voicemail-greeting" in errors


def test_a_greeting_waits_until_nothing_is_left_of_who_had_the_number_before(cli: Cli, tmp_path: Path) -> None:
    """A system deletes the files of a removed extension when it looks next, or starts: this one would be among them."""
    said = write_wav(tmp_path / "said.wav")
    cli.run("ext", "add", "109")
    cli.run("ext", "remove", "109")
    _, error = cli.run("ext", "add", "109", "--voicemail-greeting", said, code=1)
    assert "files of an extension 109 that was removed are still to be deleted" in error
    assert "109" not in cli.extensions()
    assert not (tmp_path / "data" / "voicemail" / "109").exists()
    cli.run("ext", "add", "109")


def test_what_an_option_has_set_goes_through_an_export(cli: Cli, tmp_path: Path) -> None:
    cli.run("ext", "set", "100", "--simple-busy", "101", "--black-list", "0612", "--voicemail-say-time")
    cli.run("ext", "set", "101", "--heads", "Support, 2nd level")
    target = tmp_path / "export.toml"
    cli.run("export", "--output", target)
    before = cli.json("export")
    cli.run("ext", "set", "100", "--simple-busy", "voicemail", "--black-list", "--no-voicemail-say-time")
    cli.run("ext", "set", "101", "--groups")
    assert cli.json("export") != before
    assert cli.json("import", target)["changed"] == ["100"]
    assert cli.json("export") == before
    assert tomllib.loads(target.read_text()) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--simple-forward-all", "7123456"], "user_rules.simple.forward_all.to: leads nowhere"),
        (["--simple-forward-all", "*62"], "user_rules.simple.forward_all.to: is the dial code *62"),
        (["--email", "nobody"], "extensions[0].email"),
        (["--no-answer-seconds", "0"], "extensions[0].no_answer_seconds"),
        (
            ["--voicemail-mail", "attachment"],
            "extensions[0].voicemail.mail: (extension 100) needs an address",
        ),
        (["--forward-busy", "105"], "extensions[0].forward.busy: (extension 100) 105 is no extension"),
        (["--outbound-caller-id", "a b"], "extensions[0].outbound_caller_id"),
        (["--groups", "Sales"], "groups: 'Sales' is no group; there are: Management, Support, 2nd level"),
        (["--heads", "Sales"], "heads: 'Sales' is no group"),
        (["--simple-busy", "105"], "user_rules.simple.busy: leads to 105, which is no extension"),
        (["--simple-busy", "100"], "user_rules.simple.busy: is the extension itself"),
        (
            ["--simple-busy", "end"],
            'user_rules.simple.busy: should be "voicemail", "busy" or the number of another',
        ),
        (
            ["--simple-no-answer", "x"],
            'user_rules.simple.no_answer: should be "voicemail", "end" or the number',
        ),
        (
            ["--simple-forward-all", "uri:"],
            'user_rules.simple.forward_all.to: should be "voicemail", the number',
        ),
        (
            ["--simple-forward-all", "101", "--simple-forward-all-offer"],
            "offer goes with a number outside only",
        ),
        (["--simple-forward-all-offer"], "user_rules.simple.forward_all.to: is missing"),
        (["--simple-busy", "101", "--forward-busy", "101"], "forward: goes with no simple form"),
        (["--black-list", "1", "1"], "user_rules.black_list.numbers: should be numbers as phones show them"),
        (["--black-list", "<script>"], "user_rules.black_list.numbers"),
    ],
)
def test_what_cannot_be_is_refused_by_its_key_and_changes_nothing(
    cli: Cli, arguments: list[str], said: str
) -> None:
    before = cli.json("export")
    assert said in cli.run("ext", "set", "100", *arguments, code=2)[1]
    assert cli.json("export") == before


def test_a_change_of_rules_moves_the_version(cli: Cli) -> None:
    cli.run("ext", "set", "100", "--simple-busy", "101", "--if-version", 1)
    _, errors = cli.run("ext", "set", "100", "--simple-busy", "voicemail", "--if-version", 1, code=1)
    assert "it is of version 2 now" in errors
    assert rules_of(cli, "100")["simple"]["busy"] == "extension:101"


def test_both_actions_tell_all_options(capsys: pytest.CaptureFixture[str]) -> None:
    for action in ("add", "set"):
        with pytest.raises(SystemExit):
            make_parser().parse_args(["ext", action, "--help"])
        text = capsys.readouterr().out
        assert "--simple-no-answer" in text
        assert "--voicemail-mail" in text
    assert main(["ext", "list", "--config", "/nowhere"]) == 2
