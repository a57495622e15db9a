"""Digest authentication: the examples of the RFCs, nonces, nonce counts, and answers that are not quite right."""

from __future__ import annotations

import pytest

from sipcore.registrar import digest
from sipcore.registrar.digest import (
    COUNT_WINDOW,
    MAX_NONCE_USES,
    NONCE_SECONDS,
    Algorithm,
    Authenticator,
    Credentials,
    Nonces,
    Verdict,
    answer_challenge,
    digest_response,
    parse_digest,
    proof_of,
)

REALM = "myphone"
URI = "sip:pbx.example"
SECRET = b"a secret of the server"
LEE = Credentials.of("100", REALM, "correct horse")
PARKER = Credentials.of("101", REALM, "battery staple")

RFC_7616 = {
    "username": "Mufasa",
    "realm": "http-auth@example.org",
    "uri": "/dir/index.html",
    "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    "nc": "00000001",
    "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    "qop": "auth",
}
"""RFC 7616 section 3.9.1."""
RFC_2617 = {
    "username": "Mufasa",
    "realm": "testrealm@host.com",
    "uri": "/dir/index.html",
    "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093",
    "nc": "00000001",
    "cnonce": "0a4f113b",
    "qop": "auth",
}
"""RFC 2617 section 3.5."""


class Exchange:
    """A server, and a phone that answers its challenges."""

    def __init__(self, secret: bytes = SECRET) -> None:
        self.authenticator = Authenticator(REALM, secret)

    def challenge(self, algorithm: Algorithm = Algorithm.SHA256, now: float = 0.0) -> str:
        """One of the offered challenges."""
        offered = [value for _, value in self.authenticator.challenges(now)]
        return next(value for value in offered if f"algorithm={algorithm.value}," in value)

    def answer(self, challenge: str, count: int = 1, **changes: str | None) -> dict[str, str]:
        """The parameters of a right answer, and then changed; None takes one away."""
        value = answer_challenge(
            [challenge], "REGISTER", URI, "100", "correct horse", nc=count, cnonce="0a4f"
        )
        assert value is not None
        parameters = parse_digest(value)
        assert parameters is not None
        changed = parameters | changes
        return {name: text for name, text in changed.items() if text is not None}

    def check(
        self,
        parameters: dict[str, str],
        now: float = 1.0,
        *,
        credentials: Credentials | None = LEE,
        method: str = "REGISTER",
        uri: str = URI,
    ) -> Verdict:
        return self.authenticator.check(proof_of(parameters), credentials, method, uri, now)


# -- the hash ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "password", "algorithm", "expected"),
    [
        (RFC_7616, "Circle of Life", Algorithm.MD5, "8ca523f5e9506fed4657c9700eebdbec"),
        (
            RFC_7616,
            "Circle of Life",
            Algorithm.SHA256,
            "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        ),
        (RFC_2617, "Circle Of Life", Algorithm.MD5, "6629fae49393a05397450978507c4ef1"),
    ],
    ids=["RFC 7616 MD5", "RFC 7616 SHA-256", "RFC 2617 MD5"],
)
def test_the_examples_of_the_rfcs(
    parameters: dict[str, str], password: str, algorithm: Algorithm, expected: str
) -> None:
    ha1 = Credentials.of(parameters["username"], parameters["realm"], password).ha1(algorithm)
    assert digest_response(algorithm, ha1, parameters, "GET") == expected


def test_credentials_keep_ha1_and_nothing_of_the_password() -> None:
    # RFC 2617 section 3.5: the HA1 of Mufasa.
    credentials = Credentials.of("Mufasa", "testrealm@host.com", "Circle Of Life")
    assert credentials.md5 == "939e7578ed9e3c518a452acee763bce9"
    assert set(Credentials.__slots__) == {"md5", "sha256"}
    assert len(credentials.sha256) == 64
    assert credentials.md5 not in repr(credentials)
    assert credentials.sha256 not in repr(credentials)


