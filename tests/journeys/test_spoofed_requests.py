"""Requests in the name of a call that is not theirs change nothing; a REFER moves only one's own calls."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pbx.phone import Phone, PhoneCall
from sipcore.dialog.transfer import refer_to
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.message import Request
from sipcore.syntax.uri import Uri
from tests.journeys.talking import connect, couple, listen
from tests.simulation.office import Office

TARGET = "<sip:102@10.0.0.1>"


def forged(call: PhoneCall, method: str, local: str | None, remote: str | None) -> Request:
    """A request as the phone of the call would send it, but for its tags (None: the right one)."""
    dialog = call.dialog
    return Request(
        method,
        dialog.remote_target,
        [
            ("Max-Forwards", "70"),
            ("From", str(dialog.local.with_tag(local or dialog.local_tag))),
            ("To", str(dialog.remote.with_tag(remote or dialog.remote_tag))),
            ("Call-ID", dialog.call_id),
            ("CSeq", f"{dialog.local_cseq + 100} {method}"),
            ("Contact", f"<{call.phone.contact}>"),
            *([("Refer-To", TARGET)] if method == "REFER" else []),
            *(
                [("Via", f"SIP/2.0/UDP {call.phone.flow.local};branch=z9hG4bKwrong")]
                if method == "CANCEL"
                else []
            ),
        ],
    )


@pytest.mark.row("CORE-12")
@pytest.mark.parametrize("method", ["BYE", "INVITE", "UPDATE", "REFER", "CANCEL", "INFO"])
@pytest.mark.parametrize(("local", "remote"), [("wrong", None), (None, "wrong"), ("wrong", "wrong")])
async def test_wrong_tags_open_no_dialog(
    office: Office, tmp_path: Path, method: str, local: str | None, remote: str | None
) -> None:
    lee, richardson = await couple(office)
    calls = await connect(lee, "101", richardson)
    await asyncio.sleep(0.3)
    assert (await lee.request(forged(calls[0], method, local, remote))).status == 481
    assert await listen(tmp_path, *calls) == [{1}, {0}]


@pytest.mark.row("CORE-12")
@pytest.mark.parametrize("method", ["BYE", "INVITE", "REFER"])
async def test_right_tags_from_another_host_are_challenged(
    office: Office, tmp_path: Path, method: str
) -> None:
    lee, richardson = await couple(office)
    stranger = await office.phone("107", register=False)
    calls = await connect(lee, "101", richardson)
    await asyncio.sleep(0.3)
    assert (await stranger.request(forged(calls[0], method, None, None))).status == 401
    assert await listen(tmp_path, *calls) == [{1}, {0}]


async def refer_outside(phone: Phone, *headers: tuple[str, str], authorized: bool = True) -> int:
    """The answer to a REFER that is in no dialog."""
    number, server = phone.account.number, phone.account.server.host
    me = NameAddress(None, Uri("sip", number, host=server))

    def request(*more: tuple[str, str]) -> Request:
        return Request(
            "REFER",
            Uri("sip", "100", host=server),
            [
                ("Max-Forwards", "70"),
                ("From", str(me.with_tag("a"))),
                ("To", f"<sip:100@{server}>"),
                ("Call-ID", f"{phone.environment.rng.getrandbits(64):x}"),
                ("CSeq", "1 REFER"),
                ("Contact", f"<{phone.contact}>"),
                ("Refer-To", TARGET),
                *headers,
                *more,
            ],
        )

    response = await phone.request(request())
    if response.status == 401 and authorized:
        header = phone.credentials_for(request(), response)
        assert header is not None
        response = await phone.request(request(header))
    return response.status


def target_dialog(call: PhoneCall) -> tuple[str, str]:
    """What names a call in a request outside it (RFC 4538)."""
    dialog = call.dialog
    named = f"{dialog.call_id};local-tag={dialog.local_tag};remote-tag={dialog.remote_tag}"
    return "Target-Dialog", named


@pytest.mark.row("CORE-12")
async def test_a_refer_outside_any_call_moves_ones_own_call_alone(office: Office, tmp_path: Path) -> None:
    lee, richardson = await couple(office)
    taylor = await office.phone("102")
    miller = await office.phone("107")
    calls = await connect(lee, "101", richardson)
    await asyncio.sleep(0.3)
    assert await refer_outside(lee) == 403
    assert await refer_outside(miller, target_dialog(calls[0]), authorized=False) == 401
    assert await refer_outside(miller, target_dialog(calls[0])) == 403
    assert await refer_outside(lee, ("Target-Dialog", "nonsense")) == 400
    assert await listen(tmp_path, *calls) == [{1}, {0}]
    assert await refer_outside(lee, target_dialog(calls[0])) == 202
    target = await taylor.incoming()
    target.answer()
    assert await calls[0].over() == 200
    assert await listen(tmp_path, calls[1], target) == [{1}, {0}]
    calls[1].hang_up()
    await target.over()
    await office.settle()


@pytest.mark.row("CORE-12")
@pytest.mark.parametrize(
    ("written", "status"),
    [
        ("<sip:102@10.0.0.1;method=BYE>", 403),
        ("<sip:102@10.0.0.1?Replaces=x>", 400),
        ("<http://example.com/>", 403),
        ("<sip:10.0.0.1>", 403),
        ("nonsense", 400),
    ],
)
async def test_a_refer_that_makes_no_sense_moves_nothing(
    office: Office, tmp_path: Path, written: str, status: int
) -> None:
    lee, richardson = await couple(office)
    calls = await connect(lee, "101", richardson)
    await asyncio.sleep(0.3)
    assert await calls[0].refer(written).response() == status
    assert await listen(tmp_path, *calls) == [{1}, {0}]


@pytest.mark.row("CORE-12")
async def test_headers_in_a_refer_to_reach_nobody(office: Office) -> None:
    lee, richardson = await couple(office)
    taylor = await office.phone("102")
    calls = await connect(lee, "101", richardson)
    hostile = "From=%3Csip:boss@evil%3E&X-Evil=1%0d%0aY-Evil:1&Route=%3Csip:evil%3E&Authorization=Digest"
    calls[0].refer(f"<sip:102@10.0.0.1?{hostile}>")
    target = await taylor.incoming()
    session = target.leg.session
    assert session is not None
    assert session.request.from_.uri.user == "101"
    assert b"vil" not in session.request.to_bytes()
    assert not session.request.has("Route")


def test_what_names_a_target() -> None:
    assert refer_to(Uri.parse("sip:102@10.0.0.1")) == TARGET
