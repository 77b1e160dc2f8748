"""Owns the errors that reports make by seed: what each says wrongly, which break it must be found as, what is true.

Reports stay coherent: where a line changes, its payout's total and the bank's entries change with it, as they would if
the processor believed what it says. So each error is one break and no other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final

from services.sandbox.domain.balance_transactions import BalanceTransaction, Kind
from services.sandbox.domain.bank import BankEntry
from services.sandbox.domain.payouts import Payout


class Error(StrEnum):
    """What a report says wrongly."""

    CURRENCY = "currency"
    AMOUNT = "amount"
    DUPLICATE = "duplicate"
    STATUS = "status"
    UNKNOWN_CHARGE = "unknown_charge"
    REFUND_LEFT_OUT = "refund_left_out"
    UNKNOWN_REFUND = "unknown_refund"
    LATE = "late"
    CHARGE_LEFT_OUT = "charge_left_out"
    FEE = "fee"
    UNBOOKED = "unbooked"
    INVENTED = "invented"
    TOTAL = "total"
    UNREADABLE = "unreadable"
    SAID_BEFORE = "said_before"
    ENTRY_LOST = "entry_lost"
    STATEMENT_LOST = "statement_lost"
    CUT_OFF = "cut_off"
    LINE_TWICE = "line_twice"


BREAK_TYPES: Final[Mapping[Error, str]] = {
    Error.CURRENCY: "currency_mismatch",
    Error.AMOUNT: "amount_mismatch",
    Error.DUPLICATE: "duplicate_charge",
    Error.STATUS: "status_conflict",
    Error.UNKNOWN_CHARGE: "processor_success_internal_missing",
    Error.REFUND_LEFT_OUT: "missing_refund",
    Error.UNKNOWN_REFUND: "missing_refund",
    Error.LATE: "settlement_delay",
    Error.CHARGE_LEFT_OUT: "internal_success_processor_failure",
    Error.FEE: "fee_mismatch",
    Error.UNBOOKED: "missing_in_bank",
    Error.INVENTED: "unexpected_in_bank",
    Error.TOTAL: "payout_total_mismatch",
    Error.UNREADABLE: "unreadable_lines",
    Error.SAID_BEFORE: "file_order_unknown",
    Error.ENTRY_LOST: "statement_total_mismatch",
    Error.STATEMENT_LOST: "statement_missing",
    Error.CUT_OFF: "truncated",
    Error.LINE_TWICE: "line_repeated",
}
"""The break that the error must be found as, once it is due: a charge that was left out is a settlement delay first.

Two kinds of damage are no break: a file that is cut off is refused, a repeated line is in quarantine.
"""
OF_FILES: Final = (Error.CUT_OFF, Error.LINE_TWICE)
"""Only planted where they are asked for: no other error could be found in a file that is refused."""
TEMPLATES: Final[Mapping[Error, Kind]] = {
    Error.CURRENCY: Kind.CHARGE,
    Error.AMOUNT: Kind.CHARGE,
    Error.DUPLICATE: Kind.CHARGE,
    Error.STATUS: Kind.REFUND,
    Error.UNKNOWN_CHARGE: Kind.CHARGE,
    Error.REFUND_LEFT_OUT: Kind.REFUND,
    Error.UNKNOWN_REFUND: Kind.CHARGE,
    Error.LATE: Kind.CHARGE,
    Error.CHARGE_LEFT_OUT: Kind.CHARGE,
    Error.FEE: Kind.CHARGE,
}
"""The line that an error of a processor's report is made from."""
FILE_TEMPLATES: Final[Mapping[Error, Kind]] = {
    Error.TOTAL: Kind.CHARGE,
    Error.UNREADABLE: Kind.CHARGE,
    Error.SAID_BEFORE: Kind.CHARGE,
}
"""The same for what is wrong with the file and not with what it says of payments: only where it is asked for.

Books are not closed over most of it, so nobody gets it who only wants lines that differ.
"""
ALL_TEMPLATES: Final[Mapping[Error, Kind]] = {**TEMPLATES, **FILE_TEMPLATES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A line that an error may be made from, with its payout and that payout's entries in order."""

    payout: Payout
    line: BalanceTransaction
    entries: Sequence[BankEntry]
    next_payout: Payout | None = None
    next_entries: Sequence[BankEntry] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryShift:
    """What an entry of the bank is more than it was, in the part of one payout."""

    entry_id: str
    currency: str
    payout_id: str
    booked_on: date
    amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """A line that a payout has too many."""

    payout_id: str
    line: BalanceTransaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """One error and the truth beside it. Amounts are gross, in ``currency``; an entry's are the entry's."""

    error: Error
    break_type: str
    processor: str | None
    account: str | None
    currency: str
    payout_id: str | None
    told_payout_id: str | None = None
    """Where a late line stands in the end."""
    transaction_id: str | None = None
    object_id: str | None = None
    payment_id: str | None = None
    reference: str | None = None
    true_minor: int
    told_minor: int
    at_risk_minor: int
    left_out: str | None = None
    changed: BalanceTransaction | None = None
    added: tuple[Addition, ...] = ()
    entry_shifts: tuple[EntryShift, ...] = ()
    unbooked: BankEntry | None = None
    invented: BankEntry | None = None
    in_total_minor: int = 0
    """What the payout's own row is more than its lines come to."""
    unreadable: BalanceTransaction | None = None
    """A row too many, of which the last column is missing."""
    said_before: BalanceTransaction | None = None
    """The line as the first edition of the report tells it; the report itself is right."""
    unwritten: BankEntry | None = None
    """An entry that balances have, and no statement."""
