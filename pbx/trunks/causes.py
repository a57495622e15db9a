"""What telephone networks call the ends of calls: Q.850 causes and SIP statuses (RFC 3398 sections 7.2.4 and 8.2.6)."""

from __future__ import annotations

import re

from pbx.party import ExternalParty, Party
from sipcore.syntax.message import Response

_CAUSES = {
    400: 41, 401: 21, 402: 21, 403: 21, 404: 1, 405: 63, 406: 79, 407: 21, 408: 102, 410: 22, 415: 79, 480: 18,
    481: 41, 482: 25, 483: 25, 484: 28, 485: 1, 486: 17, 488: 65, 500: 41, 501: 79, 502: 38, 503: 34, 504: 102,
    600: 17, 603: 21, 604: 1, 606: 65,
}  # fmt: skip
_STATUSES = {
    1: 404, 2: 404, 3: 404, 17: 486, 18: 480, 19: 480, 20: 480, 21: 603, 22: 410, 23: 410, 26: 404, 28: 484, 31: 480,
    55: 403, 57: 403, 65: 488, 70: 488, 87: 403, 88: 503,
}  # fmt: skip
_OTHER_CAUSE = 127
_Q850 = re.compile(r"^\s*Q\.850\s*;(?:[^,]*;)?\s*cause\s*=\s*([0-9]{1,3})\b", re.IGNORECASE)


def refusal_headers(caller: Party | None, status: int) -> list[tuple[str, str]]:
    """What a refusal tells a caller beside its status: one from the telephone network its cause (RFC 3326)."""
    if not isinstance(caller, ExternalParty) or status < 400 or status == 487:
        return []
    return [("Reason", f"Q.850;cause={_CAUSES.get(status, _OTHER_CAUSE)}")]


def meaning(response: Response) -> int:
    """The status of a refusal, or what its Q.850 cause says more exactly than a 480 or a 5xx does."""
    status = response.status
    if status == 480 or status >= 500:
        for line in response.get_all("Reason"):
            found = _Q850.match(line)
            if found and status < 600:
                return _STATUSES.get(int(found[1]), status)
    return status
