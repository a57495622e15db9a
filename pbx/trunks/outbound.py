"""Where a dialled number leads outside, as a pure function of the rules and of who asks.

Emergency numbers come before all rules and are never barred, for callers from inside: those from outside call for help
where they are, and here such numbers are to them like any other. Of the rules the first that fits, that is for the
caller, and whose number lies in an allowed country is it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field

from pbx.destinations import Address
from pbx.numbers import NumberingPlan, PhoneNumber
from pbx.party import ExternalParty, Party
from pbx.trunks.settings import Dialing, OutboundRule
from sipcore.errors import PeerError
from sipcore.syntax.uri import Uri
from values import dataclass

NOT_OUT_AGAIN = "Calls From Outside Are Not Led Out Again"

_DIALLED = re.compile(r"\+?[0-9]{1,32}")


@dataclass(frozen=True, slots=True)
class Asker:
    """On whose account a call goes outside."""

    extension: str = ""
    """The extension that calls, or that forwards; empty for a caller from outside."""
    from_trunk: bool = False
    """Whether the caller is outside himself."""


@dataclass(frozen=True, slots=True)
class CallOut:
    """Call somebody outside."""

    number: PhoneNumber
    trunks: tuple[str, ...]
    """In the order of trying."""
    asker: Asker
    emergency: bool = False
    """Such a call has no limits."""
    rule: str = ""
    """What led here, for people."""
    uri: str = ""
    """Who is called by a gateway, where that is no number."""


@dataclass(frozen=True, slots=True)
class Barred:
    """Somebody outside is not to be called."""

    number: PhoneNumber
    reason: str
    """A reason phrase."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """The rules, ready to be asked."""

    rules: Sequence[OutboundRule] = ()
    dialing: Dialing = field(default_factory=Dialing)
    members: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Group -> the numbers of its extensions."""
    trunks: tuple[str, ...] = ()
    """All of them: what an emergency call may take."""
    gateways: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Scheme -> the trunks that can call URIs of it."""

    def route(self, dialled: str, asker: Asker) -> CallOut | Barred | None:
        """The way outside for a dialled string; None where it does not lead there."""
        if not self.trunks:
            return None
        emergency = self.emergency(dialled)
        if emergency is not None and not asker.from_trunk:
            number = PhoneNumber(emergency, country=self.dialing.country)
            return CallOut(number, self._first_for(dialled), asker, emergency=True, rule="emergency")
        if not _DIALLED.fullmatch(dialled):
            return None
        barred: Barred | None = None
        for rule in self.rules:
            if not rule.fits(dialled):
                continue
            answer = self._by(rule, dialled, asker)
            if isinstance(answer, CallOut):
                return answer
            barred = barred or answer
        if barred is None and emergency is not None:
            barred = Barred(PhoneNumber(emergency, country=self.dialing.country), NOT_OUT_AGAIN)
        return barred

    def objections(self, dialled: str, asker: Asker) -> list[tuple[OutboundRule, str]]:
        """Each rule up to the one by which `route` leads outside, with why it does not; empty for the one that does."""
        looked_at = []
        for rule in self.rules:
            answer = self._by(rule, dialled, asker) if rule.fits(dialled) else None
            objection = "it is about other numbers" if answer is None else ""
            if isinstance(answer, Barred):
                objection = answer.reason
            looked_at.append((rule, objection))
            if not objection:
                break
        return looked_at

    def dialled_for(self, shown: str, asker: Asker) -> str | None:
        """What `asker` dials to call a number that was shown; None where no rule leads to it."""
        number = self.plan.read(shown)
        forms = [form for form in (shown, number.national, number.e164) if form]
        for prefix in ("", *(rule.prefix for rule in self.rules if rule.prefix)):
            for form in forms:
                answer = self.route(prefix + form, asker)
                if isinstance(answer, CallOut) and answer.number.digits in forms:
                    return prefix + form
        return None

    def reach(self, address: Address, asker: Asker) -> CallOut | None:
        """The way to a URI; None where there is no gateway for its scheme.

        Nobody can dial one: who set it as a target has it called, for callers from outside too.
        """
        trunks = self.gateways.get(address.scheme, ())
        if not trunks or (address.scheme in ("sip", "sips") and not _is_sip(address.uri)):
            return None
        return CallOut(
            PhoneNumber(address.user), trunks, asker, rule=f"gateway for {address.scheme}:", uri=address.uri
        )

    def may_meet(self, one: Party | None, other: Party | None) -> bool:
        """Whether two parties may be joined: two from outside only where a rule for a trunk of theirs says so."""
        if not (isinstance(one, ExternalParty) and isinstance(other, ExternalParty)):
            return True
        return any(rule.from_trunks and {one.trunk, other.trunk} & {*rule.trunks} for rule in self.rules)

    def emergency(self, dialled: str) -> str | None:
        """The emergency number that was dialled, with the prefix of a rule in front of it or without."""
        prefixes = ("", *(rule.prefix for rule in self.rules if rule.prefix))
        for prefix in prefixes:
            if dialled.startswith(prefix) and self._is_emergency(rest := dialled[len(prefix) :]):
                return rest
        return None

    @property
    def plan(self) -> NumberingPlan:
        """How numbers are written here."""
        return NumberingPlan(self.dialing.country, self.dialing.international_prefix)

    def _is_emergency(self, digits: str) -> bool:
        listed = self.dialing.emergency
        return self.plan.is_emergency(digits) if listed is None else digits in listed

    def _by(self, rule: OutboundRule, dialled: str, asker: Asker) -> CallOut | Barred:
        number = self.plan.read(rule.rewritten(dialled))
        if asker.from_trunk and not rule.from_trunks:
            return Barred(number, NOT_OUT_AGAIN)
        if not self._may_use(rule, asker):
            return Barred(number, "Not Allowed For This Extension")
        if not number.digits.removeprefix("+") or not self._allows(number.country):
            return Barred(number, "Calls To This Country Are Not Allowed")
        return CallOut(number, rule.trunks, asker, rule=rule.name or rule.prefix or "outbound rule")

    def _may_use(self, rule: OutboundRule, asker: Asker) -> bool:
        if not rule.extensions and not rule.groups:
            return True
        groups: Iterable[frozenset[str]] = (self.members.get(name, frozenset()) for name in rule.groups)
        return asker.extension in rule.extensions or any(asker.extension in group for group in groups)

    def _allows(self, country: str) -> bool:
        allowed = self.dialing.allowed_countries or (self.dialing.country,)
        return "*" in allowed or (bool(country) and country in allowed)

    def _first_for(self, dialled: str) -> tuple[str, ...]:
        """All trunks, those in front that a rule has for such a number."""
        preferred = (trunk for rule in self.rules if rule.fits(dialled) for trunk in rule.trunks)
        return tuple(dict.fromkeys([*preferred, *self.trunks]))


def _is_sip(uri: str) -> bool:
    try:
        return bool(Uri.parse(uri).host)
    except PeerError:
        return False
