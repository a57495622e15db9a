"""Q.850 causes and SIP statuses."""

from __future__ import annotations

import pytest

from pbx.directory import Extension
from pbx.party import ExternalParty
from pbx.trunks.causes import meaning, refusal_headers
from sipcore.syntax.message import Response


@pytest.mark.row("CORE-19")
@pytest.mark.parametrize(
    ("status", "cause"), [(486, 17), (404, 1), (480, 18), (603, 21), (503, 34), (499, 127)]
)
def test_a_caller_from_the_telephone_network_is_told_the_cause(status: int, cause: int) -> None:
    assert refusal_headers(ExternalParty("1"), status) == [("Reason", f"Q.850;cause={cause}")]


def test_an_extension_and_one_who_gave_up_are_told_no_cause() -> None:
    assert refusal_headers(Extension("100"), 486) == []
    assert refusal_headers(None, 486) == []
    assert refusal_headers(ExternalParty("1"), 487) == []


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (503, "Q.850;cause=17", 486),
        (503, 'q.850 ; text="User busy" ; cause = 17', 486),
        (480, "Q.850;cause=1", 404),
        (500, "Q.850;cause=41", 500),
        (404, "Q.850;cause=17", 404),
        (503, "SIP;cause=200", 503),
        (503, "Q.850;cause=99999", 503),
        (503, "", 503),
        (600, "Q.850;cause=1", 600),
    ],
)
def test_what_a_refusal_means(status: int, reason: str, expected: int) -> None:
    assert meaning(Response(status, headers=[("Reason", reason)])) == expected
