"""What a caller may have meant by what the phone made of it: the readings of a dialled string, likely ones first.

Phones send a code such as `*20*101` as it is, escaped (`%2A20%2A101`), escaped twice, as a telephone number
(`;user=phone`, `tel:`), or with the `#` by which its end was dialled (Cisco SPA, many an adapter).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

from pbx.dial_table import dialled_string
from sipcore.syntax.uri import Uri

MAX_LENGTH = 128
"""Nobody dials more; what is longer is taken as it is."""
_ESCAPED = re.compile(r"%(?:2[AaBb3DdEe]|3[0-9])")
"""Of what telephones have on their keys."""
_KEYS = re.compile(r"\+?[0-9*#A-D]+")


def readings(uri: Uri) -> tuple[str, ...]:
    """What may have been dialled to get this Request-URI, each reading once."""
    text = dialled_string(uri)
    found = [text]
    if len(text) <= MAX_LENGTH:
        found.append(unquote(text) if _ESCAPED.search(text) else text)
        found.append(found[-1].partition(";")[0])
        if _KEYS.fullmatch(found[-1]) and len(found[-1]) > 1:
            found.append(found[-1].removesuffix("#"))
    return tuple(dict.fromkeys(found))


def dialled(uri: Uri, known: Callable[[str], bool]) -> str:
    """The first reading that is `known`, or else the last, which is the plainest."""
    user = uri.user
    if user is not None and user.isdigit() and user.isascii():  # as nearly always: it can be read in one way
        return user
    all_readings = readings(uri)
    return next((reading for reading in all_readings if known(reading)), all_readings[-1])
