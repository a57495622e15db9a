"""The registrar: flows and paths to the contacts (RFC 5626, RFC 3327), and contacts that mean harm."""

from __future__ import annotations

import pytest

from sipcore.registrar.registrar import Change
from sipcore.syntax.headers import NameAddress
from sipcore.syntax.message import Request
from sipcore.syntax.parser import parse_message
from tests.unit.sipcore.registrar.registering import (
    DESK,
    SOFT,
    TCP,
    TCP_AGAIN,
    THIRD,
    UDP,
    Office,
    answered,
    changed,
)

PHONE = '"<urn:uuid:00000000-0000-1000-8000-000a95a0e128>"'
ANOTHER_PHONE = '"<urn:uuid:00000000-0000-1000-8000-111111111111>"'


# -- RFC 5626 ------------------------------------------------------------------------------------------


def outbound(address: str, instance: str = PHONE, reg_id: int | str = 1) -> str:
    return f"<sip:100@{address}>;+sip.instance={instance};reg-id={reg_id}"


def test_a_phone_that_comes_back_from_another_address_replaces_its_contact() -> None:
    """RFC 5626 section 6: +sip.instance and reg-id tell the flow, whatever the URI is."""
    office = Office()
    office.register(outbound("192.0.2.20"), flow=TCP)
    result = office.register(outbound("198.51.100.7"), flow=TCP_AGAIN, call_id="rebooted", cseq=1)
    assert changed(result.changes) == [
        (Change.REPLACED, "<sip:100@192.0.2.20>"),
        (Change.ADDED, "<sip:100@198.51.100.7>"),
    ]
    assert office.contacts() == ["<sip:100@198.51.100.7>"]
    assert answered(result) == {
        "<sip:100@198.51.100.7>": f";expires=1800;+sip.instance={PHONE};reg-id=1",
    }


def test_two_flows_of_one_phone_and_two_phones_stand_side_by_side() -> None:
    office = Office()
    for number, contact in enumerate(
        [
            outbound("192.0.2.20", reg_id=1),
            outbound("192.0.2.20", reg_id=2),
            outbound("192.0.2.20", ANOTHER_PHONE),
        ]
    ):
        office.register(contact, call_id=f"flow {number}")
    assert len(office.contacts()) == 3


@pytest.mark.parametrize(
    "parameters",
    ["", f";+sip.instance={PHONE}", ";reg-id=1", ";+sip.instance;reg-id", ';+sip.instance="";reg-id=1'],
)
def test_without_both_an_instance_and_a_reg_id_the_uri_decides(parameters: str) -> None:
    office = Office()
    office.register(f"<sip:100@192.0.2.20>{parameters}")
    office.register(f"<sip:100@192.0.2.21>{parameters}", call_id="other")
    office.register(f"<sip:100@192.0.2.20>{parameters}", call_id="again")
    assert office.contacts() == ["<sip:100@192.0.2.20>", "<sip:100@192.0.2.21>"]


def test_a_phone_that_learns_outbound_replaces_its_plain_contact() -> None:
    office = Office()
    office.register("<sip:100@192.0.2.20>")
    office.register(outbound("192.0.2.20"))
    assert office.contacts() == ["<sip:100@192.0.2.20>"]


def test_the_order_of_requests_holds_for_a_flow_with_a_new_uri() -> None:
    office = Office()
    office.register(outbound("192.0.2.20"), cseq=10)
    assert office.register(outbound("198.51.100.7"), cseq=9).response.status == 500
    assert office.contacts() == ["<sip:100@192.0.2.20>"]


def test_a_closed_flow_takes_the_contacts_behind_it_along() -> None:
    office = Office()
    office.register(DESK, flow=UDP, call_id="a")
    office.register(SOFT, flow=TCP, call_id="b", expires=60)
    office.register(THIRD, flow=TCP, call_id="b", aor="101")
    changes = office.registrar.flow_closed(TCP)
    assert changed(changes) == [(Change.FLOW_CLOSED, SOFT), (Change.FLOW_CLOSED, THIRD)]
    assert (office.contacts("100"), office.contacts("101")) == ([DESK], [])
    assert office.registrar.flow_closed(TCP) == ()
    assert office.wait(1799) == ()
    assert changed(office.wait(1)) == [(Change.EXPIRED, DESK)]


def test_a_contact_that_moved_to_a_new_connection_outlives_the_old_one() -> None:
    office = Office()
    office.register(outbound("192.0.2.21"), flow=TCP)
    office.register(outbound("192.0.2.21"), flow=TCP_AGAIN)
    assert office.registrar.flow_closed(TCP) == ()
    assert len(office.contacts()) == 1


# -- RFC 3327 ------------------------------------------------------------------------------------------


