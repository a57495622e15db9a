"""REFER: what the transfer keys of phones ask for. It is carried out here; no phone calls another for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pbx.dialled import dialled
from pbx.leg import Leg, LegState
from pbx.pickup import leg_of
from pbx.refused import Refused
from pbx.transfer import Transfer, WrongState, attend, transfer
from sipcore.dialog.dialog import Dialog
from sipcore.dialog.transfer import SUBSCRIPTION_SECONDS, Referral, ReferSubscription, Replaces, read_refer
from sipcore.errors import PeerError
from sipcore.syntax.headers import parse_parameters
from sipcore.syntax.message import Request, response_to

if TYPE_CHECKING:
    from pbx.switch import Switch
    from sipcore.effects import Arrived, RequestInDialog
    from sipcore.transaction.table import ServerTransaction
    from sipcore.transport.flow import Flow


def refer_in_dialog(switch: Switch, effect: RequestInDialog) -> None:
    """A phone transfers the call that the REFER is within."""
    leg, session = effect.session.owner, effect.session
    if leg is None or session.dialog is None:
        _refuse(switch, effect.transaction, effect.request, 481)
        return
    if not isinstance(leg, Leg) or leg.extension is None:  # whoever is outside would phone at our cost
        _refuse(switch, effect.transaction, effect.request, 403)
        return
    _serve(switch, effect.transaction, effect.request, leg, session.dialog, session.flow)


def refer_outside(switch: Switch, effect: Arrived) -> None:
    """A phone names the call that it transfers (Target-Dialog, RFC 4538). Nobody is called for anything else."""
    request = effect.request
    try:
        named = request.get("Target-Dialog")
        leg = None if named is None else leg_of(switch, Replaces.parse_target_dialog(named))
        if leg is None or leg.extension is None or leg.extension.number != effect.identity:
            raise PeerError("no call of yours is named", status=403)
        dialog = Dialog.of_server(request, switch.endpoint.identifiers.tag(), effect.flow)
    except PeerError as error:
        _refuse(switch, effect.transaction, request, error.status, error.reason)
        return
    _serve(switch, effect.transaction, request, leg, dialog, effect.flow)


def subscribe_in_dialog(switch: Switch, effect: RequestInDialog) -> None:
    """A transferor wants to be told of its REFER for longer, or no more (RFC 3515 section 2.4.6)."""
    leg, request = effect.session.owner, effect.request
    watcher = leg.watcher if isinstance(leg, Leg) else None
    subscription = watcher.subscription if isinstance(watcher, Transfer) else None
    try:
        package, semicolon, rest = (request.get("Event") or "").partition(";")
        event_id = dict(parse_parameters(semicolon + rest)).get("id") or ""
        asked = request.expires
    except PeerError as error:
        switch.requests.respond(effect, error.status)
        return
    if package.strip() != "refer":
        switch.requests.respond(effect, 489, [("Allow-Events", "refer")])
    elif subscription is None or not subscription.owns(event_id):
        switch.requests.respond(effect, 403)  # no 481: see `_serve`
    else:
        seconds = SUBSCRIPTION_SECONDS if asked is None else min(asked, SUBSCRIPTION_SECONDS)
        dialog = effect.session.dialog
        scheme = "sip" if dialog is None else dialog.contact_scheme
        contact = switch.endpoint.local_headers(effect.session.flow, "", scheme)
        switch.requests.respond(effect, 200, [("Expires", str(seconds)), *contact])
        switch.driver.perform(subscription.renew(seconds, switch.loop.time()))


def _serve(
    switch: Switch, transaction: ServerTransaction, request: Request, leg: Leg, dialog: Dialog, flow: Flow
) -> None:
    """Accept the REFER, or refuse it before anything has moved.

    No refusal is a 404 or a 481: phones might take these for the end of the dialog (RFC 5057 section 5.1).
    """
    now, endpoint = switch.loop.time(), switch.endpoint

    def accept() -> None:
        headers = endpoint.local_headers(flow, dialog.local.uri.user or "", dialog.contact_scheme)
        if subscription is None:
            headers.append(("Refer-Sub", "false"))
        response = response_to(request, 202, to_tag=dialog.local_tag, headers=headers)
        switch.driver.perform(endpoint.respond(transaction, response, now))

    try:
        referral = read_refer(request)
        subscription = None
        if referral.notify:
            subscription = ReferSubscription(endpoint, dialog, flow, referral.event_id, now)
        _carry_out(switch, leg, referral, subscription, accept)
    except PeerError as error:
        _refuse(switch, transaction, request, error.status, error.reason)
    except Refused as refused:
        _refuse(switch, transaction, request, 403, refused.reason)
    except WrongState:
        _refuse(switch, transaction, request, 491)
    else:
        if subscription is not None:
            switch.driver.perform(subscription.start(now))


def _carry_out(
    switch: Switch,
    leg: Leg,
    referral: Referral,
    subscription: ReferSubscription | None,
    accept: Callable[[], None],
) -> None:
    """Raises PeerError, Refused or WrongState, and then nothing has moved. Before anything moves it calls `accept`: the
    REFER is answered before the call that it is about, or one that was consulted, is hung up."""
    call = switch.calls.get(leg.call_id)
    if call is None:
        raise WrongState("the call is over")
    if referral.replaces is None:
        target = dialled(referral.target, switch.router.knows)
        if referral.target.scheme not in ("sip", "sips", "tel") or not target:
            raise Refused(403, "Nobody To Transfer To")
        consulted = _consulted(switch, leg, target)
    else:
        consulted = leg_of(switch, referral.replaces)
        if consulted is None or consulted.extension is None or consulted.extension != leg.extension:
            raise Refused(403, "No Such Call Of Yours")
    second = None if consulted is None else switch.calls.get(consulted.call_id)
    if second is None or consulted is None:
        transfer(call, leg, target, subscription, accept)
    else:
        attend(call, leg, second, consulted, subscription, accept)


def _consulted(switch: Switch, by: Leg, target: str) -> Leg | None:
    """The leg of a phone that rings at the target itself, and transfers to it without saying so.

    Such phones cancel that call next; until then it makes the target busy.
    """
    for call in switch.calls.values():
        leg = call.leg
        if leg is None or leg is by or leg.extension is None or leg.extension != by.extension:
            continue
        if call.rings and call.dialled == target and leg.state is not LegState.ANSWERED:
            return leg
    return None


def _refuse(
    switch: Switch, transaction: ServerTransaction, request: Request, status: int, reason: str | None = None
) -> None:
    response = response_to(request, status, reason)
    switch.driver.perform(switch.endpoint.respond(transaction, response, switch.loop.time()))
