"""The torture tests of RFC 4475: what the parser makes of each message, and what it leaves to others."""

from __future__ import annotations

import pytest

from sipcore.errors import ParseError, PeerError
from sipcore.syntax.headers import CSeq
from sipcore.syntax.identifiers import MAGIC_COOKIE
from sipcore.syntax.message import Request, Response, response_to
from sipcore.syntax.parser import parse_message
from sipcore.syntax.uri import Uri
from sipcore.transport.framing import StreamFramer
from tests.unit.sipcore.syntax.torture import invalid, semantic, valid

MESSAGES = valid.MESSAGES | invalid.MESSAGES | semantic.MESSAGES
REFUSED = {
    "badinv01": 400,
    "clerr": 400,
    "ncl": 400,
    "scalar02": 400,
    "quotbal": 400,
    "ltgtruri": 400,
    "lwsruri": 400,
    "lwsstart": 400,
    "baddn": 400,
    "badvers": 505,
    "mismatch01": 400,
    "mismatch02": 400,  # or 501, says the RFC
    "insuf": 400,
    "multi01": 400,
    "mcl01": 400,
}
"""Requests that the parser refuses, and with what."""
DROPPED = ["bigcode", "scalarlg"]
"""Responses that nobody can make use of."""


def request(name: str) -> Request:
    message = parse_message(MESSAGES[name])
    assert isinstance(message, Request)
    return message


def response(name: str) -> Response:
    message = parse_message(MESSAGES[name])
    assert isinstance(message, Response)
    return message


# -- all of them ---------------------------------------------------------------------------------------


def test_there_are_49() -> None:
    assert len(MESSAGES) == 49


@pytest.mark.parametrize("name", sorted(MESSAGES.keys() - REFUSED.keys() - set(DROPPED)))
def test_what_is_accepted_is_printed_as_a_message_that_reads_the_same(name: str) -> None:
    message = parse_message(MESSAGES[name])
    printed = parse_message(message.to_bytes(), stream=True)
    assert printed == message
    assert printed.headers == message.headers
    if isinstance(message, Request):
        answer = parse_message(response_to(message, 200, to_tag="ours").to_bytes())
        assert answer.to.tag == (message.to.tag or "ours")
        assert answer.vias == message.vias


@pytest.mark.parametrize(("name", "status"), REFUSED.items())
def test_a_request_that_breaks_the_rules_is_refused_and_can_be_answered(name: str, status: int) -> None:
    with pytest.raises(ParseError) as refused:
        parse_message(MESSAGES[name])
    assert refused.value.status == status
    assert refused.value.request is not None
    answer = response_to(refused.value.request, status, to_tag="ours").to_bytes()
    assert answer.startswith(f"SIP/2.0 {status} ".encode())
    assert b"\r\nCSeq:" in answer


@pytest.mark.parametrize("name", DROPPED)
def test_a_response_that_breaks_the_rules_is_dropped(name: str) -> None:
    with pytest.raises(ParseError) as refused:
        parse_message(MESSAGES[name])
    assert refused.value.request is None


@pytest.mark.parametrize(
    "name", sorted(MESSAGES.keys() - {"clerr", "ncl", "dblreq", "multi01", "mcl01", "inv2543"})
)
def test_on_a_stream_every_message_with_a_true_length_is_one_message(name: str) -> None:
    framer = StreamFramer()
    assert framer.feed(MESSAGES[name]) == [MESSAGES[name]]
    assert not framer.pending


@pytest.mark.parametrize("name", ["ncl", "inv2543"])
def test_on_a_stream_a_message_without_a_length_is_the_end(name: str) -> None:
    with pytest.raises(ParseError):
        StreamFramer().feed(MESSAGES[name])


def test_on_a_stream_a_message_that_promises_more_is_waited_for() -> None:
    framer = StreamFramer()
    assert framer.feed(MESSAGES["clerr"]) == []
    assert framer.pending


# -- 3.1.1: valid messages -----------------------------------------------------------------------------


