"""The registrar: which contacts an extension has, and for how long (RFC 3261 section 10.3)."""

from __future__ import annotations

import pytest

from sipcore.registrar.registrar import Change, RegistrarSettings
from sipcore.syntax.parser import parse_message
from sipcore.transport.flow import Flow
from tests.unit.sipcore.registrar.registering import (
    DESK,
    FOURTH,
    SOFT,
    TCP,
    TCP_AGAIN,
    THIRD,
    UDP,
    Office,
    answered,
    changed,
)

# -- registering and taking back -----------------------------------------------------------------------


@pytest.mark.row("CORE-02")
def test_a_phone_that_registers_is_reachable_over_its_flow() -> None:
    office = Office()
    result = office.register(DESK, expires=600, headers=["User-Agent: Desk Phone 1.0"])
    assert answered(result) == {DESK: ";expires=600"}
    assert changed(result.changes) == [(Change.ADDED, DESK)]
    (binding,) = office.registrar.bindings("100", office.now)
    assert (binding.aor, binding.flow, binding.user_agent) == ("100", UDP, "Desk Phone 1.0")
    assert (binding.call_id, binding.cseq, binding.q, binding.path) == ("desk", 1, 1.0, ())
    assert binding.expires_at == office.now + 600


def test_the_response_names_the_request() -> None:
    response = Office().register(DESK, cseq=77, call_id="me@192.0.2.20").response
    assert (response.call_id, str(response.cseq)) == ("me@192.0.2.20", "77 REGISTER")
    assert response.via.branch == "z9hG4bK1"
    assert parse_message(response.to_bytes()) == response


@pytest.mark.row("CORE-06")
def test_several_contacts_are_registered_at_the_same_time() -> None:
    office = Office()
    office.register(DESK, call_id="desk")
    result = office.register(SOFT, call_id="soft", flow=TCP, expires=60)
    assert answered(result) == {DESK: ";expires=1800", SOFT: ";expires=60"}
    assert office.contacts() == [SOFT, DESK]
    assert [binding.flow for binding in office.registrar.bindings("100", office.now)] == [TCP, UDP]


@pytest.mark.parametrize("together", [f"{DESK}, {SOFT}", f'"Desk, big" {DESK}, "Soft" {SOFT}'])
def test_one_register_may_bring_several_contacts(together: str) -> None:
    office = Office()
    assert changed(office.register(together).changes) == [(Change.ADDED, DESK), (Change.ADDED, SOFT)]
    assert answered(office.register(DESK, THIRD)).keys() == {DESK, SOFT, THIRD}


@pytest.mark.row("CORE-10")
def test_taking_back_one_of_two_contacts_leaves_the_other() -> None:
    office = Office()
    office.register(DESK)
    office.register(SOFT, call_id="soft")
    result = office.register(f"{DESK};expires=0")
    assert answered(result) == {SOFT: ";expires=1800"}
    assert changed(result.changes) == [(Change.REMOVED, DESK)]
    assert office.contacts() == [SOFT]


@pytest.mark.row("CORE-08")
def test_an_extension_whose_last_contact_is_gone_has_none() -> None:
    office = Office()
    assert office.contacts() == []
    office.register(DESK)
    assert answered(office.register(DESK, expires=0)) == {}
    assert office.contacts() == []
    assert office.registrar.next_deadline() is None


def test_taking_back_what_is_not_there_changes_nothing() -> None:
    office = Office()
    office.register(DESK)
    result = office.register(f"{SOFT};expires=0")
    assert (answered(result), result.changes) == ({DESK: ";expires=1800"}, ())


def test_a_register_without_contact_asks_for_the_bindings_and_changes_nothing() -> None:
    office = Office()
    office.register(DESK, cseq=5)
    office.wait(100)
    for cseq in (1, 5, 9):
        result = office.register(cseq=cseq, expires=0, call_id="desk")
        assert (answered(result), result.changes) == ({DESK: ";expires=1700"}, ())
    assert answered(office.register(aor="101")) == {}


def test_extensions_do_not_share_contacts() -> None:
    office = Office()
    office.register(DESK, aor="100")
    office.register(DESK, aor="101", call_id="other")
    office.register("*", expires=0, aor="101", call_id="other")
    assert (office.contacts("100"), office.contacts("101")) == ([DESK], [])


