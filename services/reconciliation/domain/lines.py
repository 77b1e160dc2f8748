"""What a processor's report or a bank's statement says, line by line: one record for every format.

Amounts are integers of the currency's minor unit, signed from our side: positive comes to us. Times are UTC. A reader
makes these from a file and nothing else, so the same bytes always give the same records.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class LineCategory(StrEnum):
    """What a processor moved money for, as ``reconciliation.events`` names it; ``payout`` is its total and no line."""

    CHARGE = "charge"
    REFUND = "refund"
    REFUND_FAILURE = "refund_failure"
    DISPUTE = "dispute"
    REVERSAL = "reversal"
    RESERVE = "reserve"
    OTHER = "other"
    PAYOUT = "payout"


@dataclass(frozen=True, slots=True)
class SettlementLine:
    """One row of a processor's report. In one currency ``net = gross - fee``; a fee that we pay is positive."""

    line_number: int
    line_id: str
    payout_id: str | None
    """None while the processor has not paid it out: such a line waits and is not posted."""
    category: LineCategory
    type_text: str
    """The processor's own word for the category."""
    object_id: str | None
    """The processor's id of the capture, refund, dispute or reversal."""
    parent_object_id: str | None
    """The processor's id of the charge that the object is of."""
    our_reference: str | None
    """Our operation's or payment's id, where the processor echoes it."""
    currency: str
    gross_minor: int
    fee_currency: str
    fee_minor: int
    net_currency: str
    net_minor: int
    exchange_rate: str | None
    fee_in_net_currency_minor: int | None
    occurred_at: datetime
    available_on: datetime
    bank_reference: str | None
    """What the payout carries at the bank, where the report says it."""


@dataclass(frozen=True, slots=True)
class BankLine:
    """One booked entry of a bank's statement: a credit is positive, a debit negative."""

    line_number: int
    line_id: str
    statement_id: str
    account_number: str
    """As the statement names it (IBAN or other)."""
    currency: str
    amount_minor: int
    booked_on: date
    value_on: date
    references: tuple[str, ...]
    """Every reference that the line carries (end-to-end, trace, bank's, customer's), without repeats, in order."""
    text: str
    returned: bool
    """The bank says that it reverses or returns an earlier entry."""


@dataclass(frozen=True, slots=True)
class QuarantinedLine:
    """A line that cannot be read. The rest of the file goes on without it."""

    line_number: int
    code: str
    field: str
    expected: str
    raw: str
    """The line as it stands, cut at 4,096 characters."""


@dataclass(frozen=True, slots=True)
class ControlTotal:
    """A total that the file states, against what its lines come to; ``stated != counted`` is a break of the file."""

    name: str
    """For instance ``payout po_1 sums to zero`` or ``opening + booked = closing``."""
    subject: str
    currency: str
    stated_minor: int
    counted_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementHead:
    """One statement of a bank, told after its entries: whose it is, which one, and between which balances.

    Two heads with the same account, id, sequence, currency and opening balance, of the same day, are one statement. A
    part behind the first is the same with another opening balance too: the part before it may have been corrected.
    """

    account_number: str
    """As the statement names it (IBAN or other)."""
    account_field: str
    """Where the format says it."""
    statement_id: str
    sequence: str
    """What counts statements beside the id; empty where the format has nothing of the kind."""
    currency: str
    opening_on: date | None
    opening_minor: int | None
    """None where the statement does not say it."""
    closing_minor: int | None
    final: bool
    """From a booked opening to a booked closing balance: no page of a longer one, no interim reading of a day."""
    created_at: datetime | None
    """When the bank made it; None where it does not say so, or not of which clock."""
    first_line: int
    last_line: int
    """Its entries are numbered within these."""
    number: str | None = None
    """What its parts have in common, where the format numbers parts; all four of these, or none."""
    part: int | None = None
    """From 1; a statement in one piece is its own first part."""
    opens: bool | None = None
    """Whether it begins with the booked opening balance of the statement: it is the first part."""
    closes: bool | None = None
    """Whether it ends with the booked closing balance: it is the last part."""


class UnreadableFileError(Exception):
    """The file as a whole cannot be read: truncated, wrong encoding or separator, a required column missing.

    ``code`` is stable, ``field`` names the column, element or tag, ``expected`` says what was wanted.
    """

    def __init__(self, code: str, field: str, expected: str) -> None:
        super().__init__(f"{code}: {field}: expected {expected}")
        self.code, self.field, self.expected = code, field, expected


ReportRecord = SettlementLine | BankLine | QuarantinedLine | ControlTotal | StatementHead