def test_wsinv() -> None:
    message = request("wsinv")
    assert (message.method, message.uri) == (
        "INVITE",
        Uri("sip", "vivekg", host="chair-dnrc.example.com", parameters=(("unknownparam", None),)),
    )
    assert (message.to.uri.user, message.to.tag) == ("vivekg", "1918181833n")
    assert message.from_.display_name == 'J Rosenberg \\"'
    assert (str(message.from_.uri), message.from_.tag) == ("sip:jdrosen@example.com", "98asjd8")
    assert (message.max_forwards, message.cseq) == (68, CSeq(9, "INVITE"))
    assert [(via.transport, via.sent_by, via.branch) for via in message.vias] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert message.get("Subject") == ""
    assert message.get("NewFangledHeader") == "newfangled value continued newfangled value"
    assert message.get("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    assert [str(route.uri) for route in message.routes] == [
        "sip:services.example.com;lr;unknownwith=value;unknown-no-value"
    ]
    (contact,) = message.contacts
    assert contact.display_name == 'Quoted string ""'
    assert contact.parameters == (("newparam", "newvalue"), ("secondparam", None), ("q", "0.33"))
    assert len(message.body) == 150


def test_intmeth() -> None:
    message = request("intmeth")
    assert message.method == message.cseq.method == "!interesting-Method0123456789_*+`.%indeed'~"
    user = "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert (message.uri.user, message.uri.password) == (user, "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)")
    assert (message.to.display_name, message.to.uri.user) == ("BEL:\a NUL:\0 DEL:\x7f", user)
    assert message.from_.display_name == "token1~` token2'+_ token3*%!.-"
    assert message.from_.parameters == (("fromparam''~+*_!.-%", "работающий"), ("tag", "_token~1'+`*%!-."))
    assert message.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    assert message.via.branch == "z9hG4bK-.!%66*_+`'~"
    assert message.get("extensionHeader-!.%*+_`'~") == "\ufeff大停電"
    assert message.max_forwards == 255


def test_esc01() -> None:
    message = request("esc01")
    assert (message.uri.user, message.uri.host) == ("sips:user@example.com", "example.net")
    assert message.to.uri.user == "user"
    assert message.from_.uri.user == "I have spaces"
    assert message.contacts[0].uri.user == "caller"
    assert message.contacts[0].uri.parameters == (("lr", None), ("name", "value%41"))


def test_escnull() -> None:
    message = request("escnull")
    assert message.to.uri.user == message.from_.uri.user == "null-\0-null"
    one, two = message.contacts
    assert (one.uri.user, two.uri.user) == ("\0", "\0\0")
    assert not one.uri.matches(two.uri)


def test_esc02() -> None:
    message = request("esc02")
    assert message.method == message.cseq.method == "RE%47IST%45R"
    assert message.to.display_name == message.from_.display_name == "%Z%45"
    assert [contact.uri.user for contact in message.contacts] == ["alias1", "alias3"]
    assert message.get("C%6Fntact") == "<sip:alias2@host2.example.com>"
    assert message.via.branch == "z9hG4bK209%fzsnel234"


def test_lwsdisp() -> None:
    assert request("lwsdisp").from_.display_name == "caller"


def test_longreq() -> None:
    message = request("longreq")
    assert len(message.vias) == 34
    assert message.via.host == "sip33.example.com"
    assert message.vias[33].branch == f"very{'long' * 50}branchvalue"
    assert message.from_.tag == f"12{'982' * 50}424"
    assert (message.to.uri.port, len(message.to.uri.parameters)) == (6000, 3)
    assert message.call_id == f"longreq.one{'really' * 20}longcallid"


def test_dblreq() -> None:
    """In a datagram, what follows the body is no message; on a stream it is the next one."""
    message = request("dblreq")
    assert (message.method, message.body) == ("REGISTER", b"")
    first, second = StreamFramer().feed(MESSAGES["dblreq"])[:2]
    assert first.startswith(b"REGISTER")
    assert second.startswith(b"INVITE")


def test_semiuri() -> None:
    message = request("semiuri")
    assert (message.uri.user, message.uri.parameters) == ("user;par=u@example.net", ())
    assert message.uri.host == "example.com"


def test_transports() -> None:
    assert [via.transport for via in request("transports").vias] == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_mpart01() -> None:
    message = request("mpart01")
    assert message.content_type == "multipart/mixed"
    assert len(message.body) == 553
    assert valid.SIGNATURE in message.body
    assert 0 in valid.SIGNATURE