def test_an_extension_that_has_nothing_costs_nothing() -> None:
    office = Office()
    for number in range(100):
        office.register(aor=str(number))
        office.register(f"{DESK};expires=0", aor=str(number))
        office.register("<sip:nobody>;expires=1", aor=str(number))
        office.register(DESK, aor=str(number))
        office.register("*", expires=0, aor=str(number))
    assert not office.registrar._records


def test_a_refresh_is_no_change() -> None:
    office = Office()
    office.register(DESK, expires=600)
    office.wait(500)
    result = office.register(DESK, expires=600)
    assert (answered(result), result.changes) == ({DESK: ";expires=600"}, ())
    assert office.wait(599.9) == ()
    assert office.contacts() == [DESK]


def test_a_phone_whose_flow_has_changed_is_reached_over_the_new_one() -> None:
    office = Office()
    office.register(DESK, flow=TCP)
    result = office.register(DESK, flow=TCP_AGAIN)
    assert changed(result.changes) == [(Change.REPLACED, DESK), (Change.ADDED, DESK)]
    assert [change.binding.flow for change in result.changes] == [TCP, TCP_AGAIN]
    assert [binding.flow for binding in office.registrar.bindings("100", office.now)] == [TCP_AGAIN]


@pytest.mark.parametrize(
    ("first", "second", "contacts"),
    [
        ("<sip:100@h>", "<sip:100@H>", 1),
        ("<sip:100@h>", "sip:100@h", 1),
        ("<sip:100@h>", "<sip:%3100@h>", 1),
        ("<sip:100@h>", "<sip:100@h;ob>", 1),
        ("<sip:100@h;line=A>", "<sip:100@h;line=a>", 1),
        ("<sip:100@h>", '"Lee" <sip:100@h>;q=0.5', 1),
        ("<sip:alice@h>", "<sip:Alice@h>", 2),
        ("<sip:100@h>", "<sip:100@h:5060>", 2),
        ("<sip:100@h>", "<sips:100@h>", 2),
        ("<sip:100@h>", "<sip:100@h;transport=tcp>", 2),
        ("<sip:100@h;line=a>", "<sip:100@h;line=b>", 2),
        ("<sip:100@h>", "<tel:100>", 2),
    ],
)
def test_contacts_are_told_apart_by_the_rules_for_uris(first: str, second: str, contacts: int) -> None:
    """RFC 3261 section 19.1.4."""
    office = Office()
    office.register(first)
    assert len(answered(office.register(second))) == contacts


def test_a_contact_that_is_named_twice_is_registered_once_and_the_last_one_counts() -> None:
    office = Office()
    assert answered(office.register(f"{DESK};expires=600", f"{DESK};q=0.5;expires=700")) == {
        DESK: ";expires=700;q=0.5"
    }
    result = office.register(f"{SOFT};expires=600, {SOFT};expires=0")
    assert changed(result.changes) == [(Change.ADDED, SOFT), (Change.REMOVED, SOFT)]
    assert office.contacts() == [DESK]


# -- order ---------------------------------------------------------------------------------------------


@pytest.mark.row("CORE-06")
def test_contacts_are_tried_by_q_and_the_newest_first_among_equals() -> None:
    office = Office()
    office.register(f"{DESK};q=0.5", call_id="a")
    office.register(f"{SOFT};q=0.9", call_id="b")
    office.register(f"{THIRD};q=0.5", call_id="c")
    assert office.contacts() == [SOFT, THIRD, DESK]
    office.register(f"{DESK};q=0.5", call_id="a")
    assert office.contacts() == [SOFT, DESK, THIRD]
    office.register(DESK, call_id="a")
    assert office.contacts() == [DESK, SOFT, THIRD]


@pytest.mark.parametrize(
    ("text", "q", "told"),
    [
        ("0", 0.0, ";q=0"),
        ("0.", 0.0, ";q=0"),
        ("0.000", 0.0, ";q=0"),
        (".25", 0.25, ";q=0.25"),
        ("0.333", 0.333, ";q=0.333"),
        ("0.00001", 0.0, ";q=0"),
        ("0.9999", 1.0, ""),
        ("1", 1.0, ""),
        ("1.000", 1.0, ""),
    ],
)
def test_q_is_a_number_of_thousandths(text: str, q: float, told: str) -> None:
    office = Office()
    assert answered(office.register(f"{DESK};q={text}")) == {DESK: f";expires=1800{told}"}
    assert office.registrar.bindings("100", office.now)[0].q == q


