"""Owns how each error of a processor's report is made from a line that is right."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from services.sandbox.domain.balance_transactions import BalanceTransaction, Kind
from services.sandbox.domain.bank import BankEntry
from services.sandbox.domain.exchange import converted
from services.sandbox.domain.payouts import Payout
from services.sandbox.domain.planted_errors import (
    BREAK_TYPES,
    Addition,
    Candidate,
    EntryShift,
    Error,
    Planted,
)
from shared.kernel.money import currency_scale

_HUNDREDTHS_SCALE: Final = 2
_LATER: Final = timedelta(seconds=1)
_FEE_STEPS: Final = 100
_TOTAL_STEPS: Final = 10_000


def entry_shifts(payout_id: str, entries: Sequence[BankEntry], more_minor: int) -> tuple[EntryShift, ...]:
    """What a payout that is ``more_minor`` more makes of its entries: of two credits the first one takes it."""
    shifts = []
    carries = True
    for entry in entries:
        sign = -1 if entry.returns else 1
        if carries or entry.returns:
            shifts.append(
                EntryShift(
                    entry_id=entry.id,
                    currency=entry.currency,
                    payout_id=payout_id,
                    booked_on=entry.booked_on,
                    amount_minor=sign * more_minor,
                )
            )
        carries = entry.returns is not None
    return tuple(shifts)


def _planted(
    error: Error,
    found: Candidate,
    *,
    told_minor: int,
    more_minor: int,
    true_minor: int | None = None,
    told: BalanceTransaction | None = None,
    added: BalanceTransaction | None = None,
    left_out: bool = False,
) -> Planted:
    line = found.line
    true = line.gross_minor if true_minor is None else true_minor
    subject = added or line
    return Planted(
        error=error,
        break_type=BREAK_TYPES[error],
        processor=line.processor,
        account=line.account,
        currency=line.currency,
        payout_id=found.payout.id,
        transaction_id=subject.id,
        object_id=subject.object_id,
        payment_id=subject.payment_id,
        reference=subject.reference,
        true_minor=true,
        told_minor=told_minor,
        at_risk_minor=abs(told_minor - true),
        left_out=line.id if left_out else None,
        changed=told,
        added=(Addition(payout_id=found.payout.id, line=added),) if added else (),
        entry_shifts=entry_shifts(found.payout.id, found.entries, more_minor) if more_minor else (),
    )


def _settled(line: BalanceTransaction, gross_minor: int) -> int:
    """What such a gross comes to in the net currency, by the line's own rate."""
    if line.exchange_rate is None:
        return gross_minor
    return converted(gross_minor, line.currency, line.net_currency, line.exchange_rate)


def _currency(found: Candidate, drawn: int) -> Planted | None:  # noqa: ARG001 - each maker is asked alike
    line = found.line
    if line.exchange_rate is not None or currency_scale(line.currency) != _HUNDREDTHS_SCALE:
        return None
    other = "USD" if line.currency != "USD" else "EUR"
    told = replace(line, currency=other, exchange_rate="1.00000000")
    made = _planted(Error.CURRENCY, found, told_minor=line.gross_minor, more_minor=0, told=told)
    return replace(made, at_risk_minor=line.gross_minor)


