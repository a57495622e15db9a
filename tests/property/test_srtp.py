"""SRTP: what was protected comes out as it went in, once; nothing else does, and no bytes raise anything."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from media.plan import SrtpKeys, SrtpSuite
from media.srtp import Srtp

KEYS = st.builds(
    SrtpKeys,
    st.sampled_from(SrtpSuite),
    st.binary(min_size=30, max_size=30),
    st.binary(min_size=30, max_size=30),
)
PAYLOADS = st.binary(max_size=300)


def ends(keys: SrtpKeys) -> tuple[Srtp, Srtp]:
    """Both ends of a stream."""
    return Srtp(keys), Srtp(SrtpKeys(keys.suite, keys.receive, keys.send))


def rtp(sequence: int, payload: bytes) -> bytes:
    return b"\x80\x00" + sequence.to_bytes(2, "big") + bytes(4) + b"ssrc" + payload


@given(KEYS, st.lists(st.tuples(st.integers(0, 120), PAYLOADS), max_size=20))
def test_every_number_arrives_once_whatever_the_order(
    keys: SrtpKeys, packets: list[tuple[int, bytes]]
) -> None:
    here, there = ends(keys)
    used: set[int] = set()
    for sequence, payload in packets:
        travelling = here.protect(rtp(sequence, payload))
        assert (travelling is None) is (sequence in used)
        used.add(sequence)
        if travelling is not None:
            assert there.unprotect(travelling) == rtp(sequence, payload)
            assert there.unprotect(travelling) is None
    assert (there.forged, there.replayed) == (0, len(used))


@given(KEYS, PAYLOADS, st.data())
def test_a_changed_byte_is_a_forgery(keys: SrtpKeys, payload: bytes, data: st.DataObject) -> None:
    here, there = ends(keys)
    travelling = bytearray(here.protect(rtp(7, payload)) or b"")
    travelling[data.draw(st.integers(0, len(travelling) - 1))] ^= data.draw(st.integers(1, 255))
    assert there.unprotect(bytes(travelling)) is None
    assert there.forged == 1


@given(KEYS, st.lists(st.binary(max_size=1600), max_size=10))
def test_any_bytes_are_refused_and_counted(keys: SrtpKeys, datagrams: list[bytes]) -> None:
    here, there = ends(keys)
    for data in datagrams:
        assert there.unprotect(data) is None
        assert there.unprotect_rtcp(data) is None
    assert there.forged == 2 * len(datagrams)
    assert there.unprotect(here.protect(rtp(1, b"sound")) or b"") == rtp(1, b"sound")
