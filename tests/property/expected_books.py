"""What the books must say of a payment, written from its own amounts: no journals, no posting table."""

from __future__ import annotations

from collections import Counter

from services.payment.domain.strays import StrayKind


def books_of(payment) -> dict[tuple[str, str], int]:
    """What every account must hold for this payment, by family and currency, on its normal side."""
    amounts, own = payment.amounts, payment.currency
    due = Counter(
        {
            ("processor_receivable", own): amounts.captured_minor - amounts.refunded_minor,
            ("merchant_pending", own): amounts.captured_minor - payment.fee_total_minor,
            ("merchant_available", own): payment.fee_returned_minor
            - amounts.refunded_minor
            - amounts.refund_reserved_minor,
            ("refunds_in_flight", own): amounts.refund_reserved_minor,
            ("fee_revenue", own): payment.fee_total_minor - payment.fee_returned_minor,
        }
    )
    for stray in payment.strays.values():
        if stray.kind is StrayKind.MONEY and not stray.released:
            astray_minor = stray.amount_minor - stray.returned_minor
            due["processor_receivable", stray.currency] += astray_minor
            due["suspense", stray.currency] += astray_minor - stray.reserved_minor
            due["refunds_in_flight", stray.currency] += stray.reserved_minor
        elif stray.kind is StrayKind.REFUND and not stray.released:
            due["processor_receivable", stray.currency] -= stray.amount_minor
            due["suspense", stray.currency] -= stray.amount_minor
    for dispute in payment.disputes.values():
        taken_minor = dispute.withdrawn_minor - dispute.reinstated_minor
        due["processor_receivable", dispute.currency] -= taken_minor
        if dispute.stray_id is not None:
            due["suspense", dispute.currency] -= taken_minor
            continue
        due["merchant_available", own] -= taken_minor + dispute.fee_minor
        due["dispute_fees", own] += dispute.fee_minor
        for family in ("disputed", "merchant_held"):
            due[family, own] += taken_minor - dispute.written_off_minor
    for reversal in payment.reversals.values():
        taken_minor = reversal.taken_minor - reversal.given_back_minor
        due["processor_receivable", reversal.currency] -= taken_minor
        borne_by = "merchant_available" if reversal.stray_id is None else "suspense"
        due[borne_by, reversal.currency] -= taken_minor
    for operation in payment.operations.values():
        if operation.uncertain_announced and not operation.resolved_announced:
            sign = {"in": 1, "out": -1}.get(operation.direction, 0)
            currency = payment.currency_of(operation)
            due[f"in_doubt_{operation.direction}", currency] += operation.amount_minor * abs(sign)
            due["in_doubt_contra", currency] += operation.amount_minor * sign
    return {account: minor for account, minor in due.items() if minor}
