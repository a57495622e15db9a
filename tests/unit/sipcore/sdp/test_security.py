"""The `crypto` attribute as phones write it, and as nobody should (RFC 4568)."""

from __future__ import annotations

import base64

import pytest

from sipcore.sdp.description import MediaDescription
from sipcore.sdp.security import KEY_BYTES, MAX_CRYPTOS, Crypto, CryptoSuite, cryptos

INLINE = "d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj"
"""The key of the example in section 5.1."""
KEY = base64.b64decode(INLINE)
SHA1_80, SHA1_32 = CryptoSuite.AES_CM_128_HMAC_SHA1_80, CryptoSuite.AES_CM_128_HMAC_SHA1_32


@pytest.mark.parametrize(
    ("value", "crypto"),
    [
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{INLINE}", Crypto(1, SHA1_80, KEY)),
        (f"2 AES_CM_128_HMAC_SHA1_32 inline:{INLINE}|2^20", Crypto(2, SHA1_32, KEY, 2**20)),
        (f"0 AES_CM_128_HMAC_SHA1_80 inline:{INLINE}|1048576", Crypto(0, SHA1_80, KEY, 2**20)),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{INLINE}|2^48", Crypto(1, SHA1_80, KEY, 2**48)),
        (f" 999999999\taes_cm_128_hmac_sha1_80  INLINE:{INLINE} ", Crypto(999999999, SHA1_80, KEY)),
        (f"1 AES_CM_128_HMAC_SHA1_80 inline:{INLINE} WSH=128 -FEC_ORDER=x", Crypto(1, SHA1_80, KEY)),
    ],
)
def test_keys_are_read(value: str, crypto: Crypto) -> None:
    assert Crypto.parse(value) == crypto
    assert len(crypto.key) == KEY_BYTES


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        "1 AES_CM_128_HMAC_SHA1_80",
        "1 AES_CM_128_HMAC_SHA1_80 inline:",
        f"1 AES_256_CM_HMAC_SHA1_80 inline:{INLINE}",
        f"1 AES_CM_128_HMAC_SHA1_80 outline:{INLINE}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{INLINE[:-1]}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{INLINE}A",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{INLINE[:-1]}=",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{INLINE[:-1]}\xe9",
        f"1 AES_CM_128_HMAC_SHA1_80inline:{INLINE}",
        f"-1 AES_CM_128_HMAC_SHA1_80 inline:{INLINE}",
        f"01 AES_CM_128_HMAC_SHA1_80 inline:{INLINE}",
        f"1234567890 AES_CM_128_HMAC_SHA1_80 inline:{INLINE}",
        f"\u0661 AES_CM_128_HMAC_SHA1_80 inline:{INLINE}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{INLINE}|",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{INLINE}|0",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{INLINE}|2^49",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{INLINE}|2^999999999999999",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{INLINE}|{2**48 + 1}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{INLINE}|{'9' * 500}",
    ],
)
def test_what_is_malformed_is_no_key(value: str) -> None:
    assert Crypto.parse(value) is None


@pytest.mark.parametrize(
    "rest",
    ["|1:4", "|2^20|1:4", f"|2^20|1:4;inline:{INLINE}|2^20|2:4", " UNENCRYPTED_SRTP", " KDR=1", " FEC_KEY=x"],
)
def test_what_we_cannot_do_is_no_key(rest: str) -> None:
    """An MKI would be in every packet (section 6.1); a session parameter must be understood (section 6.3.7)."""
    assert Crypto.parse(f"1 AES_CM_128_HMAC_SHA1_80 inline:{INLINE}{rest}") is None


def test_it_is_written_as_it_is_read() -> None:
    assert str(Crypto(1, SHA1_80, KEY)) == f"1 AES_CM_128_HMAC_SHA1_80 inline:{INLINE}"
    assert str(Crypto(3, SHA1_32, KEY, 32)) == f"3 AES_CM_128_HMAC_SHA1_32 inline:{INLINE}|32"


def test_the_key_is_not_shown_by_accident() -> None:
    assert "key" not in repr(Crypto(1, SHA1_80, KEY))


def media(*values: str | None) -> MediaDescription:
    return MediaDescription(
        "audio", 4000, "RTP/SAVP", ("0",), None, tuple(("crypto", value) for value in values)
    )


def test_the_usable_ones_of_a_section_keep_their_order() -> None:
    section = media(
        f"4 AES_256_CM_HMAC_SHA1_80 inline:{INLINE}",
        None,
        f"2 AES_CM_128_HMAC_SHA1_32 inline:{INLINE}",
        f"1 AES_CM_128_HMAC_SHA1_80 inline:{INLINE}",
    )
    assert [crypto.tag for crypto in cryptos(section)] == [2, 1]


def test_a_flood_of_them_is_not_read_to_its_end() -> None:
    flood = media(*[f"{tag} AES_CM_128_HMAC_SHA1_80 inline:{INLINE}" for tag in range(400)])
    assert len(cryptos(flood)) == MAX_CRYPTOS