@pytest.mark.parametrize(
    "text", ["", "-0.1", "1.001", "2", "nan", "inf", "-inf", "half", '"0,5"', "0x1", "1e9"]
)
def test_what_is_no_q_is_refused(text: str) -> None:
    office = Office()
    assert office.register(f"{DESK};q={text}").response.status == 400
    assert office.contacts() == []


# -- lifetime ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contact", "expires", "granted"),
    [
        (DESK, None, 1800),
        (DESK, 300, 300),
        (f"{DESK};expires=400", None, 400),
        (f"{DESK};expires=400", 300, 400),
        (f"{DESK};expires=400", 0, 400),
        (f"{DESK};EXPIRES=400", 300, 400),
        (f'{DESK};expires="400"', 300, 400),
        (DESK, 60, 60),
        (DESK, 3600, 3600),
        (DESK, 3601, 3600),
        (DESK, 2**32 - 1, 3600),
        (DESK, 9999999999, 3600),
        (f"{DESK};expires=4294967295", None, 3600),
        # Section 10.2.1.1: what is malformed is as if it were not there.
        (f"{DESK};expires", 300, 1800),
        (f"{DESK};expires=", 300, 1800),
        (f"{DESK};expires=-1", 300, 1800),
        (f"{DESK};expires=1e3", 300, 1800),
        (f"{DESK};expires=\u0661\u0660\u0660", 300, 1800),
        (f"{DESK};expires={'9' * 5000}", 300, 1800),
    ],
    ids=lambda value: str(value)[-40:],
)
def test_the_contact_parameter_wins_over_expires_and_the_limits_over_both(
    contact: str, expires: int | None, granted: int
) -> None:
    assert answered(Office().register(contact, expires=expires)) == {DESK: f";expires={granted}"}


@pytest.mark.parametrize(("contact", "expires"), [(DESK, 59), (DESK, 1), (f"{DESK};expires=1", 600)])
def test_what_is_too_brief_is_refused_with_the_least_that_is_taken(contact: str, expires: int) -> None:
    office = Office()
    response = office.register(contact, expires=expires).response
    assert (response.status, response.get("Min-Expires")) == (423, "60")
    assert office.contacts() == []


@pytest.mark.parametrize("expires", ["-1", "soon", "1.5", "\u0661", "99999999999"])
def test_an_expires_that_is_no_number_is_refused(expires: str) -> None:
    office = Office()
    assert office.register(DESK, expires=expires).response.status == 400
    assert office.contacts() == []


@pytest.mark.row("CORE-09")
def test_a_contact_that_is_not_refreshed_goes_by_the_clock_alone() -> None:
    office = Office()
    office.register(DESK, expires=60)
    assert office.registrar.next_deadline() == office.now + 60
    assert office.wait(59.999) == ()
    assert office.contacts() == [DESK]
    assert changed(office.wait(0.001)) == [(Change.EXPIRED, DESK)]
    assert office.contacts() == []
    assert office.registrar.next_deadline() is None
    assert office.registrar.expire(office.now + 1e6) == ()


@pytest.mark.row("CORE-09")
def test_an_expired_contact_is_not_called_even_before_anyone_looked_at_the_clock() -> None:
    office = Office()
    office.register(DESK, expires=60)
    office.now += 60
    assert office.contacts() == []
    assert answered(office.register()) == {}


@pytest.mark.row("CORE-08", "CORE-09")
def test_each_contact_has_a_time_of_its_own() -> None:
    office = Office()
    office.register(f"{DESK};expires=300", f"{SOFT};expires=100", f"{THIRD};expires=200")
    office.register(DESK, expires=300, aor="101")
    gone = [changed(office.wait(100)) for _ in range(3)]
    assert gone[:2] == [[(Change.EXPIRED, SOFT)], [(Change.EXPIRED, THIRD)]]
    assert gone[2] == [(Change.EXPIRED, DESK)] * 2
    assert (office.contacts("100"), office.contacts("101")) == ([], [])


def test_a_register_that_outruns_the_clock_still_tells_what_expired() -> None:
    office = Office()
    office.register(DESK, f"{SOFT};expires=100", expires=60)
    office.now += 60  # and nobody called `expire`
    result = office.register(DESK, expires=60)
    assert changed(result.changes) == [(Change.EXPIRED, DESK), (Change.ADDED, DESK)]
    office.now += 40
    assert changed(office.register().changes) == [(Change.EXPIRED, SOFT)]
    office.now += 20
    assert changed(office.register("*", expires=0).changes) == [(Change.EXPIRED, DESK)]
    assert office.registrar.expire(office.now) == ()


