"""Parts of a record as JSON, written by hand and read again: lists of their values, in the order of their fields.

The encoder of the standard library looks at each value as if it had never seen the like, and this is done for every
call. How texts are escaped, and what is done with them before, is the affair of a `Quoted`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pbx.history.record import HandOver, Participation, Role
from pbx.moments import utc_text
from pbx.quoted import Quoted

TRUTH = {False: "false", True: "true"}

_CALLER = Role.CALLER
_WORD_OF_CALLER, _WORD_OF_CALLEE = [f'"{role.value}"' for role in Role]


def moment_text(moment: datetime) -> str:
    """What `datetime.fromisoformat` reads, in quotes."""
    return f'"{utc_text(moment)}+00:00"'


def parties_text(parties: Iterable[Participation], quoted: Quoted, began: datetime, began_text: str) -> str:
    """See `read_parties`. `began` is a moment whose text is known: most came into the call then."""
    truth = TRUTH
    rows = []
    for party in parties:
        answered = party.answered_at
        role = _WORD_OF_CALLER if party.role is _CALLER else _WORD_OF_CALLEE
        since = began_text if party.at is began else utc_text(party.at)
        until = "null" if answered is None else f'"{utc_text(answered)}+00:00"'
        rows.append(
            f'[{quoted[party.number]},{role},"{since}+00:00",{quoted[party.trunk]},{truth[party.rang]}'
            f",{until},{quoted[party.taken_by]},{truth[party.blocked]},{truth[party.addressed]}]"
        )
    return f"[{','.join(rows)}]"


def read_parties(rows: Iterable[Any]) -> tuple[Participation, ...]:
    """Raises ValueError, TypeError and KeyError for what is none."""
    return tuple([_party(*row) for row in rows])


def _party(
    number: str, role: str, at: str, trunk: str, rang: bool, answered: str | None, taken: str, *more: bool
) -> Participation:
    answered_at = None if answered is None else datetime.fromisoformat(answered)
    blocked, addressed = map(bool, more)
    return Participation(
        number, Role(role), datetime.fromisoformat(at), trunk, bool(rang), answered_at, taken, blocked, addressed
    )


def hand_overs_text(hand_overs: Iterable[HandOver], quoted: Quoted) -> str:
    """See `read_hand_overs`."""
    rows = [
        f"[{moment_text(each.at)},{quoted[each.by]},{quoted[each.party]},{quoted[each.to]}]" for each in hand_overs
    ]
    return f"[{','.join(rows)}]"


def read_hand_overs(rows: Iterable[Any]) -> tuple[HandOver, ...]:
    """Raises ValueError and TypeError for what is none."""
    return tuple([HandOver(datetime.fromisoformat(at), *numbers) for at, *numbers in rows])
