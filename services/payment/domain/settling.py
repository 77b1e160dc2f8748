"""Settlement: which captures the lines of closed payouts cover, and what follows for the payment.

State is a function of the lines that stand, not of how they came: however often a line was amended or matched, its
newest reading alone counts. Lines of refunds, disputes and reversals do not lower what is settled.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.payment.domain.changes import Moment
from services.payment.domain.facts import ObjectKey, ObjectType, ProcessorObject, Role
from services.payment.domain.payment import Payment
from services.payment.domain.settlement_events import CaptureSettled, CaptureUnsettled
from services.payment.domain.taking import fee_of

LineKey = tuple[str, str]
CHARGE: Final = "charge"
_TAKEN: Final = frozenset({Role.COUNTED, Role.ADOPTED})


@dataclass(frozen=True, slots=True, kw_only=True)
class SettlementLine:
    """A line as it was read last; ``payment_id`` and ``object_id`` are None while it is unmatched."""

    source: str
    line_id: str
    revision: int
    #: Which match of this revision it is; 0 for the line as the report gave it.
    match_number: int
    processor: str
    account: str
    category: str
    payment_id: str | None
    object_id: str | None
    gross_minor: int
    currency: str
    available_on: datetime

    @property
    def key(self) -> LineKey:
        """Its name, the same in every revision."""
        return (self.source, self.line_id)

    @property
    def object_key(self) -> ObjectKey:
        """The name of the object that it is about, if it is matched."""
        return (self.processor, self.account, self.object_id or "")

    @property
    def rank(self) -> tuple[int, int]:
        """The higher one holds."""
        return (self.revision, self.match_number)


def settle(payment: Payment, lines: Iterable[SettlementLine], moment: Moment) -> None:
    """Follow the lines that stand: amounts, captures that they cover or no longer cover, status.

    What becomes available on another day than was announced is taken back and settled anew.
    """
    gross_minor: Counter[ObjectKey] = Counter()
    available_on: dict[ObjectKey, datetime] = {}
    for line in lines:
        # A line that was amended to nothing says nothing of when.
        if line.category == CHARGE and line.currency == payment.currency and line.gross_minor:
            gross_minor[line.object_key] += line.gross_minor
            latest = available_on.get(line.object_key, line.available_on)
            available_on[line.object_key] = max(latest, line.available_on)
    captures = [thing for thing in payment.objects.values() if _is_taken(thing)]
    settled_minor = max(0, sum(gross_minor[thing.key] for thing in captures))
    if settled_minor != payment.amounts.settled_minor:
        payment.amounts.settled_minor = settled_minor
        payment.touch(moment)
    for thing in sorted(captures, key=lambda thing: thing.key):
        covered = gross_minor[thing.key] >= thing.counted_minor
        if thing.settled and not (covered and thing.settled_available_on == available_on[thing.key]):
            _unsettled(payment, thing, moment)
        if covered and not thing.settled:
            _settled(payment, thing, available_on[thing.key], moment)
    payment.derive_status(moment)


def _is_taken(thing: ProcessorObject) -> bool:
    return thing.object_type is ObjectType.CAPTURE and thing.role in _TAKEN and thing.counted_minor > 0


def _settled(payment: Payment, thing: ProcessorObject, available_on: datetime, moment: Moment) -> None:
    thing.settled, thing.times_settled, thing.dirty = True, thing.times_settled + 1, True
    thing.settled_available_on = available_on
    payment.announce(
        CaptureSettled(
            processor=thing.processor,
            account=thing.account,
            object_id=thing.object_id,
            fact_key=_fact_key(thing, "settled"),
            amount_minor=thing.counted_minor,
            currency=payment.currency,
            fee_minor=fee_of(payment, thing),
            amount_settled_minor=payment.amounts.settled_minor,
            available_on=available_on,
        ),
        moment,
    )


def _unsettled(payment: Payment, thing: ProcessorObject, moment: Moment) -> None:
    thing.settled, thing.dirty = False, True
    payment.announce(
        CaptureUnsettled(
            processor=thing.processor,
            account=thing.account,
            object_id=thing.object_id,
            fact_key=_fact_key(thing, "unsettled"),
            settled_fact_key=_fact_key(thing, "settled"),
            amount_minor=thing.counted_minor,
            currency=payment.currency,
            fee_minor=fee_of(payment, thing),
            amount_settled_minor=payment.amounts.settled_minor,
        ),
        moment,
    )


def _fact_key(thing: ProcessorObject, what: str) -> str:
    return f"{thing.processor}:{thing.account}:{thing.object_id}:{what}:{thing.times_settled}"