@pytest.mark.parametrize("algorithm", Algorithm)
@pytest.mark.parametrize("password", ["", "naïve café", 'quo"te\\d', "a:b:c", "\udcff"])
def test_any_password_makes_credentials_that_verify(algorithm: Algorithm, password: str) -> None:
    exchange = Exchange()
    value = answer_challenge(
        [exchange.challenge(algorithm)], "REGISTER", URI, "100", password, nc=1, cnonce="0a4f"
    )
    assert value is not None
    parameters = parse_digest(value)
    assert parameters is not None
    assert exchange.check(parameters, credentials=Credentials.of("100", REALM, password)) is Verdict.VALID
    assert exchange.check(parameters, credentials=LEE) is Verdict.WRONG


# -- challenges ----------------------------------------------------------------------------------------


def test_sha256_is_offered_before_md5() -> None:
    """RFC 8760 section 2.4: in order of preference, a header field each, with one nonce for all."""
    headers = Exchange().authenticator.challenges(0.0)
    challenges = [parse_digest(value) for _, value in headers]
    assert [name for name, _ in headers] == ["WWW-Authenticate", "WWW-Authenticate"]
    assert [challenge and challenge["algorithm"] for challenge in challenges] == ["SHA-256", "MD5"]
    assert len({challenge["nonce"] for challenge in challenges if challenge}) == 1
    assert {challenge["qop"] for challenge in challenges if challenge} == {"auth"}
    assert {challenge["realm"] for challenge in challenges if challenge} == {REALM}


def test_stale_is_said_only_when_it_is_so() -> None:
    authenticator = Exchange().authenticator
    fresh = [parse_digest(value) for _, value in authenticator.challenges(0.0)]
    stale = [parse_digest(value) for _, value in authenticator.challenges(0.0, stale=True)]
    assert all("stale" not in (challenge or {}) for challenge in fresh)
    assert [(challenge or {})["stale"] for challenge in stale] == ["true", "true"]


def test_every_challenge_has_a_nonce_of_its_own() -> None:
    exchange = Exchange()
    nonces = {(parse_digest(exchange.challenge(now=5.0)) or {})["nonce"] for _ in range(100)}
    assert len(nonces) == 100


@pytest.mark.parametrize("reverse", [False, True])
def test_a_client_takes_the_strongest_challenge_in_whatever_order(reverse: bool) -> None:
    offered = [value for _, value in Exchange().authenticator.challenges(0.0)]
    unknown = 'Digest realm="myphone", nonce="x", algorithm=SHA-512-256, qop="auth"'
    challenges = sorted([unknown, "Basic realm=myphone", *offered], reverse=reverse)
    value = answer_challenge(challenges, "REGISTER", URI, "100", "secret", nc=1, cnonce="c")
    assert value is not None
    assert (parse_digest(value) or {})["algorithm"] == "SHA-256"


@pytest.mark.parametrize(
    "challenge",
    [
        'Basic realm="myphone"',
        'Digest realm="myphone", algorithm=MD5, qop="auth"',
        'Digest nonce="x", algorithm=MD5, qop="auth"',
        'Digest realm="myphone", nonce="x", algorithm=MD5-sess, qop="auth"',
        'Digest realm="myphone", nonce="x", qop="auth-int"',
        "Digest",
        "",
    ],
)
def test_a_client_leaves_a_challenge_that_it_cannot_meet(challenge: str) -> None:
    assert answer_challenge([challenge], "REGISTER", URI, "100", "secret", nc=1, cnonce="c") is None


def test_a_client_answers_a_challenge_without_qop_in_the_old_way() -> None:
    """RFC 2617 section 3.2.2: qop, nc and cnonce are not sent if the server did not speak of qop."""
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", opaque="5ccc"'
    value = answer_challenge(
        [challenge], "GET", "/dir/index.html", "Mufasa", "Circle Of Life", nc=1, cnonce="c"
    )
    assert parse_digest(value or "") == {
        "username": "Mufasa",
        "realm": "testrealm@host.com",
        "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093",
        "uri": "/dir/index.html",
        "response": "670fd8c2df070c60b045671b8b24ff02",
        "opaque": "5ccc",
        "algorithm": "MD5",
    }


