"""Digest authentication: right answers verify, changed ones never do, and any text at all gets a verdict."""

from __future__ import annotations

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from sipcore.registrar.digest import (
    COUNT_WINDOW,
    Algorithm,
    Authenticator,
    Credentials,
    Nonces,
    Verdict,
    answer_challenge,
    digest_response,
    parse_digest,
    proof_of,
    read_proof,
)
from sipcore.registrar.gate import Account, DigestGate, Ignored, Refused
from sipcore.syntax.message import Request
from sipcore.transport.flow import Address, Flow, Transport

REALM, URI, PASSWORD = "myphone", "sip:pbx.example", "correct horse"
LEE = Credentials.of("100", REALM, PASSWORD)
FLOW = Flow(Transport.UDP, Address("192.0.2.1", 5060), Address("192.0.2.20", 5060))
NAMES = ["username", "realm", "nonce", "uri", "response", "algorithm", "cnonce", "qop", "nc", "opaque", "x"]

wire_texts = st.binary(max_size=40).map(lambda data: data.decode("utf-8", "surrogateescape"))
"""What header values are made of: any bytes, and those that are no UTF-8 as surrogates."""
words = st.sampled_from(
    [
        *NAMES,
        "Digest ",
        "=",
        '"',
        ",",
        " ",
        "\\",
        "\t",
        REALM,
        URI,
        "100",
        "auth",
        "MD5",
        "SHA-256",
        "00000001",
    ]
)
header_values = st.one_of(
    wire_texts,
    st.lists(st.one_of(words, wire_texts), max_size=20).map("".join),
    st.dictionaries(st.sampled_from(NAMES), st.one_of(words, wire_texts)).map(
        lambda pairs: "Digest " + ", ".join(f'{name}="{value}"' for name, value in pairs.items())
    ),
)


def answered(
    authenticator: Authenticator,
    algorithm: Algorithm = Algorithm.SHA256,
    *,
    method: str = "REGISTER",
    uri: str = URI,
    username: str = "100",
    password: str = PASSWORD,
    nc: int = 1,
    cnonce: str = "0a4f",
) -> dict[str, str]:
    """The parameters of the right answer to a new challenge, as they come out of the header field."""
    challenge = next(
        value for _, value in authenticator.challenges(0.0) if f"algorithm={algorithm.value}," in value
    )
    value = answer_challenge([challenge], method, uri, username, password, nc=nc, cnonce=cnonce)
    assert value is not None
    parameters = parse_digest(value)
    assert parameters is not None
    return parameters


def check(authenticator: Authenticator, parameters: dict[str, str]) -> Verdict:
    return authenticator.check(proof_of(parameters), LEE, "REGISTER", URI, 1.0)


@pytest.mark.row("CORE-23")
@given(st.sampled_from(Algorithm), wire_texts, wire_texts, wire_texts, wire_texts, st.integers(1, 2**32 - 1))
def test_a_right_answer_verifies(
    algorithm: Algorithm, username: str, password: str, uri: str, cnonce: str, nc: int
) -> None:
    authenticator = Authenticator(REALM, b"secret")
    parameters = answered(
        authenticator,
        algorithm,
        method="INVITE",
        uri=uri,
        username=username,
        password=password,
        nc=nc,
        cnonce=cnonce,
    )
    assert parameters["username"] == username
    credentials = Credentials.of(username, REALM, password)
    assert authenticator.check(proof_of(parameters), credentials, "INVITE", uri, 1.0) is Verdict.VALID
    assert authenticator.check(proof_of(parameters), credentials, "INVITE", uri, 1.0) is Verdict.STALE
    assert authenticator.check(proof_of(parameters), None, "INVITE", uri, 1.0) is Verdict.WRONG


@st.composite
def changes(draw: st.DrawFn, text: str) -> str:
    """The text with one character put in, left out, or exchanged."""
    position = draw(st.integers(0, len(text)))
    character = draw(st.one_of(st.sampled_from("0123456789abcdefABCDEF.-:@"), st.characters(codec="utf-8")))
    how = draw(st.sampled_from(["insert", "delete", "exchange"]))
    new = "" if how == "delete" else character
    return text[:position] + new + text[position + (how != "insert") :]


