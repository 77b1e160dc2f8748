"""Payment events for the ledger's tests, with everything the contract asks for and the little that a test says."""

from __future__ import annotations

from datetime import UTC, datetime

from schemas import generated

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
AT_ALPHA = {"processor": "alpha", "account": "acct_alpha"}


def ident(prefix, number):
    return f"{prefix}_{number:026d}"


class Payment:
    """Tells the events of one payment of one merchant."""

    def __init__(self, number, merchant=1, currency="EUR"):
        self.number = number
        self.payment_id = ident("pay", number)
        self.merchant_id = ident("mer", merchant)
        self.base = {"payment_id": self.payment_id, "merchant_id": self.merchant_id, "currency": currency}

    def object(self, kind, nth=0):
        object_id = f"{kind}_{self.number}_{nth}"
        return {**AT_ALPHA, "object_id": object_id, "fact_key": f"alpha:acct_alpha:{object_id}:succeeded:1"}

    def captured(self, amount_minor, fee_minor=0, nth=0):
        return generated.PaymentCapturedV1(
            **self.base,
            **self.object("cap", nth),
            operation_id=self.id("op", nth),
            amount_minor=amount_minor,
            fee_minor=fee_minor,
            amount_captured_minor=amount_minor,
            capture_number=nth + 1,
            implied=False,
            effective_at=NOW,
        )

    def refund_requested(self, amount_minor, nth=0, fee_returned_minor=0):
        return generated.RefundRequestedV1(
            **self.base,
            refund_id=self.id("re", nth),
            operation_id=self.id("op", 50 + nth),
            amount_minor=amount_minor,
            fee_returned_minor=fee_returned_minor,
        )

    def refund_succeeded(self, amount_minor, nth=0):
        return generated.RefundSucceededV1(
            **self.base,
            **self.object("ref", nth),
            refund_id=self.id("re", nth),
            operation_id=self.id("op", 50 + nth),
            amount_minor=amount_minor,
            effective_at=NOW,
        )

    def refund_failed(self, amount_minor, nth=0, *, was_succeeded=False):
        return generated.RefundFailedV1(
            **self.base,
            refund_id=self.id("re", nth),
            operation_id=self.id("op", 50 + nth),
            amount_minor=amount_minor,
            outcome="failed_later" if was_succeeded else "failed",
            was_succeeded=was_succeeded,
        )

    def refund_adopted(self, amount_minor, nth=0):
        return generated.RefundAdoptedV1(
            **self.base,
            **self.object("ref", nth),
            refund_id=self.id("re", nth),
            amount_minor=amount_minor,
            effective_at=NOW,
        )

    def uncertain(self, amount_minor, direction, nth=0):
        return generated.OperationUncertainV1(
            **self.base,
            **AT_ALPHA,
            operation_id=self.id("op", nth),
            operation_type="capture" if direction == "in" else "refund",
            direction=direction,
            amount_minor=amount_minor,
        )

    def resolved(self, amount_minor, direction, nth=0):
        return generated.OperationResolvedV1(
            **self.base,
            operation_id=self.id("op", nth),
            operation_type="capture" if direction == "in" else "refund",
            direction=direction,
            outcome="SUCCEEDED",
            amount_minor=amount_minor,
        )

    def stray_found(self, amount_minor, nth=0):
        return generated.StrayFoundV1(
            **self.base,
            **self.object("stray", nth),
            stray_id=self.id("str", nth),
            kind="money",
            object_type="capture",
            amount_minor=amount_minor,
            mismatch=False,
        )

    def stray_accepted(self, amount_minor, nth=0):
        return generated.StrayAcceptedV1(**self.base, stray_id=self.id("str", nth), amount_minor=amount_minor)

    def refund_stray_found(self, amount_minor, nth=0):
        return generated.RefundStrayFoundV1(
            **self.base,
            **self.object("odd", nth),
            stray_id=self.id("str", 50 + nth),
            amount_minor=amount_minor,
        )

    def refund_stray_failed(self, amount_minor, nth=0):
        return generated.RefundStrayFailedV1(
            **self.base, stray_id=self.id("str", 50 + nth), amount_minor=amount_minor
        )

    def refund_stray_accepted(self, amount_minor, nth=0):
        return generated.StrayAcceptedV1(
            **self.base, stray_id=self.id("str", 50 + nth), amount_minor=amount_minor
        )

    def return_requested(self, amount_minor, nth=0):
        return generated.StrayReturnRequestedV1(
            **self.base,
            stray_id=self.id("str", nth),
            operation_id=self.id("op", 80 + nth),
            amount_minor=amount_minor,
        )

    def return_succeeded(self, amount_minor, nth=0):
        return generated.StrayReturnSucceededV1(
            **self.base,
            **self.object("back", nth),
            stray_id=self.id("str", nth),
            operation_id=self.id("op", 80 + nth),
            amount_minor=amount_minor,
        )

    def return_failed(self, amount_minor, nth=0):
        return generated.StrayReturnFailedV1(
            **self.base,
            stray_id=self.id("str", nth),
            operation_id=self.id("op", 80 + nth),
            amount_minor=amount_minor,
        )

    def dispute(self, event_class, amount_minor, row, nth=0, **fields):
        return event_class(
            **self.base,
            **{**self.object("dsp", nth), "fact_key": f"alpha:acct_alpha:row_{self.number}_{row}"},
            dispute_id=self.id("dp", nth),
            amount_minor=amount_minor,
            effective_at=NOW,
            **fields,
        )

    def dispute_withdrawn(self, amount_minor, row, nth=0, fee_minor=0):
        return self.dispute(
            generated.DisputeWithdrawnV1, amount_minor, row, nth,
            charged_to="merchant", money_row_id=f"row_{self.number}_{row}", fee_minor=fee_minor,
        )  # fmt: skip

    def dispute_reinstated(self, amount_minor, held_minor, row, nth=0):
        return self.dispute(
            generated.DisputeReinstatedV1, amount_minor, row, nth,
            charged_to="merchant", money_row_id=f"row_{self.number}_{row}", held_minor=held_minor,
        )  # fmt: skip

    def dispute_written_off(self, amount_minor, row, nth=0):
        return self.dispute(generated.DisputeWrittenOffV1, amount_minor, row, nth)

    def write_off_reversed(self, amount_minor, row, nth=0):
        return self.dispute(generated.DisputeWriteOffReversedV1, amount_minor, row, nth)

    def reversal(self, event_class, amount_minor, row, nth=0, **fields):
        return event_class(
            **self.base,
            **{**self.object("rvl", nth), "fact_key": f"alpha:acct_alpha:row_{self.number}_{row}"},
            reversal_id=self.id("rvs", nth),
            charged_to="merchant",
            amount_minor=amount_minor,
            effective_at=NOW,
            **fields,
        )

    def reversal_received(self, amount_minor, row, nth=0):
        return self.reversal(generated.ReversalReceivedV1, amount_minor, row, nth, cause="processor")

    def reversal_given_back(self, amount_minor, row, nth=0):
        return self.reversal(generated.ReversalGivenBackV1, amount_minor, row, nth)

    def id(self, prefix, nth):
        return ident(prefix, self.number * 100 + nth)
