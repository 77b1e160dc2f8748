"""What can be wrong between the three legs: the types, which one it is, what it costs, and what may be the cause."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class BreakType(StrEnum):
    """Every kind of difference; an item or a line has at most one."""

    CURRENCY_MISMATCH = "currency_mismatch"
    AMOUNT_MISMATCH = "amount_mismatch"
    DUPLICATE_CHARGE = "duplicate_charge"
    STRAY_CAPTURE = "stray_capture"
    STATUS_CONFLICT = "status_conflict"
    PROCESSOR_SUCCESS_INTERNAL_MISSING = "processor_success_internal_missing"
    MISSING_REFUND = "missing_refund"
    SETTLEMENT_DELAY = "settlement_delay"
    INTERNAL_SUCCESS_PROCESSOR_FAILURE = "internal_success_processor_failure"
    FEE_MISMATCH = "fee_mismatch"
    MISSING_IN_BANK = "missing_in_bank"
    UNEXPECTED_IN_BANK = "unexpected_in_bank"
    UNPOSTED = "unposted"
    UNEXPLAINED_JOURNAL = "unexplained_journal"
    UNFOUNDED_ADJUSTMENT = "unfounded_adjustment"
    UNFOUNDED_RETURN = "unfounded_return"
    PAYOUT_TOTAL_MISMATCH = "payout_total_mismatch"
    STATEMENT_TOTAL_MISMATCH = "statement_total_mismatch"
    UNREADABLE_LINES = "unreadable_lines"
    STATEMENT_MISSING = "statement_missing"
    FILE_ORDER_UNKNOWN = "file_order_unknown"


#: What follows from what the ledger did, and not from a difference between the legs.
OF_THE_BOOKS: Final = (
    BreakType.UNPOSTED, BreakType.UNEXPLAINED_JOURNAL, BreakType.UNFOUNDED_ADJUSTMENT, BreakType.UNFOUNDED_RETURN,
)  # fmt: skip


class Sign(StrEnum):
    """What the comparison saw of one subject; several may be true at once."""

    CURRENCY_DIFFERS = "currency_differs"
    AMOUNT_DIFFERS = "amount_differs"
    #: A line of an operation or object whose item another line has claimed.
    SECOND_REFERENCE = "second_reference"
    KNOWN_AS_STRAY = "known_as_stray"
    #: The processor moved money for what we hold in doubt.
    WE_ARE_IN_DOUBT = "we_are_in_doubt"
    #: It moved money under an operation or payment that we gave up.
    WE_GAVE_UP = "we_gave_up"
    #: It says that a refund failed which we hold to have succeeded.
    WE_SAY_SUCCEEDED = "we_say_succeeded"
    LINE_ALONE = "line_alone"
    REFUND_LINE_ALONE = "refund_line_alone"
    REFUND_OVERDUE = "refund_overdue"
    LATE = "late"
    OVERDUE = "overdue"
    FEE_DIFFERS = "fee_differs"
    PAYOUT_SHORT = "payout_short"
    BANK_LINE_LEFT = "bank_line_left"
    NO_JOURNAL = "no_journal"
    NO_CAUSE = "no_cause"
    #: An adjustment is booked whose break went away by itself.
    BOOKED_WITHOUT_BREAK = "booked_without_break"
    #: A charge was given back as astray whose break went away by itself.
    RETURNED_WITHOUT_BREAK = "returned_without_break"
    #: A payout's own row says another sum than its lines come to.
    PAYOUT_STATED_OTHERWISE = "payout_stated_otherwise"
    #: A statement's entries do not come to its balances, or are not as many as it says.
    STATEMENT_NOT_ADDING_UP = "statement_not_adding_up"
    LINES_UNREAD = "lines_unread"
    #: A statement opens with what none closed with.
    NOT_CONTINUED = "not_continued"
    #: A file says other money than an earlier one, and nothing says which of them was made later.
    SAID_OTHERWISE = "said_otherwise"


_B, _S = BreakType, Sign
#: The first row whose sign is seen names the break. A refund alone, on either side, is ``missing_refund``.
FIRST_MATCH: Final[tuple[tuple[Sign, BreakType], ...]] = (
    (_S.CURRENCY_DIFFERS, _B.CURRENCY_MISMATCH),
    (_S.AMOUNT_DIFFERS, _B.AMOUNT_MISMATCH),
    (_S.SECOND_REFERENCE, _B.DUPLICATE_CHARGE),
    (_S.KNOWN_AS_STRAY, _B.STRAY_CAPTURE),
    (_S.WE_ARE_IN_DOUBT, _B.STATUS_CONFLICT),
    (_S.WE_GAVE_UP, _B.STATUS_CONFLICT),
    (_S.WE_SAY_SUCCEEDED, _B.STATUS_CONFLICT),
    (_S.LINE_ALONE, _B.PROCESSOR_SUCCESS_INTERNAL_MISSING),
    (_S.REFUND_LINE_ALONE, _B.MISSING_REFUND),
    (_S.REFUND_OVERDUE, _B.MISSING_REFUND),
    (_S.LATE, _B.SETTLEMENT_DELAY),
    (_S.OVERDUE, _B.INTERNAL_SUCCESS_PROCESSOR_FAILURE),
    (_S.FEE_DIFFERS, _B.FEE_MISMATCH),
    (_S.PAYOUT_SHORT, _B.MISSING_IN_BANK),
    (_S.BANK_LINE_LEFT, _B.UNEXPECTED_IN_BANK),
    (_S.NO_JOURNAL, _B.UNPOSTED),
    (_S.NO_CAUSE, _B.UNEXPLAINED_JOURNAL),
    (_S.BOOKED_WITHOUT_BREAK, _B.UNFOUNDED_ADJUSTMENT),
    (_S.RETURNED_WITHOUT_BREAK, _B.UNFOUNDED_RETURN),
    (_S.PAYOUT_STATED_OTHERWISE, _B.PAYOUT_TOTAL_MISMATCH),
    (_S.STATEMENT_NOT_ADDING_UP, _B.STATEMENT_TOTAL_MISMATCH),
    (_S.LINES_UNREAD, _B.UNREADABLE_LINES),
    (_S.NOT_CONTINUED, _B.STATEMENT_MISSING),
    (_S.SAID_OTHERWISE, _B.FILE_ORDER_UNKNOWN),
)


def classify(signs: Collection[Sign]) -> BreakType | None:
    """The one type of a subject; None where nothing is wrong with it."""
    return next((kind for sign, kind in FIRST_MATCH if sign in signs), None)


@dataclass(frozen=True, slots=True)
class Advice:
    """What usually lies behind a break, and what to do about it."""

    cause: str
    fix: str


ADVICE: Final[Mapping[BreakType, Advice]] = {
    _B.CURRENCY_MISMATCH: Advice(
        "the processor settled in another currency than was captured", "ask the processor; adjust by hand"
    ),
    _B.AMOUNT_MISMATCH: Advice(
        "a partial capture, or a change at the processor that we were not told of",
        "compare with the processor's object; accept within tolerance, or adjust",
    ),
    _B.DUPLICATE_CHARGE: Advice(
        "the same operation was charged twice at the processor", "give the second charge back"
    ),
    _B.STRAY_CAPTURE: Advice(
        "money under an operation that we had given up", "decide the stray in payment: return or accept it"
    ),
    _B.STATUS_CONFLICT: Advice(
        "the processor's answer never reached us", "let payment look the operation up; the line is evidence"
    ),
    _B.PROCESSOR_SUCCESS_INTERNAL_MISSING: Advice(
        "an object that was made outside of us, or a fact that never arrived",
        "look the object up; adopt it, match it by hand, or give it back",
    ),
    _B.MISSING_REFUND: Advice(
        "a refund that only one side knows: it failed silently, or was made at the processor",
        "look the refund up at the processor",
    ),
    _B.SETTLEMENT_DELAY: Advice("the processor reports late", "wait for the next report"),
    _B.INTERNAL_SUCCESS_PROCESSOR_FAILURE: Advice(
        "we were told of a success that the processor does not settle",
        "look the object up; reverse it if it failed",
    ),
    _B.FEE_MISMATCH: Advice(
        "another price than was agreed", "compare with the contract; claim the difference"
    ),
    _B.MISSING_IN_BANK: Advice("the payout is on its way, was sent back, or short", "ask the bank and the processor"),
    _B.UNEXPECTED_IN_BANK: Advice(
        "a payout whose report has not come, or somebody else's money", "wait for the report; allocate by hand"
    ),
    _B.UNPOSTED: Advice("the ledger is behind, or a key is parked there", "see the ledger's parked keys"),
    _B.UNEXPLAINED_JOURNAL: Advice(
        "a journal for an event that we have not seen", "see our own parked keys; verify the ledger"
    ),
    _B.UNFOUNDED_ADJUSTMENT: Advice(
        "what was missing came after the difference was adjusted or written off",
        "have two people reverse the adjustment in the ledger",
    ),
    _B.UNFOUNDED_RETURN: Advice(
        "a charge was given back as astray before the report was corrected",
        "claim the money back, or have two people accept or adjust it",
    ),
    _B.PAYOUT_TOTAL_MISMATCH: Advice(
        "a line of the payout is missing, is there twice, or could not be read",
        "have a corrected report sent; accept it with the reason where the processor says so",
    ),
    _B.STATEMENT_TOTAL_MISMATCH: Advice(
        "a statement that was cut or damaged on its way",
        "have the bank send it again; accept it with the reason where every entry is there",
    ),
    _B.UNREADABLE_LINES: Advice(
        "lines of a file could not be read: its quarantine says which and why",
        "have a corrected file sent; accept it with the reason where they move no money",
    ),
    _B.STATEMENT_MISSING: Advice(
        "a statement between the two days never came, or one of the two is wrong", "have the bank send it"
    ),
    _B.FILE_ORDER_UNKNOWN: Advice(
        "a corrected file, or one that came before what it corrects: what came later stands",
        "accept it if the later one is right; else prefer the earlier one (files prefer)",
    ),
}  # fmt: skip


def money_at_risk_minor(kind: BreakType, *, ours_minor: int, theirs_minor: int) -> int:
    """What could be lost: the difference where both sides speak of one amount, else all that stands alone."""
    if kind is BreakType.CURRENCY_MISMATCH:
        return abs(ours_minor)
    if kind in _DIFFERENCES:
        return abs(ours_minor - theirs_minor)
    return max(abs(ours_minor), abs(theirs_minor))


_DIFFERENCES: Final = frozenset(
    {
        BreakType.AMOUNT_MISMATCH,
        BreakType.FEE_MISMATCH,
        BreakType.MISSING_IN_BANK,
        BreakType.UNEXPECTED_IN_BANK,
        BreakType.PAYOUT_TOTAL_MISMATCH,
        BreakType.STATEMENT_TOTAL_MISMATCH,
        BreakType.STATEMENT_MISSING,
    }
)
