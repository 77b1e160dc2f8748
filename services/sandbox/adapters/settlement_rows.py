"""Owns the mapping between movements, payouts and the bank's entries and their rows."""

from collections.abc import Sequence
from typing import Any, Final

from services.sandbox.domain.balance_transactions import BalanceTransaction, BookedMoney, Kind
from services.sandbox.domain.bank import BankEntry, Fate, Part
from services.sandbox.domain.objects import MovementKind
from services.sandbox.domain.payouts import Payout

TRANSACTION_COLUMNS: Final = (
    "processor, id, account, kind, book_position, object_id, charge_id, authorization_id, payment_id, reference,"
    " currency, gross_minor, net_currency, exchange_rate, fee_minor, net_minor, occurred_at, available_on"
)
PAYOUT_COLUMNS: Final = (
    "processor, id, account, currency, batch_number, amount_minor, made_on, made_at, arrives_on, trace, fate"
)
ENTRY_COLUMNS: Final = (
    "id, currency, amount_minor, booked_on, value_on, reference, bank_reference, text, returns"
)
PART_COLUMNS: Final = "entry_id, processor, payout_id, trace, amount_minor"


def to_booked(row: Sequence[Any]) -> BookedMoney:
    """Return a row of the book; of a money row the object is the dispute or reversal that it moved for."""
    (
        position, kind, account, currency, amount_minor, fee_minor, booked_at,
        object_kind, object_id, parent_id, charge_id, authorization_id, payment_id, reference,
    ) = row  # fmt: skip
    moved_by_row = object_kind == "money_row"
    return BookedMoney(
        position=position,
        kind=MovementKind(kind),
        account=account,
        currency=currency,
        amount_minor=amount_minor,
        fee_minor=fee_minor,
        booked_at=booked_at,
        row_id=object_id if moved_by_row else None,
        object_id=parent_id if moved_by_row else object_id,
        charge_id=charge_id,
        authorization_id=authorization_id,
        payment_id=payment_id,
        reference=reference,
    )


def transaction_row(item: BalanceTransaction) -> dict[str, Any]:
    """Return the columns of a movement; the rate goes as text, so that no digit is lost."""
    return {name: getattr(item, name) for name in TRANSACTION_COLUMNS.split(", ")}


def to_transaction(row: Sequence[Any]) -> BalanceTransaction:
    """Return the movement of a row in the order of ``TRANSACTION_COLUMNS``."""
    columns = dict(zip(TRANSACTION_COLUMNS.split(", "), row, strict=True))
    rate = columns["exchange_rate"]
    return BalanceTransaction(
        **columns | {"kind": Kind(columns["kind"]), "exchange_rate": str(rate) if rate is not None else None}
    )


def payout_row(item: Payout) -> dict[str, Any]:
    """Return the columns of a payout."""
    return {name: getattr(item, name) for name in PAYOUT_COLUMNS.split(", ")}


def to_payout(row: Sequence[Any]) -> Payout:
    """Return the payout of a row in the order of ``PAYOUT_COLUMNS``."""
    columns = dict(zip(PAYOUT_COLUMNS.split(", "), row, strict=True))
    return Payout(**columns | {"fate": Fate(columns["fate"])})


def entry_row(item: BankEntry) -> dict[str, Any]:
    """Return the columns of a bank's entry."""
    return {name: getattr(item, name) for name in ENTRY_COLUMNS.split(", ")}


def part_rows(item: BankEntry) -> list[dict[str, Any]]:
    """Return the rows of an entry's parts."""
    return [
        {
            "entry_id": item.id,
            "processor": part.processor,
            "payout_id": part.payout_id,
            "trace": part.trace,
            "amount_minor": part.amount_minor,
        }
        for part in item.parts
    ]


def to_entry(row: Sequence[Any]) -> BankEntry:
    """Return the entry of a row in the order of ``ENTRY_COLUMNS``, with its parts as one JSON array at the end."""
    *own, parts = row
    columns = dict(zip(ENTRY_COLUMNS.split(", "), own, strict=True))
    return BankEntry(**columns, parts=tuple(Part(**part) for part in parts))
