"""How long an Opus packet lasts, which its first bytes tell."""

from __future__ import annotations


def opus_ticks(payload: bytes) -> int:
    """How long an Opus packet lasts, in ticks of 48 kHz (RFC 6716 section 3.1); 0 if it is none."""
    if not payload:
        return 0
    configuration, count = payload[0] >> 3, (1, 2, 2, 0)[payload[0] & 3]
    if count == 0:
        count = payload[1] & 0x3F if len(payload) > 1 else 0
    if configuration < 12:
        frame = (480, 960, 1920, 2880)[configuration & 3]
    elif configuration < 16:
        frame = (480, 960)[configuration & 1]
    else:
        frame = (120, 240, 480, 960)[configuration & 3]
    return count * frame if count * frame <= 5760 else 0
