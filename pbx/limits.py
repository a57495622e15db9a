"""`[limits]`: how large one system may be. Elsewhere an edition or a licence says so; here it is a setting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pbx.config_errors import Problem
from pbx.config_values import Table
from pbx.trunks.settings import Count

if TYPE_CHECKING:
    from pbx.config import Config
    from pbx.party import Party
    from pbx.switch import Switch

TOO_MANY_CALLS = (503, "Too Many Calls")
"""The answer to a call for which there is no room."""
LIMIT_REACHED = "limits.max_calls is reached"


class Limits(Table):
    """`[limits]`; 0: no limit."""

    max_calls: Count = 0
    """At the same time, ringing and established, inside and outside."""
    max_extensions: Count = 0


def in_limits(config: Config) -> Iterator[Problem]:
    """Extensions beyond the limit."""
    most, count = config.limits.max_extensions, len(config.extensions)
    if 0 < most < count:
        yield Problem(
            "extensions",
            f"are {count}, and limits.max_extensions allows {most}; remove some or raise the limit",
        )


def is_full(switch: Switch, dialled: str, caller: Party) -> bool:
    """Whether there is no room for one more call; for a call for help there always is."""
    most = switch.config.limits.max_calls
    return 0 < most <= len(switch.calls) and not switch.router.is_emergency(dialled, caller)