@pytest.mark.parametrize("qop", ["auth,auth-int", "auth-int, auth", "AUTH"])
def test_a_client_finds_auth_among_what_is_offered(qop: str) -> None:
    challenge = f'Digest realm="myphone", nonce="x", qop="{qop}"'
    value = answer_challenge([challenge], "REGISTER", URI, "100", "secret", nc=255, cnonce="c")
    assert value is not None
    parameters = parse_digest(value) or {}
    assert (parameters["qop"], parameters["nc"]) == ("auth", "000000ff")


def test_what_a_client_quotes_comes_out_as_it_went_in() -> None:
    challenge = r'Digest realm="a \"quoted\" \\ realm", nonce="n\\o\"nce", opaque="o\"p", qop="auth"'
    name = 'Lee "the \\ Phone"'
    value = answer_challenge([challenge], "REGISTER", URI, name, "secret", nc=1, cnonce="c")
    parameters = parse_digest(value or "") or {}
    assert parameters["username"] == name
    assert parameters["realm"] == 'a "quoted" \\ realm'
    assert parameters["nonce"] == 'n\\o"nce'
    assert parameters["opaque"] == 'o"p'


# -- answers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", Algorithm)
def test_a_right_answer_is_valid(algorithm: Algorithm) -> None:
    exchange = Exchange()
    assert exchange.check(exchange.answer(exchange.challenge(algorithm))) is Verdict.VALID


def test_the_hexadecimal_digits_of_an_answer_may_be_capital() -> None:
    exchange = Exchange()
    right = exchange.answer(exchange.challenge())
    assert exchange.check(right | {"response": right["response"].upper()}) is Verdict.VALID


@pytest.mark.parametrize("name", ["SHA-256", "sha-256", "Sha-256"])
def test_the_name_of_an_algorithm_is_read_in_any_case(name: str) -> None:
    exchange = Exchange()
    assert exchange.check(exchange.answer(exchange.challenge(), algorithm=name)) is Verdict.VALID


def test_an_answer_that_names_no_algorithm_is_md5() -> None:
    exchange = Exchange()
    md5 = exchange.answer(exchange.challenge(Algorithm.MD5), algorithm=None)
    sha256 = exchange.answer(exchange.challenge(), algorithm=None)
    assert exchange.check(md5) is Verdict.VALID
    assert exchange.check(sha256) is Verdict.WRONG


@pytest.mark.parametrize(
    "changes",
    [
        {"response": "0" * 64},
        {"response": ""},
        {"response": "é"},
        {"response": "\udcff"},
        {"response": None},
        {"nonce": "0.1-00000000000000000000000000000000"},
        {"nonce": ""},
        {"nonce": None},
        {"uri": "sip:other.example"},
        {"uri": ""},
        {"uri": None},
        {"realm": "elsewhere"},
        {"realm": "MYPHONE"},
        {"realm": None},
        {"cnonce": "0a50"},
        {"cnonce": None},
        {"nc": "00000002"},
        {"nc": None},
        {"qop": "auth-int"},
        {"qop": ""},
        {"qop": None},
        {"algorithm": "MD5"},
        {"algorithm": "SHA-256-sess"},
        {"algorithm": "SHA-512-256"},
        {"algorithm": "ROT-13"},
        {"algorithm": ""},
    ],
    ids=str,
)
def test_an_answer_with_one_thing_changed_is_wrong_and_spends_nothing(changes: dict[str, str | None]) -> None:
    exchange = Exchange()
    challenge = exchange.challenge()
    assert exchange.check(exchange.answer(challenge, 1, **changes)) is Verdict.WRONG
    assert exchange.check(exchange.answer(challenge)) is Verdict.VALID


