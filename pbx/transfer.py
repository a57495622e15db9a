"""Transfer: one of two who talk leaves, and the other goes on to somebody else.

The transferor has let go as soon as the transfer begins, and may hang up at any time. Whoever stays hears music and
ringing. Where the target is not reached, both have each other back; where the transferor has hung up meanwhile, its
phones ring again. Claims are synchronous: of two who transfer one call at once, the second is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from pbx.call import Call
from pbx.happenings import CallTransferred
from pbx.leg import Leg, LegState
from pbx.refused import Refused
from pbx.routing import Refuse
from pbx.trunks.outbound import NOT_OUT_AGAIN
from pbx.trunks.outgoing import refuse
from sipcore.syntax.message import Response

if TYPE_CHECKING:
    from pbx.party import Party
    from sipcore.dialog.transfer import ReferSubscription

RELEASE_SECONDS = 4.0
"""Once the target is reached, the transferor hangs up by itself, as most phones do when they are told; after so long
it is hung up."""
_NOBODY_THERE = (403, 404)
"""A target that the router gives these for is refused before anything moves."""


Accepted = Callable[[], None]


def _nobody_waits() -> None:
    """Nobody is to be told that a transfer is accepted."""


class WrongState(Exception):
    """What is asked for does not go with the state of the call, such as the transfer of one that only rings."""


class Transfer:
    """One transfer, as long as the transferor's leg lives. It watches that leg."""

    def __init__(self, call: Call, by: Leg, subscription: ReferSubscription | None) -> None:
        assert by.party is not None, "legs of a switch are somebody's"
        self.call = call
        self.party = by.party
        """Who transfers."""
        self.reached = False
        """Whether it is decided: the target is reached, or never will be."""
        self._leg: Leg | None = by
        self._subscription = subscription
        self._release: asyncio.TimerHandle | None = None
        by.watcher = self
        by.call_id = call.id

    def progress(self, status: int) -> None:
        """A phone of the target rings."""
        if not self.reached:
            self._report(status)

    def reach(self, target: str) -> None:
        """Somebody has the call: the transferor has done what he wanted."""
        if self.reached:
            return
        self.reached = True
        switch, call = self.call.switch, self.call
        call.trail = ()
        self._report(200)
        if self._leg is None:
            self._let_go()
        else:
            self._release = switch.loop.call_later(RELEASE_SECONDS, self._hang_up)
        switch.happenings.tell(
            CallTransferred(
                at=switch.environment.wall(),
                call=call.id,
                by=self.party.number,
                party=call.caller.number,
                to=target,
            )
        )

    def failed(self, status: int) -> Leg | Party:
        """The target is not reached: the transferor's leg, if it is still there, or else who is to be called again."""
        self.reached = True
        self.call.trail = ()
        self._report(status)
        leg = self._leg
        self._let_go()
        return self.party if leg is None or leg.state is LegState.ENDED else leg

    @property
    def subscription(self) -> ReferSubscription | None:
        """What tells the transferor how it goes; None once nothing more is told."""
        subscription = self._subscription
        return None if subscription is None or subscription.ended else subscription

    def end(self, status: int) -> None:
        """The call is over, or another transfer begins."""
        if self._subscription is not None and self._leg is not None:
            status = 200 if self.reached else max(status, 400)
            switch = self.call.switch
            switch.driver.perform(self._subscription.finish(status, switch.loop.time()))
        self._hang_up()

    # -- Watcher of the transferor's leg ----------------------------------------------------------------

    def leg_progressed(self, leg: Leg, response: Response) -> None:
        """It has been answered."""

    def leg_accepted(self, leg: Leg) -> None:
        """It has been answered."""

    def leg_ended(self, leg: Leg, status: int) -> None:
        """The transferor has hung up; the transfer goes on."""
        if self._subscription is not None:
            self._subscription.close()
        self._let_go()

    # -- helpers ----------------------------------------------------------------------------------------

    def _report(self, status: int) -> None:
        if self._subscription is not None and self._leg is not None:
            switch = self.call.switch
            switch.driver.perform(self._subscription.report(status, switch.loop.time()))

    def _hang_up(self) -> None:
        leg = self._leg
        if leg is not None:
            self.leg_ended(leg, 200)
            leg.hang_up()

    def _let_go(self) -> None:
        self._leg = None
        if self._release is not None:
            self._release.cancel()
            self._release = None
        if self.reached and self.call.transfer is self:
            self.call.transfer = None


def transfer(
    call: Call,
    by: Leg,
    target: str,
    subscription: ReferSubscription | None = None,
    accepted: Accepted = _nobody_waits,
) -> None:
    """Send whom `by` talks to on to `target`, a dialled string. `accepted` is told once that is certain, and before
    anything moves.

    Raises Refused where nobody is reached there or it is one of the two themselves, WrongState where `by` talks to
    nobody; nothing has moved then.
    """
    stays = call.other(by)
    if stays is None:
        raise WrongState("only a call that is connected can be transferred")
    check_target(call, target, _trail(stays, by), stays, by)
    accepted()
    call.let_go(by)
    begin(call, by, subscription, stays)
    call.dialled = target
    call.turn(call.serve)


