"""Domain events and commands to contract events: the only mapping to ``schemas``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from schemas import generated
from services.payment.domain import commands, events
from services.payment.domain.payment import Payment
from shared.persistence.outbox import Outbox

PAYMENT_EVENTS: Final = "payment.events"
PROCESSOR_COMMANDS: Final = "processor.commands"
DEAD_LETTERS: Final = "processor.events.dlq.payment"

_EVENTS: Final[Mapping[type, type[msgspec.Struct]]] = {
    kind: getattr(generated, f"{kind.__name__}V1") for kind in events.PaymentEvent.__args__
}
_COMMANDS: Final[Mapping[type, type[msgspec.Struct]]] = {
    kind: getattr(generated, f"{kind.__name__}V1") for kind in commands.ProcessorCommand.__args__
}


def publish(payment: Payment, outbox: Outbox) -> None:
    """Append everything the payment announced and asked for, in the order in which it did."""
    for event, cause_id in payment.changes.announcements:
        outbox.append(
            PAYMENT_EVENTS,
            _EVENTS[type(event)](
                payment_id=payment.payment_id, merchant_id=payment.merchant_id, **_fields(event)
            ),
            key=payment.payment_id,
            cause_id=cause_id,
            subject=payment.payment_id,
        )
    for command, cause_id in payment.changes.commands:
        outbox.append(
            PROCESSOR_COMMANDS,
            _COMMANDS[type(command)](payment_id=payment.payment_id, **_fields(command)),
            key=payment.payment_id,
            cause_id=cause_id,
            subject=payment.payment_id,
        )
    for letter, cause_id in payment.changes.dead_letters:
        outbox.append(
            DEAD_LETTERS,
            generated.OperationDeadLetteredV1(
                payment_id=payment.payment_id, merchant_id=payment.merchant_id, **_fields(letter)
            ),
            key=payment.payment_id,
            cause_id=cause_id,
            subject=payment.payment_id,
        )


def _fields(item: Any) -> dict[str, Any]:  # any of the frozen dataclasses above
    return {name: getattr(item, name) for name in item.__dataclass_fields__}