@pytest.mark.parametrize(
    "nc",
    [
        "00000000",
        "1",
        "000000001",
        "0x000001",
        "0000000g",
        "-0000001",
        "+0000001",
        "0000_001",
        "",
        "\u0661" * 8,
    ],
)
def test_a_nonce_count_that_is_none_is_wrong_even_if_it_is_hashed_right(nc: str) -> None:
    exchange = Exchange()
    parameters = exchange.answer(exchange.challenge(), nc=nc)
    parameters["nc"] = nc
    parameters["response"] = digest_response(Algorithm.SHA256, LEE.sha256, parameters, "REGISTER")
    assert exchange.check(parameters) is Verdict.WRONG


def test_an_answer_is_for_one_method_one_resource_and_one_account() -> None:
    exchange = Exchange()
    parameters = exchange.answer(exchange.challenge())
    assert exchange.check(parameters, method="INVITE") is Verdict.WRONG
    assert exchange.check(parameters, method="register") is Verdict.WRONG
    assert exchange.check(parameters, uri="sip:elsewhere.example") is Verdict.WRONG
    assert exchange.check(parameters, uri="sip:999@pbx.example") is Verdict.WRONG
    assert exchange.check(parameters, credentials=PARKER) is Verdict.WRONG
    assert exchange.check(parameters, credentials=None) is Verdict.WRONG
    assert exchange.check(parameters) is Verdict.VALID


def test_the_secret_of_the_server_lets_nobody_in() -> None:
    """Unknown users are checked against a password that is never right, even for who knows it."""
    exchange = Exchange()
    value = answer_challenge([exchange.challenge()], "REGISTER", URI, "", SECRET.hex(), nc=1, cnonce="c")
    assert exchange.check(parse_digest(value or "") or {}, credentials=None) is Verdict.WRONG


@pytest.mark.parametrize("algorithm", Algorithm)
def test_unknown_accounts_cost_the_same_hashes_as_known_ones(
    algorithm: Algorithm, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = Exchange()
    parameters = exchange.answer(exchange.challenge(algorithm), response="0" * 64)
    hashed: list[str] = []

    def counted(text: str) -> str:
        hashed.append(text)
        return original(text)

    original = digest.HASH[algorithm]
    monkeypatch.setattr(digest, "HASH", {algorithm: counted})
    assert exchange.check(parameters, credentials=LEE) is Verdict.WRONG
    known, hashed[:] = [len(text) for text in hashed], []
    assert exchange.check(parameters, credentials=None) is Verdict.WRONG
    assert [len(text) for text in hashed] == known
    assert len(known) == 1, "what is hashed of method and URI is remembered, whoever asks"


# -- nonces --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "verdict"),
    [
        (0.0, Verdict.VALID),
        (NONCE_SECONDS, Verdict.VALID),
        (NONCE_SECONDS + 0.5, Verdict.STALE),
        (1e9, Verdict.STALE),
        (-0.5, Verdict.VALID),
        (-10.0, Verdict.STALE),
    ],
)
def test_a_nonce_lives_for_its_time(age: float, verdict: Verdict) -> None:
    exchange = Exchange()
    assert exchange.check(exchange.answer(exchange.challenge(now=1000.0)), now=1000.0 + age) is verdict


def test_a_wrong_answer_is_wrong_however_old_its_nonce_is() -> None:
    """RFC 7616 section 3.3: stale tells that the password was right."""
    exchange = Exchange()
    parameters = exchange.answer(exchange.challenge(), response="0" * 64)
    assert exchange.check(parameters, now=NONCE_SECONDS * 2) is Verdict.WRONG


@pytest.mark.parametrize(
    "nonce",
    [
        "",
        "-",
        "0.1",
        "0.1-",
        "zz.1-0123456789abcdef0123456789abcdef",
        "0-0",
        "\udcff",
        "\udcff-0",
        "é-é",
        "-" * 500,
        "f" * 5000,
        "f" * 5000 + "-0",
    ],
    ids=ascii,
)
def test_a_nonce_that_we_did_not_make_is_stale_to_who_knows_the_password(nonce: str) -> None:
    exchange = Exchange()
    parameters = exchange.answer(exchange.challenge(), nonce=nonce)
    parameters["response"] = digest_response(Algorithm.SHA256, LEE.sha256, parameters, "REGISTER")
    assert exchange.check(parameters) is Verdict.STALE