def test_the_path_is_kept_with_the_contact_and_told_in_the_response() -> None:
    office = Office()
    path = ["<sip:p1.example;lr>, <sip:p2.example;lr>", "<sip:p3.example;lr>"]
    result = office.register(DESK, headers=["Supported: path", *(f"Path: {value}" for value in path)])
    assert result.response.get_all("Path") == path
    (binding,) = office.registrar.bindings("100", office.now)
    hosts = ("p1.example", "p2.example", "p3.example")
    assert binding.path == tuple(NameAddress.parse(f"<sip:{host};lr>") for host in hosts)


def test_a_refresh_brings_a_new_path() -> None:
    office = Office()
    office.register(DESK, headers=["Path: <sip:p1.example;lr>"])
    assert not office.register(DESK).response.has("Path")
    assert office.registrar.bindings("100", office.now)[0].path == ()


@pytest.mark.parametrize("path", ["nonsense", "<sip:>", "<sip:p1.example;lr"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    office = Office()
    assert office.register(DESK, headers=[f"Path: {path}"]).response.status == 400
    assert office.contacts() == []


# -- hostile contacts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "contact",
    [
        "<sip:a%0d%0aEvil:%20yes@h>",
        "<sip:a@h;%0D%0AEvil:%20yes>",
        "<sip:a@h;x=%0D%0AEvil:%20yes>",
        "<sip:a@h?%0D%0AEvil:%20yes=1>",
        "<tel:%0D%0AEvil:yes>",
        '<sip:a@h>;+sip.instance="a\\"b";reg-id="1\\\\;x=y, <sip:evil@h>"',
        "<sip:\udcff%ff@h>",
        "<sip:a@h;\udcff=\udcfe>",
        '<sip:a@h>;+sip.instance="\udcff";reg-id=\udcff',
        "<sip:%00@h>",
        "<mailto:a@h>",
        f"<sip:{'a' * 8000}@h>",
        f"<sip:a@h{';x' * 2000}>",
        f"<sip:a@h>{';x' * 2000}",
    ],
    ids=lambda contact: ascii(contact)[:40],
)
def test_a_strange_contact_harms_nobody(contact: str) -> None:
    """It is taken or refused; if it is taken it can be listed, called, refreshed, and taken back."""
    office = Office()
    office.register(DESK)
    result = office.register(contact, call_id="strange")
    assert result.response.status in (200, 400)
    again = parse_message(result.response.to_bytes())
    assert not again.has("Evil")
    assert [name for name, _ in again.headers] == [name for name, _ in result.response.headers]
    for binding in office.registrar.bindings("100", office.now):
        Request("INVITE", binding.contact).to_bytes()
    if result.response.status == 200:
        assert len(again.contacts) == 2
        assert len(answered(office.register(contact, call_id="strange"))) == 2
        office.register(contact, call_id="strange", expires=0)
    assert answered(office.register()).keys() == {DESK}


@pytest.mark.parametrize(
    "contact",
    [
        "",
        "<",
        ">",
        "<>",
        "<sip:",
        "<sip:a@h",
        "sip:",
        "<sip:a@h>;",
        "<sip:a@h>;=",
        "<sip:a@h> x",
        "<sip:a b@h>",
        "<sip:a@h:0>",
        "<sip:a@h:99999>",
        '"Lee <sip:a@h>',
        "**",
        "\udcff",
        "<sip:a@h>" * 2,
    ],
    ids=ascii,
)
def test_what_is_no_contact_is_refused_or_means_none(contact: str) -> None:
    office = Office()
    office.register(DESK)
    result = office.register(contact)
    assert result.response.status in (200, 400)
    assert office.contacts() == [DESK]
    assert result.changes == ()


def test_the_name_of_a_phone_is_kept_to_a_length() -> None:
    office = Office()
    office.register(DESK, headers=[f"User-Agent: {'x' * 5000}"])
    assert len(office.registrar.bindings("100", office.now)[0].user_agent) == 200


# -- restarts ----------------------------------------------------------------------------------------


def test_what_was_registered_before_a_restart_is_taken_up_again() -> None:
    before, after = Office(), Office()
    before.register(DESK, call_id="desk", cseq=7, expires=600)
    before.register(SOFT, call_id="soft", expires=60)
    kept = before.registrar.bindings("100", before.now)[::-1]
    changes = after.registrar.restore(kept, after.now + 60)
    assert changed(changes) == [(Change.ADDED, DESK)]  # the other has expired meanwhile
    assert after.registrar.bindings("100", after.now) == [kept[0]]
    assert after.registrar.next_deadline() == kept[0].expires_at
    assert after.register(DESK, call_id="desk", cseq=7).response.status == 500  # an old one, still
    assert after.register(DESK, call_id="desk", cseq=8).changes == ()  # a refresh


def test_an_address_that_is_served_no_more_has_no_contacts() -> None:
    office = Office()
    office.register(DESK, call_id="desk")
    office.register(SOFT, call_id="soft")
    assert changed(office.registrar.remove("100")) == [(Change.REMOVED, DESK), (Change.REMOVED, SOFT)]
    assert office.contacts() == []
    assert office.registrar.next_deadline() is None
    assert office.registrar.remove("100") == ()
