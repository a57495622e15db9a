"""The dial table: patterns, clashes and what a Request-URI says was dialled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from pbx.dial_table import DialCode, DialTable, DialTableError, Handler, Pattern, dialled_string
from sipcore.syntax.uri import Uri


async def _serve(call: object, **digits: str) -> None:
    """A handler that nobody calls."""


def code(pattern: str, name: str = "handle", run: Callable[..., Awaitable[None]] = _serve) -> DialCode:
    return DialCode(Pattern.parse(pattern), Handler("feature", name, run))


def table(*patterns: str) -> DialTable:
    return DialTable([code(pattern, name=pattern) for pattern in patterns])


def matched(table: DialTable, dialled: str) -> tuple[str, dict[str, str]] | None:
    found = table.match(dialled)
    return None if found is None else (found[0].name, found[1])


# -- matching --------------------------------------------------------------------------------------


@pytest.mark.row("DC-02")
@pytest.mark.parametrize(
    ("dialled", "expected"),
    [
        ("*777", ("*777", {})),
        ("*7777", None),
        ("*77", None),
        ("*20*100", ("*20*{extension}", {"extension": "100"})),
        ("*20*", None),
        ("*20*1a", None),
        ("*13", ("*1{orbit:digit}{extension?}", {"orbit": "3"})),
        ("*13100", ("*1{orbit:digit}{extension?}", {"orbit": "3", "extension": "100"})),
        ("*1", None),
        ("#9*5*", ("#9*{a}*", {"a": "5"})),
        ("#9**", None),
        ("100", None),
        ("", None),
        ("*777\n", None),
        ("*20*١٢", None),  # digits, but not those of a telephone
    ],
)
def test_match(dialled: str, expected: tuple[str, dict[str, str]] | None) -> None:
    codes = table("*777", "*20*{extension}", "*1{orbit:digit}{extension?}", "#9*{a}*")
    assert matched(codes, dialled) == expected


def test_an_empty_table_matches_nothing() -> None:
    assert DialTable([]).match("*777") is None
    assert DialTable([]).match("") is None


def test_long_strings_take_linear_time() -> None:
    codes = table("*20*{extension}", "*1{orbit:digit}{extension?}", "#9*{a}*")
    assert codes.match("*20*" + "1" * 60_000 + "x") is None
    assert codes.match("*1" + "1" * 60_000 + "*") is None


async def test_a_handler_is_called_with_the_digits() -> None:
    seen = []

    async def pick_up(call: object, extension: str) -> None:
        seen.append((call, extension))

    found = DialTable([code("*20*{extension}", run=pick_up)]).match("*20*100")
    assert found is not None
    handler, digits = found
    await handler("a call", **digits)
    assert seen == [("a call", "100")]


# -- patterns --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("", "empty string"),
        ("{all?}", "empty string"),
        ("*20*{extension", "'{extension' is neither"),
        ("*20 1", "' 1' is neither"),
        ("*{Name}", "neither"),
        ("*{a}{b}", r"no digit can follow \{a\}"),
        ("*{a}5", r"no digit can follow \{a\}"),
        ("*{a}{b:digit}", r"no digit can follow \{a\}"),
        ("*{a?}*", "has to be the last"),
        ("*{a}*{a}", "is there twice"),
    ],
)
def test_wrong_patterns_say_what_is_wrong(pattern: str, problem: str) -> None:
    with pytest.raises(DialTableError, match=problem):
        Pattern.parse(pattern)


@pytest.mark.row("DC-03")
@pytest.mark.parametrize(
    ("one", "other", "common"),
    [
        ("*777", "*777", "*777"),
        ("*777", "*778", None),
        ("*1{orbit:digit}", "*10", "*10"),
        ("*1{orbit:digit}", "*1{orbit:digit}{extension}", None),
        ("*1{orbit:digit}{extension?}", "*1{x:digit}{y}", "*100"),
        ("*20*{extension?}", "*20*", "*20*"),
        ("*{a}", "*{b:digit}", "*0"),
        ("*{a}*{b}", "*1{c?}", None),
        ("*{a}*{b}", "*1*{c?}", "*1*0"),
        ("{a}", "{b:digit}{c:digit}", "00"),
    ],
)
def test_common_string_is_exact(one: str, other: str, common: str | None) -> None:
    assert Pattern.parse(one).common_string(Pattern.parse(other)) == common
    assert Pattern.parse(other).common_string(Pattern.parse(one)) == common


# -- building --------------------------------------------------------------------------------------


@pytest.mark.row("DC-03")
def test_clashing_codes_are_both_named_with_an_example() -> None:
    with pytest.raises(DialTableError) as raised:
        DialTable.build([code("*1{orbit:digit}", "park"), code("*15", "other")])
    assert str(raised.value) == (
        "'*1{orbit:digit}' (feature.park) and '*15' (feature.other) could both be meant by *15"
    )
    assert [code.handler.name for code in raised.value.codes] == ["park", "other"]


@pytest.mark.row("DC-03")
@pytest.mark.parametrize(
    ("pattern", "hidden"),
    [("80{queue}", "extension 804"), ("999", "voicemail 999"), ("{a:digit}00", "extension 100")],
)
def test_a_code_must_not_hide_a_number(pattern: str, hidden: str) -> None:
    with pytest.raises(DialTableError, match=f"feature.handle.* would hide {hidden}"):
        DialTable.build([code(pattern)], ["100", "804"], {"999": "voicemail", "700": "conference"})


@pytest.mark.row("DC-04")
def test_codes_and_numbers_that_differ_live_together() -> None:
    codes = DialTable.build(
        [code("*777"), code("*20*{extension?}"), code("8{queue}*")], ["100", "804"], {"999": "voicemail"}
    )
    assert codes.match("804") is None
    assert codes.match("999") is None
    assert codes.match("804*") is not None


# -- what was dialled ------------------------------------------------------------------------------


@pytest.mark.row("DC-05")
@pytest.mark.parametrize(
    ("uri", "dialled"),
    [
        ("sip:*777@pbx", "*777"),
        ("sip:%2A777@pbx", "*777"),
        ("sip:%2a20%2A100@pbx", "*20*100"),
        ("sip:*777@pbx;user=phone", "*777"),
        ("sip:%2A777@pbx;user=phone", "*777"),
        ("sip:*777;phone-context=pbx.example@pbx;user=phone", "*777"),
        ("sip:+33-1.(2)3@pbx;user=phone", "+33123"),
        ("sip:1.2@pbx", "1.2"),
        ("sip:ext-100@pbx;user=phone", "ext-100"),
        ("tel:*777;phone-context=pbx.example", "*777"),
        ("tel:+33-1-23", "+33123"),
        ("sip:%23@pbx", "#"),
        ("sip:pbx", ""),
    ],
)
def test_what_was_dialled(uri: str, dialled: str) -> None:
    assert dialled_string(Uri.parse(uri)) == dialled