def test_a_nonce_of_another_server_is_stale() -> None:
    ours, theirs = Exchange(), Exchange(b"another secret")
    assert ours.check(ours.answer(theirs.challenge())) is Verdict.STALE


def test_the_time_in_a_nonce_cannot_be_set_forward() -> None:
    exchange = Exchange()
    nonce = (parse_digest(exchange.challenge(now=0.0)) or {})["nonce"]
    stamp, _, signature = nonce.partition("-")
    later = f"{1000:x}.{stamp.partition('.')[2]}-{signature}"
    nonces = Nonces(SECRET)
    assert nonces.use(nonce, "100", 1, 1.0)
    assert not nonces.use(later, "100", 1, 1000.0)


# -- nonce counts --------------------------------------------------------------------------------------


def test_a_repeated_answer_is_stale() -> None:
    exchange = Exchange()
    parameters = exchange.answer(exchange.challenge())
    verdicts = [exchange.check(parameters) for _ in range(3)]
    assert verdicts == [Verdict.VALID, Verdict.STALE, Verdict.STALE]


def test_an_answer_repeated_under_another_name_of_the_account_is_stale() -> None:
    """The response does not cover the user name as it was sent, so it must not matter here either."""
    exchange = Exchange()
    parameters = exchange.answer(exchange.challenge())
    assert exchange.check(parameters) is Verdict.VALID
    for name in ("ext100", "EXT100", "", None):
        renamed = {
            key: value for key, value in (parameters | {"username": name}).items() if value is not None
        }
        assert exchange.check(renamed) is Verdict.STALE


def test_two_accounts_may_answer_one_nonce() -> None:
    exchange = Exchange()
    challenge = exchange.challenge()
    value = answer_challenge([challenge], "REGISTER", URI, "101", "battery staple", nc=1, cnonce="c")
    assert exchange.check(exchange.answer(challenge)) is Verdict.VALID
    assert exchange.check(parse_digest(value or "") or {}, credentials=PARKER) is Verdict.VALID


@pytest.mark.parametrize(
    ("counts", "accepted"),
    [
        ([1, 2, 3], [True, True, True]),
        ([2, 1, 2, 1], [True, True, False, False]),
        ([1, 3, 2, 4, 3], [True, True, True, True, False]),
        ([COUNT_WINDOW, 1], [True, True]),
        ([COUNT_WINDOW + 1, 1, 2], [True, False, True]),
        ([1, COUNT_WINDOW, 1, 2], [True, True, False, True]),
        ([1, COUNT_WINDOW + 1, 1, 2, 2], [True, True, False, True, False]),
        ([1, 0xFFFFFFFF, 0xFFFFFFFE, 1, 0xFFFFFFFF], [True, True, True, False, False]),
    ],
    ids=str,
)
def test_counts_may_come_out_of_order_within_the_window_and_once_each(
    counts: list[int], accepted: list[bool]
) -> None:
    nonces = Nonces(SECRET)
    nonce = nonces.issue(0.0)
    assert [nonces.use(nonce, "100", count, 0.0) for count in counts] == accepted


def test_the_memory_of_nonces_is_bounded_and_what_is_forgotten_stays_used() -> None:
    nonces = Nonces(SECRET)
    first = nonces.issue(0.0)
    assert nonces.use(first, "100", 1, 0.0)
    for _ in range(MAX_NONCE_USES + 10):
        assert nonces.use(nonces.issue(0.0), "100", 1, 0.0)
    assert len(nonces._used) == MAX_NONCE_USES
    assert not nonces.use(first, "100", 1, 0.0)
    assert not nonces.use(first, "100", 2, 0.0)
    assert nonces.use(nonces.issue(0.0), "100", 1, 0.0)


