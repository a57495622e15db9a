"""Media keys in session descriptions: what we write we can read, and no text does more than be no key."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sipcore.sdp.security import KEY_BYTES, MAX_LIFETIME, Crypto, CryptoSuite

CRYPTOS = st.builds(
    Crypto,
    st.integers(0, 999_999_999),
    st.sampled_from(CryptoSuite),
    st.binary(min_size=KEY_BYTES, max_size=KEY_BYTES),
    st.none() | st.integers(1, MAX_LIFETIME),
)
PIECES = st.sampled_from(
    [
        "1",
        " ",
        "\t",
        "AES_CM_128_HMAC_SHA1_80",
        "inline:",
        "A" * 40,
        "|",
        "2^",
        "20",
        "1:4",
        ";",
        "WSH=64",
        "\n",
    ]
) | st.text(max_size=6)


@given(CRYPTOS)
def test_what_is_written_reads_the_same(crypto: Crypto) -> None:
    assert Crypto.parse(str(crypto)) == crypto


@given(st.lists(PIECES, max_size=12).map("".join))
def test_any_text_is_a_key_or_none(text: str) -> None:
    crypto = Crypto.parse(text)
    if crypto is not None:
        assert len(crypto.key) == KEY_BYTES
        assert Crypto.parse(str(crypto)) == crypto


@given(CRYPTOS, st.data())
def test_a_changed_character_makes_another_key_or_none(crypto: Crypto, data: st.DataObject) -> None:
    text = list(str(crypto))
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.characters())
    changed = Crypto.parse("".join(text))
    assert changed is None or len(changed.key) == KEY_BYTES


@given(CRYPTOS)
def test_no_key_is_shown_by_accident(crypto: Crypto) -> None:
    assert repr(crypto.key) not in repr(crypto)