def test_unreason_and_noreason() -> None:
    assert (response("unreason").status, response("noreason").status) == (200, 100)
    assert response("unreason").reason == "= 2**3 * 5**2 но сто девяносто девять - простое"
    assert response("noreason").reason == ""


# -- 3.1.2: what breaks the grammar, and is taken all the same -----------------------------------------


def test_space_that_does_no_harm_is_ignored() -> None:
    assert request("trws").uri_text == "sip:remote-target@example.com"
    assert str(request("badaspec").to) == '"Watson, Thomas" <sip:t.watson@example.org>'


def test_a_date_is_text() -> None:
    assert request("baddate").get("Date") == "Fri, 01 Jan 2010 16:00:00 EST"


def test_headers_in_a_request_uri_are_for_the_core_to_ignore() -> None:
    message = request("escruri")
    assert message.uri.headers == (("route", "<sip:example.com>"),)
    assert message.routes == []


def test_a_contact_that_lacks_its_brackets_is_refused_when_the_registrar_reads_it() -> None:
    with pytest.raises(PeerError) as refused:
        _ = request("regbadct").contacts
    assert refused.value.status == 400


# -- 3.2 to 3.4: what other layers judge ---------------------------------------------------------------


def test_a_branch_that_is_only_the_cookie_is_for_the_transaction_layer() -> None:
    assert request("badbranch").via.branch == MAGIC_COOKIE


@pytest.mark.parametrize(("name", "scheme"), [("unkscm", "nobodyknowsthisscheme"), ("novelsc", "soap.beep")])
def test_a_scheme_that_is_unknown_is_for_the_endpoint_to_refuse_with_416(name: str, scheme: str) -> None:
    assert request(name).uri.scheme == scheme


def test_unknown_schemes_elsewhere_are_for_the_registrar() -> None:
    message = request("unksm2")
    assert (message.to.uri, message.from_.uri) == (
        Uri("isbn", "2983792873"),
        Uri("http", "//www.example.com"),
    )
    assert message.from_.tag == "3234233"
    assert message.contacts[0].uri == Uri("name", "John_Smith")


def test_extensions_are_for_the_endpoint_to_refuse_with_420() -> None:
    message = request("bext01")
    assert message.require == ["nothingsupportsthis", "nothingsupportsthiseither"]
    assert message.get("Proxy-Require") == "noProxiesSupportThis, norDoAnyProxiesSupportThis"


def test_media_types_are_for_the_user_agent_to_refuse_with_415_or_406() -> None:
    assert request("invut").content_type == "application/unknownformat"
    assert request("sdp01").get("Accept") == "text/nobodyKnowsThis"


def test_credentials_are_for_the_gate() -> None:
    assert request("regaut01").get("Authorization") == "NoOneKnowsThisScheme opaque-data=here"


def test_a_response_for_somebody_else_is_for_the_transaction_layer_to_drop() -> None:
    assert [via.host for via in response("bcast").vias] == ["192.0.2.198", "255.255.255.255"]


def test_a_request_that_may_go_no_further_has_arrived_at_a_user_agent() -> None:
    assert request("zeromf").max_forwards == 0


def test_parameters_of_a_contact_and_of_its_uri_differ() -> None:
    (outside,) = request("cparam01").contacts
    (inside,) = request("cparam02").contacts
    assert (outside.parameters, outside.uri.parameters) == ((("unknownparam", None),), ())
    assert (inside.parameters, inside.uri.parameters) == ((), (("unknownparam", None),))


def test_headers_in_a_contact_are_for_the_registrar_to_keep() -> None:
    assert request("regescrt").contacts[0].uri.headers == (("route", "<sip:sip.example.com>"),)


def test_a_client_of_rfc_2543_has_no_branch_no_tag_and_no_length() -> None:
    message = request("inv2543")
    assert (message.via.branch, message.from_.tag, message.max_forwards) == ("", None, None)
    assert message.to.uri == Uri("sip", "+16505552222", host="ss1.example.net")
    assert message.to.parameters == (("user", "phone"),)  # without brackets it belongs to the header
    assert len(message.body) == 105
