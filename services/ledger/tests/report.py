"""Events of reconciliation for the ledger's tests: a processor's report and a bank's statement."""

from __future__ import annotations

from datetime import timedelta

from schemas import generated
from services.ledger.tests.payloads import AT_ALPHA, NOW
from services.ledger.tests.streams import Keyed

SOURCE = "alpha_payouts"
AVAILABLE_ON = NOW + timedelta(days=2)


def line_key(line_id):
    return f"line:{SOURCE}:{line_id}"


def object_key(object_id):
    return f"alpha:acct_alpha:{object_id}"


def payout_key(payout_id="po_1"):
    return f"alpha:acct_alpha:{payout_id}"


def _content(category, gross_minor, fee_minor, currency, fields):
    net = {"fee_currency": currency, "net_currency": currency, "net_minor": gross_minor - fee_minor}
    return {
        **AT_ALPHA, "source": SOURCE, "payout_id": "po_1", "category": category, "currency": currency,
        "gross_minor": gross_minor, "fee_minor": fee_minor, **net,
        "available_on": AVAILABLE_ON, "effective_at": NOW, **fields,
    }  # fmt: skip


def accepted(line_id, category, gross_minor, fee_minor=0, *, currency="EUR", revision=1, **fields):
    """A line as it was read first; unmatched unless ``of`` says what it is about."""
    content = _content(category, gross_minor, fee_minor, currency, fields)
    return generated.SettlementLineAcceptedV1(line_id=line_id, revision=revision, **content)


def amended(line_id, category, gross_minor, fee_minor=0, *, revision, amends, currency="EUR", **fields):
    content = _content(category, gross_minor, fee_minor, currency, fields)
    return generated.SettlementLineAmendedV1(
        line_id=line_id, revision=revision, amended_revision=amends, **content
    )


def of(payment, kind, nth=0):
    """What a line says that is matched to an object of a payment."""
    object_id = payment.object(kind, nth)["object_id"]
    return {"payment_id": payment.payment_id, "merchant_id": payment.merchant_id, "object_id": object_id}


def matched(
    line_id, payment, kind, gross_minor, *, nth=0, number=1, category="charge", revision=1, currency="EUR"
):
    return generated.SettlementLineMatchedV1(
        **AT_ALPHA, source=SOURCE, line_id=line_id, revision=revision, payout_id="po_1", category=category,
        match_number=number, currency=currency, gross_minor=gross_minor, available_on=AVAILABLE_ON,
        matched_at=NOW, **of(payment, kind, nth),
    )  # fmt: skip


def unmatched(
    line_id, payment, kind, gross_minor, *, nth=0, number=2, category="charge", revision=1, currency="EUR"
):
    said = {name: value for name, value in of(payment, kind, nth).items() if name != "merchant_id"}
    return generated.SettlementLineUnmatchedV1(
        **AT_ALPHA, source=SOURCE, line_id=line_id, revision=revision, payout_id="po_1", category=category,
        match_number=number, currency=currency, gross_minor=gross_minor, available_on=AVAILABLE_ON,
        unmatched_at=NOW, **said,
    )  # fmt: skip


def bank_credit(amount_minor, line_id="2026-11-25/1", payout_id="po_1", currency="EUR", number=None):
    banked = _banked(amount_minor, line_id, payout_id, currency)
    return generated.BankCreditAllocatedV1(allocation_number=number, **banked)


def adjustment_asked(break_number, amount_minor, currency="EUR"):
    """Two people at reconciliation ask for what a person here has yet to approve."""
    return generated.AdjustmentProposedV1(
        break_id=f"brk_{break_number:026d}", template="suspense_surplus_write_off", amount_minor=amount_minor,
        currency=currency, clearing_key=line_key("nobodys"), reason="nobody claims it", proposed_by="ada",
        approved_by="bob", approved_at=NOW,
    )  # fmt: skip


def adjustment_withdrawn(asked, event_id, by=None):
    """Nobody wants any more what ``asked`` was, or somebody there does not."""
    return generated.AdjustmentWithdrawnV1(
        break_id=asked.break_id, proposal_event_id=event_id, reason="the difference went away",
        withdrawn_by=by, withdrawn_at=NOW,
    )  # fmt: skip


def payout_returned(amount_minor, line_id="2026-11-26/1", payout_id="po_1", currency="EUR"):
    return generated.PayoutReturnedV1(**_banked(amount_minor, line_id, payout_id, currency))


def _banked(amount_minor, line_id, payout_id, currency):
    return {
        **AT_ALPHA, "source": "main_account", "line_id": line_id, "bank_account": "main_eur",
        "payout_id": payout_id, "amount_minor": amount_minor, "currency": currency, "effective_at": NOW,
    }  # fmt: skip


def settled(payment, amount_minor, fee_minor=0, nth=0, number=1):
    return generated.CaptureSettledV1(
        **_of_capture(payment, nth, "settled", number), amount_minor=amount_minor, fee_minor=fee_minor,
        amount_settled_minor=amount_minor, available_on=AVAILABLE_ON,
    )  # fmt: skip


def unsettled(payment, amount_minor, fee_minor=0, nth=0, number=1):
    taken_back = _of_capture(payment, nth, "settled", number)["fact_key"]
    return generated.CaptureUnsettledV1(
        **_of_capture(payment, nth, "unsettled", number), settled_fact_key=taken_back,
        amount_minor=amount_minor, fee_minor=fee_minor, amount_settled_minor=0,
    )  # fmt: skip


def _of_capture(payment, nth, status, number):
    capture = payment.object("cap", nth)
    fact_key = f"alpha:acct_alpha:{capture['object_id']}:{status}:{number}"
    return {**payment.base, **capture, "fact_key": fact_key}


def on_stream(event):
    """With the key that reconciliation publishes it under."""
    if isinstance(event, generated.BankCreditAllocatedV1 | generated.PayoutReturnedV1):
        return Keyed(event, payout_key(event.payout_id))
    if isinstance(event, generated.AdjustmentProposedV1 | generated.AdjustmentWithdrawnV1):
        return Keyed(event, event.break_id)
    return Keyed(event, f"{event.source}:{event.line_id}")