def test_expired_contacts_are_told_once_even_after_a_refused_register() -> None:
    office = Office()
    office.register(DESK, expires=60)
    office.now += 60
    assert office.register(f"{SOFT};expires=1").changes == ()
    assert changed(office.registrar.expire(office.now)) == [(Change.EXPIRED, DESK)]


def test_the_response_tells_how_long_each_contact_still_has() -> None:
    office = Office()
    office.register(DESK, expires=600)
    office.wait(100.4)
    office.register(SOFT, expires=300)
    office.wait(10)
    assert answered(office.register()) == {DESK: ";expires=490", SOFT: ";expires=290"}


def test_many_refreshes_leave_one_deadline() -> None:
    office = Office()
    for _ in range(500):
        office.register(DESK, expires=60)
        office.wait(1)
    assert office.registrar.next_deadline() == office.now + 59
    assert len(office.registrar.deadlines) == 1


# -- Contact: * ----------------------------------------------------------------------------------------


def test_star_takes_all_contacts_back() -> None:
    office = Office()
    office.register(DESK, call_id="desk")
    office.register(SOFT, call_id="soft")
    result = office.register("*", expires=0, call_id="third")
    assert changed(result.changes) == [(Change.REMOVED, DESK), (Change.REMOVED, SOFT)]
    assert (answered(result), office.contacts()) == ({}, [])
    assert answered(office.register("*", expires=0)) == {}


@pytest.mark.parametrize(
    ("contacts", "expires"),
    [
        (["*"], None),
        (["*"], 1),
        (["*"], 3600),
        (["*;expires=0"], None),
        (["*;expires=0"], 0),
        (["*", "*"], 0),
        (["*", SOFT], 0),
        ([SOFT, "*"], 0),
        ([f"*, {SOFT}"], 0),
        ([f"{SOFT}, *"], 0),
        (["<*>"], 0),
    ],
    ids=str,
)
def test_star_goes_with_expires_0_alone(contacts: list[str], expires: int | None) -> None:
    """Section 10.3 step 6."""
    office = Office()
    office.register(DESK)
    result = office.register(*contacts, expires=expires)
    assert (result.response.status, result.changes) == (400, ())
    assert office.contacts() == [DESK]


def test_a_star_that_is_older_than_a_contact_takes_nothing_back() -> None:
    office = Office()
    office.register(DESK, cseq=10, call_id="desk")
    office.register(SOFT, cseq=20, call_id="soft")
    assert office.register("*", expires=0, cseq=10, call_id="desk").response.status == 500
    assert office.contacts() == [SOFT, DESK]
    assert office.register("*", expires=0, cseq=11, call_id="desk").response.status == 200


# -- the order of requests -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call_id", "cseq", "status"),
    [("desk", 11, 200), ("desk", 2**32 - 1, 200), ("desk", 10, 500), ("desk", 9, 500), ("rebooted", 1, 200)],
)
@pytest.mark.parametrize("expires", [0, 700])
def test_an_older_register_of_the_same_client_changes_nothing(
    call_id: str, cseq: int, status: int, expires: int
) -> None:
    """Section 10.3 step 7."""
    office = Office()
    office.register(DESK, expires=600, cseq=10)
    result = office.register(DESK, expires=expires, cseq=cseq, call_id=call_id)
    assert result.response.status == status
    if status == 500:
        assert result.changes == ()
        assert answered(office.register()) == {DESK: ";expires=600"}
    else:
        assert answered(office.register()) == ({DESK: ";expires=700"} if expires else {})


def test_an_older_register_may_bring_another_contact() -> None:
    office = Office()
    office.register(DESK, cseq=10)
    assert answered(office.register(SOFT, cseq=9)).keys() == {DESK, SOFT}


def test_a_refresh_moves_the_order_on() -> None:
    office = Office()
    assert [office.register(DESK, cseq=cseq).response.status for cseq in (10, 12, 11, 12, 13)] == [
        200,
        200,
        500,
        500,
        200,
    ]