def _amount(found: Candidate, drawn: int) -> Planted | None:
    line = found.line
    less_minor = 1 + drawn % max(line.gross_minor // 10, 1)
    if less_minor >= line.gross_minor:
        return None
    told_minor = line.gross_minor - less_minor
    net_minor = _settled(line, told_minor) - line.fee_minor
    told = replace(line, gross_minor=told_minor, net_minor=net_minor)
    more_minor = net_minor - line.net_minor
    return _planted(Error.AMOUNT, found, told_minor=told_minor, more_minor=more_minor, told=told)


def _fee(found: Candidate, drawn: int) -> Planted:
    line, more_minor = found.line, 1 + drawn % _FEE_STEPS
    told = replace(line, fee_minor=line.fee_minor + more_minor, net_minor=line.net_minor - more_minor)
    made = _planted(Error.FEE, found, told_minor=told.gross_minor, more_minor=-more_minor, told=told)
    return replace(made, true_minor=line.fee_minor, told_minor=told.fee_minor, at_risk_minor=more_minor)


def _duplicate(found: Candidate, drawn: int) -> Planted:
    return _added(Error.DUPLICATE, found, _again(found.line, drawn))


def _unknown_charge(found: Candidate, drawn: int) -> Planted:
    again = _again(found.line, drawn)
    added = replace(again, authorization_id=f"auth_x{drawn:016x}", payment_id=None, reference=None)
    return _added(Error.UNKNOWN_CHARGE, found, added)


def _status(found: Candidate, drawn: int) -> Planted:
    line = found.line
    added = replace(
        line,
        id=f"txn_x{drawn:016x}",
        kind=Kind.REFUND_FAILURE,
        gross_minor=-line.gross_minor,
        net_minor=_settled(line, -line.gross_minor),
        fee_minor=0,
        occurred_at=line.occurred_at + _LATER,
    )
    return _added(Error.STATUS, found, added)


def _unknown_refund(found: Candidate, drawn: int) -> Planted:
    line = found.line
    refunded_minor = 1 + drawn % max(line.gross_minor // 2, 1)
    added = replace(
        line,
        id=f"txn_x{drawn:016x}",
        kind=Kind.REFUND,
        object_id=f"ref_x{drawn:016x}",
        reference=None,
        gross_minor=-refunded_minor,
        net_minor=_settled(line, -refunded_minor),
        fee_minor=0,
        occurred_at=line.occurred_at + _LATER,
    )
    return _added(Error.UNKNOWN_REFUND, found, added)


def _left_out(error: Error) -> Callable[[Candidate, int], Planted]:
    def make(found: Candidate, drawn: int) -> Planted:  # noqa: ARG001 - each maker is asked alike
        return _planted(error, found, told_minor=0, more_minor=-found.line.net_minor, left_out=True)

    return make


def _late(found: Candidate, drawn: int) -> Planted | None:  # noqa: ARG001 - each maker is asked alike
    if found.next_payout is None or not found.next_entries:
        return None
    line = found.line
    made = _planted(Error.LATE, found, told_minor=line.gross_minor, more_minor=-line.net_minor, left_out=True)
    return replace(
        made,
        told_payout_id=found.next_payout.id,
        at_risk_minor=abs(line.gross_minor),
        added=(Addition(payout_id=found.next_payout.id, line=line),),
        entry_shifts=(
            *made.entry_shifts,
            *entry_shifts(found.next_payout.id, found.next_entries, line.net_minor),
        ),
    )


def _total(found: Candidate, drawn: int) -> Planted:
    more_minor = 1 + drawn % _TOTAL_STEPS
    made = _planted(Error.TOTAL, found, true_minor=0, told_minor=more_minor, more_minor=0)
    return replace(
        made,
        currency=found.payout.currency,
        transaction_id=None,
        object_id=None,
        payment_id=None,
        reference=found.payout.trace,
        in_total_minor=more_minor,
    )


def _unreadable(found: Candidate, drawn: int) -> Planted:
    row = _again(found.line, drawn)
    made = _planted(Error.UNREADABLE, found, true_minor=0, told_minor=row.gross_minor, more_minor=0)
    return replace(
        made, transaction_id=row.id, object_id=row.object_id, at_risk_minor=0, unreadable=row
    )  # Nobody knows what it says.


def _said_before(found: Candidate, drawn: int) -> Planted:
    line, more_minor = found.line, 1 + drawn % _FEE_STEPS
    before = replace(line, fee_minor=line.fee_minor + more_minor, net_minor=line.net_minor - more_minor)
    made = _planted(
        Error.SAID_BEFORE, found, true_minor=line.fee_minor, told_minor=before.fee_minor, more_minor=0
    )
    return replace(made, currency=line.net_currency, said_before=before)


def damaged(error: Error, payout: Payout, line: BalanceTransaction) -> Planted:
    """The file that is cut off in the middle of this line, or has it twice; its payout's total stays as it is."""
    told_minor = 0 if error is Error.CUT_OFF else 2 * line.gross_minor
    found = Candidate(payout=payout, line=line, entries=())
    made = _planted(error, found, told_minor=told_minor, more_minor=0)
    return replace(made, at_risk_minor=0)  # Whoever reads it believes neither.


def _again(line: BalanceTransaction, drawn: int) -> BalanceTransaction:
    """The same charge once more, as another object of the processor."""
    capture_id = f"cap_x{drawn:016x}"
    return replace(
        line,
        id=f"txn_x{drawn:016x}",
        object_id=capture_id,
        charge_id=capture_id,
        occurred_at=line.occurred_at + _LATER,
    )


def _added(error: Error, found: Candidate, added: BalanceTransaction) -> Planted:
    return _planted(
        error,
        found,
        true_minor=0,
        told_minor=added.gross_minor,
        more_minor=added.net_minor,
        added=added,
    )


MAKERS: Final[Mapping[Error, Callable[[Candidate, int], Planted | None]]] = {
    Error.CURRENCY: _currency,
    Error.AMOUNT: _amount,
    Error.DUPLICATE: _duplicate,
    Error.STATUS: _status,
    Error.UNKNOWN_CHARGE: _unknown_charge,
    Error.REFUND_LEFT_OUT: _left_out(Error.REFUND_LEFT_OUT),
    Error.UNKNOWN_REFUND: _unknown_refund,
    Error.LATE: _late,
    Error.CHARGE_LEFT_OUT: _left_out(Error.CHARGE_LEFT_OUT),
    Error.FEE: _fee,
    Error.TOTAL: _total,
    Error.UNREADABLE: _unreadable,
    Error.SAID_BEFORE: _said_before,
}
