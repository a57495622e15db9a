"""Messages of the torture tests, written as text: how they go over the wire."""

from __future__ import annotations


def wire(text: str) -> bytes:
    """The bytes of a message that is written with plain line ends, and a line end before its first line."""
    return text.removeprefix("\n").replace("\n", "\r\n").encode()


def sdp(origin: str, connection: str = "", *, time: str = "0 0") -> str:
    """The description that most of the messages carry."""
    return f"""v=0
o=mhandley 29739 7272939 IN IP4 {origin}
s=-
c=IN IP4 {connection or origin}
t={time}
m=audio 49217 RTP/AVP 0 12
m=video 3227 RTP/AVP 31
a=rtpmap:31 LPC
"""