# -- all or nothing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "status"),
    [
        (f"{THIRD};expires=1", 423),
        (f"{THIRD};q=7", 400),
        ("<sip:>", 400),
        ("<>", 400),
        (f"{THIRD}, {FOURTH}", 403),
        (f"{DESK};q=0.1", 500),
    ],
    ids=["brief", "q", "URI", "empty", "many", "older"],
)
@pytest.mark.parametrize("position", ["first", "last"])
def test_one_bad_contact_spoils_the_whole_register(bad: str, status: int, position: str) -> None:
    office = Office()
    office.register(DESK, cseq=10, call_id="desk", expires=600)
    office.register(SOFT, cseq=1, call_id="soft", expires=600)
    before = office.registrar.bindings("100", office.now)
    good = [f"{SOFT};expires=900;q=0.5", f"{FOURTH};expires=900"]
    contacts = [bad, *good] if position == "first" else [*good, bad]
    result = office.register(*contacts, cseq=10, call_id="desk")
    assert (result.response.status, result.changes) == (status, ())
    assert office.registrar.bindings("100", office.now) == before
    assert office.registrar.next_deadline() == office.now + 600


# -- how many ------------------------------------------------------------------------------------------


def test_no_more_contacts_than_the_limit() -> None:
    office = Office()
    office.register(DESK, SOFT, THIRD)
    assert office.register(FOURTH).response.status == 403
    assert office.register(DESK).response.status == 200
    assert answered(office.register(FOURTH, f"{DESK};expires=0")).keys() == {SOFT, THIRD, FOURTH}


AGENT = ["User-Agent: Soft Phone 1.0"]


def test_a_phone_that_comes_from_a_new_port_each_time_takes_no_others_place() -> None:
    office = Office()
    office.register(THIRD, flow=TCP, call_id="other", headers=AGENT)
    ports = [f"<sip:100@192.0.2.20:{port}>" for port in (5061, 5062, 5063, 5064)]
    for port in ports[:2]:
        office.register(port, headers=AGENT)
    assert changed(office.register(ports[2], headers=AGENT).changes) == [
        (Change.ADDED, ports[2]),
        (Change.REPLACED, ports[0]),
    ]
    assert answered(office.register(ports[3], headers=AGENT)).keys() == {THIRD, ports[2], ports[3]}


@pytest.mark.parametrize(
    ("flow", "headers"), [(UDP, []), (UDP, ["User-Agent: Desk Phone 1.0"]), (TCP, AGENT)], ids=str
)
def test_another_phone_takes_nobodys_place(flow: Flow, headers: list[str]) -> None:
    office = Office()
    for contact in (DESK, SOFT, THIRD):
        office.register(contact, headers=AGENT)
    assert office.register(FOURTH, flow=flow, headers=headers, call_id="other").response.status == 403


def test_a_phone_that_names_itself_gives_up_its_own_oldest_contact() -> None:
    office = Office()
    mine, other = (f'+sip.instance="<urn:uuid:{name}>"' for name in ("1", "2"))
    office.register(f"{DESK};{other}", headers=AGENT)
    office.register(f"{SOFT};{mine}", headers=AGENT)
    office.register(f"{THIRD};{mine}", headers=AGENT)
    assert changed(office.register(f"{FOURTH};{mine}", headers=AGENT).changes) == [
        (Change.ADDED, FOURTH),
        (Change.REPLACED, SOFT),
    ]


def test_all_contacts_may_be_exchanged_at_once() -> None:
    office = Office()
    office.register(DESK, SOFT, THIRD)
    news = ["<sip:a@h>", "<sip:b@h>", "<sip:c@h>"]
    result = office.register(*news, *(f"{old};expires=0" for old in (DESK, SOFT, THIRD)))
    assert answered(result).keys() == set(news)


def test_an_expired_contact_makes_room() -> None:
    office = Office()
    office.register(DESK, SOFT, THIRD, expires=60)
    office.now += 60
    assert answered(office.register(FOURTH)).keys() == {FOURTH}


def test_a_flood_of_contacts_is_refused_before_they_are_compared() -> None:
    office = Office(RegistrarSettings())
    flood = [f"<sip:{number}@h>;expires=0" for number in range(4000)]
    lines = [", ".join(flood[start : start + 200]) for start in range(0, 4000, 200)]
    assert office.register(*lines[:2]).response.status == 403
    assert office.contacts() == []


def test_a_refresh_is_no_change_and_says_the_same_again() -> None:
    office = Office()
    first = office.register(DESK, expires=600)
    office.wait(30)
    again = office.register(DESK, expires=600)
    assert again.response.headers[-1] == first.response.headers[-1] == ("Contact", f"{DESK};expires=600")
    assert again.changes == ()
    office.wait(599)
    assert office.contacts() == [DESK]
    office.wait(1)
    assert office.contacts() == []