@pytest.mark.row("CORE-23")
@given(
    st.data(),
    st.sampled_from(Algorithm),
    st.sampled_from(["response", "uri", "nonce", "cnonce", "nc", "realm"]),
)
def test_an_answer_with_one_character_changed_never_verifies(
    data: st.DataObject, algorithm: Algorithm, name: str
) -> None:
    authenticator = Authenticator(REALM, b"secret")
    parameters = answered(authenticator, algorithm)
    changed = data.draw(changes(parameters[name]))
    assume(changed.lower() != parameters[name].lower())  # hexadecimal digits may be capital
    assert check(authenticator, parameters | {name: changed}) is Verdict.WRONG
    assert check(authenticator, parameters) is Verdict.VALID


@given(st.data())
def test_even_who_knows_the_password_cannot_make_a_nonce(data: st.DataObject) -> None:
    authenticator = Authenticator(REALM, b"secret")
    parameters = answered(authenticator)
    changed = data.draw(st.one_of(changes(parameters["nonce"]), wire_texts))
    assume(changed != parameters["nonce"])
    parameters["nonce"] = changed
    parameters["response"] = digest_response(Algorithm.SHA256, LEE.sha256, parameters, "REGISTER")
    assert check(authenticator, parameters) is Verdict.STALE


@given(st.dictionaries(st.sampled_from(NAMES), st.one_of(words, wire_texts)), st.booleans())
def test_any_parameters_get_a_verdict_and_made_up_ones_never_the_good_one(
    parameters: dict[str, str], known: bool
) -> None:
    authenticator = Authenticator(REALM, b"secret")
    verdict = authenticator.check(proof_of(parameters), LEE if known else None, "REGISTER", URI, 1.0)
    assert verdict is Verdict.WRONG


@pytest.mark.row("CORE-23")
@given(st.lists(header_values, max_size=3))
def test_any_authorization_is_refused_or_ignored(values: list[str]) -> None:
    gate = DigestGate(REALM, lambda name: Account("100", LEE) if name == "100" else None, b"secret")
    address = "<sip:100@pbx.example>"
    headers = [("From", address), ("To", address), *(("Authorization", value) for value in values)]
    for _ in range(2):
        verdict = gate.admit(Request("REGISTER", URI, headers), FLOW, 0.0)
        assert isinstance(verdict, Refused | Ignored)
        assert isinstance(verdict, Ignored) or verdict.status == 401


@pytest.mark.row("CORE-23")
@example(['username=",realm="a"b"'])
@example(['a="b",c=\1', 'a="\1",c=d', 'a="b",A="c"'])
@given(
    st.lists(
        st.one_of(
            header_values,
            st.lists(
                st.tuples(st.sampled_from(NAMES), st.text('"ab, =\\\1', max_size=5)).map("=".join), max_size=4
            ).map(",".join),
        ),
        max_size=4,
    )
)
def test_what_is_read_quickly_is_read_as_the_grammar_has_it(texts: list[str]) -> None:
    for text in texts * 2:
        for value in (text, f"Digest {text}", f' digest\t{text} "'):
            parameters = parse_digest(value)
            assert read_proof(value) == (None if parameters is None else proof_of(parameters))


@given(st.dictionaries(st.sampled_from(NAMES), wire_texts))
def test_what_is_written_is_read(parameters: dict[str, str]) -> None:
    quoted = {name: text.replace("\\", r"\\").replace('"', r"\"") for name, text in parameters.items()}
    value = "Digest " + " , ".join(f'{name.upper()} = "{text}"' for name, text in quoted.items())
    assert parse_digest(value) == parameters


counts = st.one_of(
    st.integers(1, 3 * COUNT_WINDOW), st.integers(1, 2**32 - 1), st.sampled_from([1, 2**32 - 1, 2**32 - 64])
)


@given(st.lists(counts, max_size=60))
def test_a_count_is_good_once_and_within_the_window_only(sequence: list[int]) -> None:
    nonces = Nonces(b"secret")
    nonce = nonces.issue(0.0)
    used: set[int] = set()
    for number in sequence:
        good = number not in used and number > max(used, default=0) - COUNT_WINDOW
        assert nonces.use(nonce, "100", number, 0.0) is good
        used |= {number} if good else set()
