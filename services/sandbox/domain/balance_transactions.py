"""Owns the processor's own money movements: what each row of the book comes to with fee and exchange, and when."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from services.sandbox.domain.business_days import business_days_after
from services.sandbox.domain.exchange import converted, rate_text
from services.sandbox.domain.objects import MovementKind
from services.sandbox.domain.terms import Terms


class Kind(StrEnum):
    """Why the processor moved money."""

    CHARGE = "charge"
    CHARGE_FAILURE = "charge_failure"
    REFUND = "refund"
    REFUND_FAILURE = "refund_failure"
    DISPUTE = "dispute"
    DISPUTE_REVERSAL = "dispute_reversal"
    REVERSAL = "reversal"
    REVERSAL_RETURN = "reversal_return"
    RESERVE_HELD = "reserve_held"
    RESERVE_RELEASED = "reserve_released"


KINDS: Final[dict[MovementKind, Kind]] = {
    MovementKind.CAPTURED: Kind.CHARGE,
    MovementKind.CAPTURE_FAILED: Kind.CHARGE_FAILURE,
    MovementKind.REFUNDED: Kind.REFUND,
    MovementKind.REFUND_FAILED: Kind.REFUND_FAILURE,
    MovementKind.WITHDRAWN: Kind.DISPUTE,
    MovementKind.REINSTATED: Kind.DISPUTE_REVERSAL,
    MovementKind.REVERSED: Kind.REVERSAL,
    MovementKind.GIVEN_BACK: Kind.REVERSAL_RETURN,
}
"""The rows of the book that move money."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BookedMoney:
    """A row of the book that moved money; ``amount_minor`` is positive where it came to the merchant."""

    position: int
    kind: MovementKind
    account: str
    currency: str
    amount_minor: int
    fee_minor: int
    booked_at: datetime
    row_id: str | None
    """The money row, where one moved it."""
    object_id: str
    """The capture, refund, dispute or reversal."""
    charge_id: str
    authorization_id: str
    payment_id: str | None
    reference: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceTransaction:
    """One movement on the merchant's balance. In one currency ``net = gross - fee``; the fee is in the net currency."""

    processor: str
    id: str
    account: str
    kind: Kind
    book_position: int | None
    object_id: str | None
    charge_id: str | None
    authorization_id: str | None
    payment_id: str | None
    reference: str | None
    currency: str
    gross_minor: int
    net_currency: str
    exchange_rate: str | None
    fee_minor: int
    net_minor: int
    occurred_at: datetime
    available_on: date

    @property
    def converted_minor(self) -> int:
        """The gross amount in the net currency."""
        return self.net_minor + self.fee_minor


def balance_transaction(processor: str, row: BookedMoney, terms: Terms) -> BalanceTransaction:
    """What a row of the book comes to; the same row under the same terms always comes to the same."""
    kind, day = KINDS[row.kind], row.booked_at.date()
    net_currency = terms.settles_in.get(row.currency, row.currency)
    rate = rate_text(row.currency, net_currency, day) if net_currency != row.currency else None
    gross_minor, fee_minor = row.amount_minor, row.fee_minor
    if rate is not None:
        gross_minor = converted(gross_minor, row.currency, net_currency, rate)
        fee_minor = converted(fee_minor, row.currency, net_currency, rate)
    if kind is Kind.CHARGE:
        fee_minor += terms.fee_minor(gross_minor, net_currency)
    wait = terms.available_after_days if kind is Kind.CHARGE else 0
    return BalanceTransaction(
        processor=processor,
        id=row.row_id or f"txn_{row.position:012d}",
        account=row.account,
        kind=kind,
        book_position=row.position,
        object_id=row.object_id,
        charge_id=row.charge_id,
        authorization_id=row.authorization_id,
        payment_id=row.payment_id,
        reference=row.reference,
        currency=row.currency,
        gross_minor=row.amount_minor,
        net_currency=net_currency,
        exchange_rate=rate,
        fee_minor=fee_minor,
        net_minor=gross_minor - fee_minor,
        occurred_at=row.booked_at,
        available_on=business_days_after(day, wait) if wait else day,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserve:
    """What a payout keeps back, and when it comes again."""

    processor: str
    payout_id: str
    account: str
    currency: str
    amount_minor: int
    made_at: datetime
    days: int

    @property
    def held(self) -> BalanceTransaction:
        """The movement out of this payout."""
        return self._moved(Kind.RESERVE_HELD, f"rsv_{self.payout_id}", -self.amount_minor, 0)

    @property
    def released(self) -> BalanceTransaction:
        """The movement into a later one."""
        return self._moved(Kind.RESERVE_RELEASED, f"rsr_{self.payout_id}", self.amount_minor, self.days)

    def _moved(self, kind: Kind, transaction_id: str, amount_minor: int, days: int) -> BalanceTransaction:
        at = self.made_at + timedelta(days=days)
        return BalanceTransaction(
            processor=self.processor,
            id=transaction_id,
            account=self.account,
            kind=kind,
            book_position=None,
            object_id=None,
            charge_id=None,
            authorization_id=None,
            payment_id=None,
            reference=None,
            currency=self.currency,
            gross_minor=amount_minor,
            net_currency=self.currency,
            exchange_rate=None,
            fee_minor=0,
            net_minor=amount_minor,
            occurred_at=at,
            available_on=at.date(),
        )
