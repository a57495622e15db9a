"""Which of an extension's phones a new registration is of."""

from __future__ import annotations

import pytest

from pbx.moves import _same_phone
from sipcore.registrar.registrar import Binding
from sipcore.syntax.uri import Uri
from sipcore.transport.flow import Address, Flow, Transport

FLOW = Flow(Transport.TCP, Address("192.0.2.1", 5060), Address("203.0.113.7", 50000), 1)
ONE, OTHER = "<urn:uuid:1>", "<urn:uuid:2>"


def binding(contact: str = "a", call_id: str = "1", instance: str | None = None, aor: str = "100") -> Binding:
    return Binding(aor, Uri.parse(f"sip:{contact}@phone"), FLOW, 0.0, instance=instance, call_id=call_id)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (binding(), binding(), True),
        (binding(), binding("b"), True),  # the Call-ID of its registrations
        (binding(), binding(call_id="2"), True),  # its contact
        (binding(), binding("b", "2"), False),
        (binding(), binding(aor="101"), False),
        (binding(call_id=""), binding("b", ""), False),
        (binding(instance=ONE), binding("b", "2", ONE), True),
        (binding(instance=ONE), binding(instance=OTHER), False),
        (binding(instance=ONE), binding(), True),  # only one of them says what it is
    ],
)
def test_same_phone(old: Binding, new: Binding, same: bool) -> None:
    assert _same_phone(old, new) is same
