"""Queues: whoever calls one waits until an agent is free; *62 and *63 log an agent in and out."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from pbx.plugin import Call, Feature, StoreUnavailable, dialler, prompts, reception, refuse_aloud

if TYPE_CHECKING:
    from pbx.plugin import Switch

LOGGED_IN = prompts.phrase("queue.logged_in", "Vous êtes connecté.", "You are logged in.", "agent-loginok")
LOGGED_OUT = prompts.phrase(
    "queue.logged_out", "Vous êtes déconnecté.", "You are logged out.", "agent-loggedoff"
)
NO_AGENT = prompts.phrase(
    "queue.no_agent",
    "Ce poste n'appartient à aucune file d'attente.",
    "This extension is not an agent of any queue.",
)
NOT_CHANGED = prompts.phrase(
    "queue.not_changed",
    "La connexion n'a pas pu être modifiée. Veuillez réessayer plus tard.",
    "Your log-in could not be changed. Please try again later.",
)

feature = Feature("queues")


@feature.start
async def begin(switch: Switch) -> None:
    """Enter the queues of the configuration."""
    reception.follow(switch)
    await switch.queues.start()


@feature.destination(reception.QUEUE, summary="Wait for an agent of a queue")
async def enter(call: Call, queue: str) -> None:
    """Wait. Raises Refused: 486 it is full, 480 nobody has taken the call."""
    await call.switch.queues.wait(call, queue)


@feature.dial("*62{queue?}", summary="Log in to all your queues, or to one")
async def log_in(call: Call, queue: str = "") -> None:
    """Say so. Raises Refused: 403 for who is no agent or was sent here, 503 where nothing can be kept now."""
    await _confirm(call, call.switch.queues.log_in(dialler(call).number, queue or None), LOGGED_IN)


@feature.dial("*63{queue?}", summary="Log out of all your queues, or of one")
async def log_out(call: Call, queue: str = "") -> None:
    """Say so. Raises Refused: 403 for who is no agent or was sent here, 503 where nothing can be kept now."""
    await _confirm(call, call.switch.queues.log_out(dialler(call).number, queue or None), LOGGED_OUT)


async def _confirm(call: Call, change: Awaitable[tuple[str, ...]], said: prompts.Token) -> None:
    """Say what has become of it, once that is kept. Raises Refused."""
    try:
        queues = await change
    except StoreUnavailable:
        await refuse_aloud(call, 503, "Not Kept", NOT_CHANGED)
    if not queues:
        await refuse_aloud(call, 403, "Not An Agent", NO_AGENT)
    await (await call.answer()).play(said)
