"""What a feature can do with the plug-in interface, and how plug-ins are found."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pbx.plugin import Call, Feature, PluginError, Refused, load_features


async def serve(call: Call) -> None:
    """A handler that nobody calls."""


async def pick_up(call: Call, extension: str = "") -> None:
    """One with an argument that may be missing."""


async def park(call: Call, orbit: str) -> None:
    """One with an argument that may not."""


# -- features --------------------------------------------------------------------------------------


@pytest.mark.row("DC-02")
def test_a_feature_registers_handlers_with_their_patterns() -> None:
    feature = Feature("pickup")
    assert feature.dial("*20*{extension?}", summary="Answer for another")(pick_up) is pick_up
    feature.dial("*0{orbit:digit}", summary="Park")(park)
    assert [str(code) for code in feature.codes] == [
        "'*20*{extension?}' (pickup.pick_up)",
        "'*0{orbit:digit}' (pickup.park)",
    ]
    assert feature.codes[0].handler.run is pick_up
    assert feature.codes[0].handler.summary == "Answer for another"


@pytest.mark.parametrize(
    ("pattern", "handler", "problem"),
    [
        ("*20*{extension", pick_up, r"feature pickup: pattern .* is neither"),
        ("*20*{number}", pick_up, r"pickup\.pick_up takes no \{number\}"),
        ("*0", park, r"pickup\.park always needs \{orbit\}"),
        ("*0{orbit?}", park, r"pickup\.park always needs \{orbit\}"),
    ],
)
def test_a_pattern_has_to_go_with_its_handler(
    pattern: str, handler: Callable[..., object], problem: str
) -> None:
    with pytest.raises(PluginError, match=problem):
        Feature("pickup").dial(pattern, summary="")(handler)  # type: ignore[type-var]


def test_two_handlers_of_a_feature_cannot_share_a_name() -> None:
    feature = Feature("pickup")
    feature.dial("*1", summary="")(serve)
    with pytest.raises(PluginError, match="two handlers named serve"):
        feature.dial("*2", summary="")(serve)


@pytest.mark.parametrize("name", ["", "Echo", "dial codes", "1st"])
def test_a_feature_name_can_be_a_key(name: str) -> None:
    with pytest.raises(PluginError, match="use small letters"):
        Feature(name)


def test_a_refusal_says_what_the_caller_gets() -> None:
    refused = Refused(404, "nothing is ringing there")
    assert (refused.status, refused.reason) == (404, "nothing is ringing there")


@pytest.mark.parametrize(
    ("status", "reason"), [(200, "OK"), (399, ""), (700, ""), (480, "two\r\nlines"), (480, "\0")]
)
def test_what_is_no_refusal_is_refused_where_it_is_made(status: int, reason: str) -> None:
    with pytest.raises(ValueError, match=r"no reason phrase|not the status"):
        Refused(status, reason)


def test_a_number_gives_no_digits_to_its_handler() -> None:
    with pytest.raises(PluginError, match=r"feature parking: .* parking\.park always needs \{orbit\}"):
        Feature("parking").number("conference", summary="Park")(park)


# -- finding them ----------------------------------------------------------------------------------


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a distribution with one plug-in, as pip would."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(module: str, code: str, *, name: str | None = None, distribution: str | None = None) -> None:
        (tmp_path / f"{module}.py").write_text(code)
        folder = tmp_path / f"{distribution or module}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution or module}\nVersion: 1.0\n"
        )
        (folder / "entry_points.txt").write_text(f"[test.features]\n{name or module} = {module}:feature\n")
        monkeypatch.delitem(sys.modules, module, raising=False)

    return install


def good(name: str) -> str:
    return f"from pbx.plugin import Feature\nfeature = Feature({name!r})\n"


@pytest.mark.row("DC-02")
def test_plug_ins_of_anybody_are_found(install: Callable[..., None]) -> None:
    install("acme_zoo", good("zoo"))
    install("acme_ant", good("ant"))
    assert [feature.name for feature in load_features("test.features")] == ["ant", "zoo"]


def test_no_plug_in_is_no_error() -> None:
    assert load_features("test.features") == ()


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0", "ZeroDivisionError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("", "AttributeError"),
        ("from pbx.plugin import Feature\nFeature('x').dial('*', summary='')", ""),
    ],
)
def test_a_plug_in_that_fails_is_named(install: Callable[..., None], code: str, problem: str) -> None:
    install("acme_bad", code, name="bad")
    with pytest.raises(PluginError) as raised:
        load_features("test.features")
    assert str(raised.value).startswith("plug-in bad of acme_bad (acme_bad:feature) cannot be loaded: ")
    assert problem in str(raised.value)


def test_a_plug_in_is_a_feature(install: Callable[..., None]) -> None:
    install("acme_int", "feature = 5")
    with pytest.raises(PluginError, match=r"acme_int .* is no Feature but a int"):
        load_features("test.features")


def test_two_features_of_one_name_are_both_named(install: Callable[..., None]) -> None:
    install("acme_one", good("echo"), distribution="acme-one")
    install("other_one", good("echo"), distribution="other-one")
    with pytest.raises(PluginError, match="two plug-ins are named echo") as raised:
        load_features("test.features")
    assert "acme-one" in str(raised.value)
    assert "other-one" in str(raised.value)
