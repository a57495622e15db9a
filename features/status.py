"""Status: *60 says that the user who dials is available, *61 that the user is away, until the other is dialled."""

from __future__ import annotations

from pbx.plugin import Call, Feature, StoreUnavailable, dialler, prompts, refuse_aloud, statuses

feature = Feature("status")

AVAILABLE = prompts.phrase(
    "status.available", "Votre statut est maintenant : disponible.", "Your status is now: available."
)
AWAY = prompts.phrase("status.away", "Votre statut est maintenant : absent.", "Your status is now: away.")
NOT_CHANGED = prompts.phrase(
    "status.not_changed",
    "Votre statut n'a pas pu être modifié. Veuillez réessayer plus tard.",
    "Your status could not be changed. Please try again later.",
)


@feature.dial("*60", summary="Say that you are available")
async def available(call: Call) -> None:
    """Colleagues see it, and calls ring. Raises Refused: 403 for who is outside or was sent here, 503 nothing can
    be kept now."""
    await _say(call, statuses.UserStatus.AVAILABLE, AVAILABLE)


@feature.dial("*61", summary="Say that you are away")
async def away(call: Call) -> None:
    """Colleagues see it, and calls go where those to a busy phone go. Raises Refused, as above."""
    await _say(call, statuses.UserStatus.AWAY, AWAY)


async def _say(call: Call, status: statuses.UserStatus, confirmation: prompts.Token) -> None:
    try:
        await statuses.set_status(call.switch, dialler(call).number, status)
    except StoreUnavailable:
        await refuse_aloud(call, 503, "Not Kept", NOT_CHANGED)
    await (await call.answer()).play(confirmation)