def check_target(call: Call, target: str, trail: tuple[str, ...], *parties: Leg) -> None:
    """Raises Refused where the last of `trail` may not send the first of the parties to `target`, or it is no use."""
    switch = call.switch
    extension = switch.directory.find(target)
    if extension is not None and any(leg.extension == extension for leg in parties):
        raise Refused(403, "Transfer To Oneself")
    action = switch.router.route(target, trail, caller=parties[0].party).action
    if isinstance(action, Refuse) and action.status in _NOBODY_THERE:
        if action.barred:
            refuse(call, action.barred, action.reason)
        raise Refused(action.status, action.reason)


def _trail(stays: Leg, by: Leg) -> tuple[str, ...]:
    """Whom a transfer must not lead back to, of those inside; the transferor, who pays, comes last."""
    return tuple(leg.extension.number for leg in (stays, by) if leg.extension is not None)


def begin(call: Call, by: Leg, subscription: ReferSubscription | None, avoid: Leg) -> Transfer:
    """Let `by` be the transferor of the call, in the place of one before that has not hung up yet."""
    if call.transfer is not None:
        call.transfer.end(200)
    call.transfer = Transfer(call, by, subscription)
    call.trail = _trail(avoid, by)
    return call.transfer


def attend(
    first: Call,
    by: Leg,
    second: Call,
    consulted: Leg,
    subscription: ReferSubscription | None,
    accepted: Accepted = _nobody_waits,
) -> None:
    """Join the two whom one phone has been talking to: in `first` by its leg `by`, in `second` by `consulted`.

    `second` may still be ringing. Where one of the calls is served by a feature, the other party of the other call is
    brought there. Raises WrongState where there is nobody to join, Refused for what makes no sense.
    """
    if first is second or first.transfer_pending or second.transfer_pending:
        raise WrongState("one of the calls is being transferred already")
    stays, target = first.other(by), second.other(consulted)
    if stays is None and target is not None and _is_alone(first, by):
        transfer(second, consulted, first.dialled, accepted=accepted)
        if subscription is not None:
            first.switch.driver.perform(subscription.report(200, first.switch.loop.time()))
        first.cancel(200)
    elif stays is None:
        raise WrongState("nobody is there to be transferred")
    elif target is None and _is_alone(second, consulted) and not second.rings:
        transfer(first, by, second.dialled, subscription, accepted)
        second.cancel(200)
    elif target is None and not second.rings:
        raise WrongState("who was consulted has hung up")
    else:
        _check_join(first, by, stays, second, consulted)
        accepted()
        _join(first, by, stays, second, consulted, subscription)


def _is_alone(call: Call, leg: Leg) -> bool:
    """Whether a feature serves `leg`, or it waits for whom it has called: nobody has been there who has hung up."""
    return leg is call.leg and call.callee is None and not call.ending


def _check_outside(first: Call, by: Leg, stays: Leg, second: Call, consulted: Leg) -> None:
    """Raises Refused where two from outside would be joined at our cost and no rule says that they may."""
    router, target = first.switch.router, second.other(consulted)
    party = second.caller if consulted is not second.leg else None if target is None else target.party
    if party is not None:
        barred, number = not router.outbound.may_meet(stays.party, party), party.number
    else:  # it rings there yet
        action = router.route(second.dialled, _trail(stays, by), caller=stays.party).action
        barred, number = isinstance(action, Refuse) and bool(action.barred), second.dialled
    if barred:
        refuse(first, number, NOT_OUT_AGAIN)
        raise Refused(403, NOT_OUT_AGAIN)


def _check_join(first: Call, by: Leg, stays: Leg, second: Call, consulted: Leg) -> None:
    """Raises Refused where the two are one, or may not meet."""
    target = second.other(consulted)
    party = target.extension if target is not None else first.switch.directory.find(second.dialled)
    if party is not None and party == stays.extension:
        raise Refused(403, "Transfer To Oneself")
    _check_outside(first, by, stays, second, consulted)


def _join(
    first: Call, by: Leg, stays: Leg, second: Call, consulted: Leg, subscription: ReferSubscription | None
) -> None:
    """`second` goes on, with `stays` in the place of `consulted`."""
    target = second.other(consulted)
    first.let_go(by)
    first.give_away()
    if target is not None or consulted is second.leg:
        second.replace(consulted, stays)
    else:  # a call that rings at the transferor's own phone: answered by whom it has been talking to
        second.claim(stays)
    current = begin(second, by, subscription, stays)
    if consulted.state is LegState.ANSWERED:
        consulted.hang_up()
    elif consulted.state is not LegState.ENDED:
        consulted.reject(487)
    if target is not None and target.party is not None:
        current.reach(target.party.number)
