"""The SIP trace of one extension."""

from __future__ import annotations

import io
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pbx.pcap import ip_packet
from pbx.trace import LadderTrace, PcapTrace, Trace, open_trace, redacted
from sipcore.transport.flow import Address, Flow, Transport

AT = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
FLOW = Flow(Transport.UDP, Address("192.0.2.1", 5060), Address("192.0.2.7", 5062))


def message(start: str = "INVITE sip:101@pbx SIP/2.0", *headers: str, body: str = "") -> bytes:
    return "\r\n".join([start, *headers, "", body]).encode()


FROM_100 = message("INVITE sip:101@pbx SIP/2.0", 'From: "Lee" <sip:100@pbx>;tag=1', "To: <sip:101@pbx>")


class Remembering:
    """A writer that keeps what it is given."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, at: datetime, flow: Flow, outgoing: bool, message: bytes) -> None:
        self.written.append(message)


def traced(data: bytes, *names: str) -> bool:
    writer = Remembering()
    Trace(names or ("100", "ext100"), io.BytesIO(), writer, lambda: AT).on_wire(False, FLOW, data)
    return bool(writer.written)


# -- which messages --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        FROM_100,
        message("INVITE sip:100@pbx SIP/2.0"),
        message("INVITE sip:ext100@pbx SIP/2.0"),
        message("INVITE sips:100@pbx SIP/2.0"),
        message("INVITE tel:100 SIP/2.0"),
        message("INVITE tel:100;phone-context=x SIP/2.0"),
        message("OPTIONS sip:pbx SIP/2.0", "t: sip:100@pbx"),
        message("SIP/2.0 200 OK", "f:<SIP:EXT100@pbx>"),
        message("REGISTER sip:pbx SIP/2.0", "Contact: <sip:7@b>, <sip:100@192.0.2.7>"),
    ],
)
def test_messages_about_the_extension_are_traced(data: bytes) -> None:
    assert traced(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        bytes(range(256)),
        message("INVITE sip:1001@pbx SIP/2.0", "From: <sip:2100@pbx>"),
        message("INVITE sip:101@100 SIP/2.0"),
        message("INVITE sip:101@pbx SIP/2.0", "Subject: sip:100@pbx"),
        message("MESSAGE sip:101@pbx SIP/2.0", body="From: <sip:100@pbx>"),
    ],
)
def test_others_are_not(data: bytes) -> None:
    assert not traced(data)


def test_names_are_no_expressions() -> None:
    assert not traced(message("INVITE sip:abc@pbx SIP/2.0"), "a.c")


# -- secrets ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "left"),
    [
        ('Authorization: Digest username="100", response="secret"', "Authorization: [redacted]"),
        ('proxy-authorization : Digest response="secret"', "proxy-authorization : [redacted]"),
        ('Authorization: Digest username="100",\r\n\t response="secret"', "Authorization: [redacted]"),
        ("Authorization:\r\n Digest secret", "Authorization: [redacted]"),
    ],
)
def test_credentials_are_blotted_out(header: str, left: str) -> None:
    data = message("REGISTER sip:pbx SIP/2.0", header, "CSeq: 2 REGISTER", body="hello")
    assert redacted(data) == message("REGISTER sip:pbx SIP/2.0", left, "CSeq: 2 REGISTER", body="hello")


@pytest.mark.parametrize(
    "key",
    [
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:",
        "a= crypto: 1\tAES_CM_128_HMAC_SHA1_80  INLINE:",
        "a=crypto:1 AES_CM_128_HMAC_SHA1_80 UNENCRYPTED_SRTP inline:",
    ],
)
@pytest.mark.parametrize("rest", ["c2VjcmV0|2^20", "c2VjcmV0|1:4;inline:c2VjcmV0|2:4 KDR=1"])
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
def test_media_keys_are_blotted_out(key: str, rest: str, end: str) -> None:
    data = message(body=f"m=audio 1 RTP/SAVP 0{end}{key}{rest}{end}a=sendrecv{end}")
    assert redacted(data) == message(body=f"m=audio 1 RTP/SAVP 0{end}{key}[redacted]{end}a=sendrecv{end}")


def test_a_message_full_of_half_a_key_is_read_once() -> None:
    """Read from each beginning to the end, it would take minutes."""
    data = message(body="a=crypto " * 100_000)
    assert redacted(data) == data


def test_the_trace_sees_no_secret() -> None:
    writer = Remembering()
    trace = Trace(["100"], io.BytesIO(), writer, lambda: AT)
    trace.on_wire(False, FLOW, message("INVITE sip:100@pbx SIP/2.0", "Authorization: Digest secret"))
    assert writer.written == [message("INVITE sip:100@pbx SIP/2.0", "Authorization: [redacted]")]


# -- formats ---------------------------------------------------------------------------------------


def test_packets_go_from_sender_to_receiver() -> None:
    file = io.BytesIO()
    writer = PcapTrace(file)
    writer.write(AT, FLOW, False, b"in")
    writer.write(AT, FLOW, True, b"out")
    data = file.getvalue()
    packets = ip_packet(FLOW.remote, FLOW.local, b"in"), ip_packet(FLOW.local, FLOW.remote, b"out")
    assert data == data[:24] + data[24:40] + packets[0] + data[70:86] + packets[1]


def test_a_ladder() -> None:
    file = io.BytesIO()
    writer = LadderTrace(file)
    writer.write(AT, FLOW, False, message("BYE sip:pbx SIP/2.0", "CSeq: 1 BYE"))
    writer.write(AT, FLOW, True, message("SIP/2.0 200 OK", "Subject: \x1b[2J\n2026-01-02 a forged line"))
    assert file.getvalue().decode().splitlines() == [
        "2026-01-02 03:04:05.678+00:00  192.0.2.7:5062 UDP  ---- BYE sip:pbx SIP/2.0 --->  192.0.2.1:5060",
        "    BYE sip:pbx SIP/2.0",
        "    CSeq: 1 BYE",
        "2026-01-02 03:04:05.678+00:00  192.0.2.7:5062 UDP  <--- SIP/2.0 200 OK ----  192.0.2.1:5060",
        "    SIP/2.0 200 OK",
        r"    Subject: \x1b[2J\n2026-01-02 a forged line",
    ]


# -- the file --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "start"), [("trace.pcap", b"\xd4\xc3\xb2\xa1"), ("trace.txt", b"2026-01-02 ")]
)
def test_the_suffix_names_the_format(tmp_path: Path, name: str, start: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(b"what was there before")
    path.chmod(0o644)
    trace = open_trace(path, ["100"], lambda: AT)
    trace.on_wire(False, FLOW, FROM_100)
    assert path.read_bytes().startswith(start)
    assert b"sip:100@pbx" in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    trace.close()


def test_a_closed_trace_writes_no_more(tmp_path: Path) -> None:
    trace = open_trace(tmp_path / "trace.txt", ["100"], lambda: AT)
    trace.close()
    trace.close()
    trace.on_wire(False, FLOW, FROM_100)
    assert (tmp_path / "trace.txt").read_bytes() == b""


def test_a_trace_ends_when_it_is_too_big() -> None:
    file, writer = io.BytesIO(b"x" * 1000), Remembering()
    file.seek(0, io.SEEK_END)
    trace = Trace(["100"], file, writer, lambda: AT, max_bytes=999)
    trace.on_wire(False, FLOW, FROM_100)
    trace.on_wire(False, FLOW, FROM_100)
    assert file.closed
    assert writer.written == [FROM_100]


def test_a_full_disk_ends_the_trace_and_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    class FullDisk(Remembering):
        def write(self, at: datetime, flow: Flow, outgoing: bool, message: bytes) -> None:
            raise OSError(28, "No space left on device")

    file = io.BytesIO()
    trace = Trace(["100"], file, FullDisk(), lambda: AT)
    trace.on_wire(False, FLOW, FROM_100)
    trace.on_wire(False, FLOW, FROM_100)
    assert file.closed
    assert caplog.text.count("No space left") == 1