def test_a_nonce_in_use_outlives_many_others() -> None:
    nonces = Nonces(SECRET)
    kept = nonces.issue(0.0)
    for count in range(1, MAX_NONCE_USES * 2):
        assert nonces.use(kept, "100", count, 0.0)
        assert nonces.use(nonces.issue(0.0), "101", 1, 0.0)
    assert not nonces.use(kept, "100", 1, 0.0)


def test_challenges_are_remembered_by_nobody() -> None:
    nonces = Nonces(SECRET)
    issued = [nonces.issue(0.0) for _ in range(1000)]
    assert not nonces._used
    assert all(nonces.use(nonce, "100", 1, 1.0) for nonce in issued)


# -- the header field ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ('Digest username="100", nc=00000001', {"username": "100", "nc": "00000001"}),
        ('dIGEST USERNAME="100"', {"username": "100"}),
        ('Digest\tusername="100"', {"username": "100"}),
        ('  Digest   username = "100" ,nc=1  ', {"username": "100", "nc": "1"}),
        (r'Digest username="a\"b\\c\d"', {"username": 'a"b\\cd'}),
        ('Digest username="a, nc=2, b"', {"username": "a, nc=2, b"}),
        ('Digest username="", realm=""', {"username": "", "realm": ""}),
        ("Digest uri=sip:pbx.example", {"uri": "sip:pbx.example"}),
        ('Digest username="é"', {"username": "é"}),
        ("Digest x.new!thing=1, nc=2", {"x.new!thing": "1", "nc": "2"}),
        ("Digest nc=1,", {"nc": "1"}),
        ("Digest", {}),
    ],
)
def test_reads_the_parameters(text: str, parameters: dict[str, str]) -> None:
    assert parse_digest(text) == parameters


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Basic MTAwOnNlY3JldA==",
        'Digestusername="100"',
        'Digest username="100',
        'Digest username="100\\"',
        'Digest username="100" nc=1',
        'Digest username="100"x, nc=1',
        'Digest username="100", username="101"',
        'Digest username="100", USERNAME="101"',
        "Digest username",
        'Digest ="100"',
        "Digest ,,,",
        'Digest us er="100"',
        "Digest \udcff=1",
    ],
    ids=ascii,
)
def test_anything_else_is_no_digest(text: str) -> None:
    assert parse_digest(text) is None


@pytest.mark.parametrize(
    "text",
    [
        'Digest username="' + "\\" * 100_000,
        'Digest username="' + "a" * 100_000,
        "Digest " + " " * 100_000 + "x",
        "Digest " + "a" * 100_000,
        "Digest a=" + "\t " * 50_000 + '"',
        "Digest " + ", ".join(f"a{number}" for number in range(20_000)),
        "Digest " + ", ".join(f"a{number}=" for number in range(20_000)) + ', b="',
    ],
    ids=lambda text: f"{text[:20]}...",
)
def test_an_endless_header_field_is_read_to_its_end_or_not_at_all(text: str) -> None:
    assert parse_digest(text) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('realm="a", qop=auth, nc=00000001', {"realm": "a", "qop": "auth", "nc": "00000001"}),
        ('realm="a",uri="sip:b@c"', {"realm": "a", "uri": "sip:b@c"}),
        ('realm=""', {"realm": ""}),
        ("algorithm=SHA-256", {"algorithm": "SHA-256"}),
        ("nonce=a.b-c", {"nonce": "a.b-c"}),
        ('realm="a, b", nc=1', {"realm": "a, b", "nc": "1"}),
        ('REALM = "a" , x=y,', {"realm": "a", "x": "y"}),
        (r'realm="a\"b"', {"realm": 'a"b'}),
        ('realm="', None),
        ('realm="a"b"', None),
        ("realm=a, realm=b", None),
        ("realm=a b", None),
        ("realm", None),
        ("realm=a,,nc=1", None),
    ],
)
def test_usual_and_unusual_spellings_of_parameters_are_read_alike(
    text: str, expected: dict[str, str] | None
) -> None:
    assert parse_digest(f"Digest {text}") == expected
