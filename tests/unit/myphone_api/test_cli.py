"""The command line as it is typed: what it accepts, what it prints, its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from myphone_api.cli import main, make_parser

GOOD = '[[extensions]]\nnumber = "100"\npassword = "correct horse"\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "myphone.toml"
    path.write_text(GOOD)
    return path


def exit_code_of(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


# -- the parser ------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [[], ["demo"], ["serve"], ["config"], ["config", "check"], ["phone"]])
def test_help_is_everywhere(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(*command, "--help") == 0
    assert f"usage: myphone {' '.join(command)}".rstrip() in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of("--version") == 0
    assert capsys.readouterr().out.startswith("myphone ")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["serve"],
        ["config"],
        ["config", "check"],
        ["phone", "100"],
        ["phone", "100", "--server", "x", "--call", "1", "--answer"],
        ["phone", "100", "--server", "x", "--password", "a", "--password-file", "b"],
        ["phone", "100", "--server", "x", "--call", ""],
        ["phone", "100", "--server", "x", "--call", "1 0"],
        ["phone", "1\r\n0", "--server", "x"],
        ["phone", "100", "--server", "x", "--listen", "pbx.example"],
        ["phone", "100", "--server", "x", "--seconds", "0"],
        ["phone", "100", "--server", "x", "--seconds", "nan"],
        ["phone", "100", "--server", "x", "--seconds", "soon"],
        ["phone", "100", "--server", "x", "--dtmf", "12x"],
        ["phone", "100", "--server", "x", "--dtmf", ""],
        ["demo", "--media-ports", "20000"],
        ["demo", "--media-ports", "a-b"],
        ["demo", "--port", "x"],
        ["demo", "--log-level", "loud"],
    ],
)
def test_options_that_cannot_be(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code_of(*arguments) == 2
    assert "usage: myphone" in capsys.readouterr().err


def test_a_range_of_ports() -> None:
    assert make_parser().parse_args(["demo", "--media-ports", "30000-30099"]).media_ports == (30000, 30099)


# -- config check ----------------------------------------------------------------------------------


def test_a_fine_configuration(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", "--config", str(file)]) == 0
    assert capsys.readouterr() == (f"{file}: fine, 1 extensions\n", "")
    assert main(["config", "check", "--config", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "file": str(file),
        "ok": True,
        "extensions": 1,
        "warnings": [],
    }


def test_a_wrong_configuration(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(GOOD + "pasword = 'SECRET'\n")
    message = "(extension 100) unknown key, did you mean password?"
    assert main(["config", "check", "--config", str(file)]) == 2
    assert capsys.readouterr() == ("", f"myphone: {file}: extensions[0].pasword: {message}\n")
    assert main(["config", "check", "--config", str(file), "--json"]) == 2
    assert json.loads(capsys.readouterr().out) == {
        "file": str(file),
        "ok": False,
        "problems": [{"key": "extensions[0].pasword", "message": message}],
    }


def test_a_missing_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check", "--config", str(tmp_path / "absent.toml")]) == 2
    assert "absent.toml: cannot be read: No such file" in capsys.readouterr().err


def test_advice_is_no_error(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(GOOD.replace("correct horse", "100"))
    assert main(["config", "check", "--config", str(file)]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{file}: fine, 1 extensions\n"
    assert "warning: extensions[0].password: (extension 100) is easily guessed" in printed.err


def test_a_dial_code_that_no_feature_has(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text('[dial_codes]\nnothing = "*1"\n')
    assert main(["config", "check", "--config", str(file)]) == 2
    assert f"{file}: dial_codes.nothing: no such feature; installed: " in capsys.readouterr().err


# -- others fail before they open a port -----------------------------------------------------------


def test_serve_refuses_a_wrong_configuration(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("[sip]\nudp_port = 99999\n")
    assert main(["serve", "--config", str(file)]) == 2
    assert f"myphone: {file}: sip.udp_port: should be less" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--trace", "109"], "--trace: no extension '109', there are 100"),
        (["--trace-file", "x.pcap"], "--trace-file: whose messages? add --trace EXT"),
    ],
)
def test_a_trace_is_of_an_extension(
    file: Path, capsys: pytest.CaptureFixture[str], options: list[str], problem: str
) -> None:
    assert main(["serve", "--config", str(file), *options]) == 2
    assert problem in capsys.readouterr().err
