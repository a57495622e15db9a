"""What event packages print is read again as what it was; foreign documents are read too, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sipcore.errors import PeerError
from sipcore.events.conference_info import Participant, print_conference, read_conference
from sipcore.events.dialog_info import DialogFact, DialogState, Party, print_dialogs, read_dialogs
from sipcore.events.message_summary import Messages, print_messages, read_messages
from sipcore.events.presence import Activity, PresenceFacts, print_presence, read_presence
from sipcore.events.registration_info import print_registration, read_registration

HOST = "192.0.2.1"
NAMES = st.text(
    st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\ufffe\uffff"),
    max_size=20,
)
USERS = st.text(st.characters(codec="ascii", categories=("L", "N")), min_size=1, max_size=8)
PARTIES = st.builds(Party, USERS, NAMES)
LIVE = st.sampled_from([state for state in DialogState if state is not DialogState.TERMINATED])
DIALOGS = st.lists(
    st.builds(DialogFact, USERS, LIVE, st.booleans(), PARTIES, PARTIES, USERS, USERS, USERS),
    max_size=8,
    unique_by=lambda dialog: dialog.id,
)


# -- dialogs ---------------------------------------------------------------------------------------


@given(DIALOGS, st.integers(0, 2**31))
def test_dialogs_in_full(dialogs: list[DialogFact], version: int) -> None:
    told = read_dialogs(print_dialogs("101", HOST, dialogs).full.body(version))
    assert (told.version, told.full, told.entity) == (version, True, f"sip:101@{HOST}")
    live = [dialog for dialog in told.dialogs if dialog.state is not DialogState.TERMINATED]
    assert sorted(live, key=lambda dialog: dialog.id) == sorted(dialogs, key=lambda dialog: dialog.id)
    assert len(told.dialogs) == max(1, len(dialogs)), "an idle entity is told by one that is over"


@given(DIALOGS, DIALOGS)
def test_a_change_leads_from_the_state_before_to_the_state_after(
    before: list[DialogFact], after: list[DialogFact]
) -> None:
    printed = print_dialogs("101", HOST, after, before)
    if printed.change is None:
        assert len(printed.full.body(0)) < 900
        return
    told = read_dialogs(printed.change.body(7))
    assert not told.full
    known = {dialog.id: dialog for dialog in before} | {dialog.id: dialog for dialog in told.dialogs}
    live = {key: dialog for key, dialog in known.items() if dialog.state is not DialogState.TERMINATED}
    assert live == {dialog.id: dialog for dialog in after}


def test_the_most_settled_dialog_comes_first() -> None:
    """Phones that look at one only see the one that matters."""
    party = Party("100")
    dialogs = [DialogFact(state.value, state, False, party, party) for state in reversed(DialogState)]
    told = read_dialogs(print_dialogs("100", HOST, dialogs).full.body(0))
    assert [dialog.state for dialog in told.dialogs] == list(DialogState)


@pytest.mark.parametrize(
    "data",
    [
        b"<dialog-info/>",
        b'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="x" state="full" entity="sip:a@b"/>',
        b'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="1" state="some" entity="sip:a@b"/>',
        b'<dialog-info xmlns="urn:ietf:params:xml:ns:dialog-info" version="1" state="full" entity="sip:a@b">'
        b'<dialog id="1"><state>asleep</state></dialog></dialog-info>',
    ],
)
def test_what_is_no_dialog_information(data: bytes) -> None:
    with pytest.raises(PeerError):
        read_dialogs(data)


# -- messages --------------------------------------------------------------------------------------

COUNTS = st.integers(0, 10**9 - 1)


@given(COUNTS, COUNTS, COUNTS, COUNTS)
def test_messages(new: int, old: int, new_urgent: int, old_urgent: int) -> None:
    messages = Messages(new, old, new_urgent, old_urgent)
    body = print_messages(f"sip:101@{HOST}", messages).full.body(0)
    assert read_messages(body) == (new > 0, messages)


def test_the_summary_as_rfc_3842_has_it() -> None:
    body = print_messages("sip:alice@vmail.example.com", Messages(2, 8, 0, 2)).full.body(0)
    assert body == (
        b"Messages-Waiting: yes\r\nMessage-Account: sip:alice@vmail.example.com\r\nVoice-Message: 2/8 (0/2)\r\n"
    )


@pytest.mark.parametrize(
    "data", [b"", b"Messages-Waiting: perhaps", b"Messages-Waiting: yes\r\nVoice-Message: a/b"]
)
def test_what_is_no_summary(data: bytes) -> None:
    with pytest.raises(PeerError):
        read_messages(data)


# -- presence --------------------------------------------------------------------------------------


@given(st.booleans(), st.lists(st.sampled_from(Activity), unique=True), NAMES)
def test_presence(is_open: bool, activities: list[Activity], note: str) -> None:
    facts = PresenceFacts(is_open, tuple(activities), note.strip())
    assert read_presence(print_presence(f"sip:101@{HOST}", facts).full.body(0)) == facts


def test_a_presence_document_in_the_form_of_rfc_4480() -> None:
    document = b"""<?xml version="1.0" encoding="UTF-8"?>
    <presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:dm="urn:ietf:params:xml:ns:pidf:data-model"
        xmlns:r="urn:ietf:params:xml:ns:pidf:rpid" entity="pres:someone@example.com">
      <tuple id="bs35r9"><status><basic>open</basic></status><contact priority="0.8">im:a@b</contact></tuple>
      <dm:person id="p1"><r:activities from="2005-05-30T12:00:00+05:00"><r:note>Far away</r:note><r:away/>
        <r:sleeping/></r:activities><dm:note>Back at three</dm:note></dm:person>
    </presence>"""
    assert read_presence(document) == PresenceFacts(True, (Activity.AWAY,), "Back at three")


@pytest.mark.parametrize(
    "data",
    [
        b"<presence/>",
        b'<presence xmlns="urn:ietf:params:xml:ns:pidf" entity="a"><tuple id="1"><status><basic>ajar</basic>'
        b"</status></tuple></presence>",
    ],
)
def test_what_is_no_presence_document(data: bytes) -> None:
    with pytest.raises(PeerError):
        read_presence(data)


# -- registrations and conferences -------------------------------------------------------------------


@given(st.lists(USERS, unique=True, max_size=5), st.integers(0, 2**31))
def test_registrations(users: list[str], version: int) -> None:
    contacts = [f"sip:{user}@192.0.2.100:5060;transport=tcp" for user in users]
    body = print_registration(f"sip:101@{HOST}", contacts).full.body(version)
    assert read_registration(body) == (version, f"sip:101@{HOST}", tuple(contacts))


@given(st.lists(st.tuples(USERS, NAMES), max_size=6), st.integers(0, 2**31))
def test_conferences(people: list[tuple[str, str]], version: int) -> None:
    participants = [Participant(str(number), user, name) for number, (user, name) in enumerate(people)]
    body = print_conference("42", HOST, participants).full.body(version)
    expected: dict[str, int] = {}
    for user, _ in people:
        expected[f"sip:{user}@{HOST}"] = expected.get(f"sip:{user}@{HOST}", 0) + 1
    assert read_conference(body) == (version, f"sip:42@{HOST}", expected)


@pytest.mark.parametrize("read", [read_registration, read_conference])
def test_what_is_neither(read: object) -> None:
    with pytest.raises(PeerError):
        read(b"<reginfo/>")  # type: ignore[operator]
