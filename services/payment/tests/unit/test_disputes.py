"""Disputes and reversals: what they do to status, amounts, refunds and strays, fact by fact."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from services.payment.app.answer_dispute import AnswerDispute, answer_dispute
from services.payment.app.apply_fact import apply_fact
from services.payment.app.create_payment import create_payment
from services.payment.app.refund_payment import RefundPayment, refund_payment
from services.payment.domain import lifecycle
from services.payment.domain.amounts import Amounts
from services.payment.domain.answering import Answer, note_sent, settle_answer
from services.payment.domain.changes import Moment
from services.payment.domain.commands import AcceptDispute, SubmitDisputeEvidence, WithdrawOperation
from services.payment.domain.dispute_events import DisputeOpened, DisputeWithdrawn
from services.payment.domain.operations import OperationState, OperationType
from services.payment.domain.payment import Payment
from services.payment.domain.pricing import Price
from services.payment.domain.refunds import RefundState
from services.payment.domain.status import CaptureMethod, Source, Status
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import (
    MERCHANT,
    authorized,
    captured,
    disputed,
    money_row,
    refunded,
    told,
    wish,
)
from shared.kernel.errors import Rejected

WHO = {"merchant_id": MERCHANT, "mode": "test", "request_id": "r"}


class Shop:
    """One captured payment of 100, and short words for what happens to it."""

    def __init__(self, **changes: Any) -> None:
        self.unit = MemoryUnit()
        self.unit.payments.agreed = Price(dispute_fee_minor=1_500)
        self.payment: Payment = create_payment(wish(**changes), self.unit)
        self.unit.commit()

    def tell(self, *facts: Any) -> Shop:
        for what in facts:
            apply_fact(told(what), self.unit)
            self.unit.commit()
        return self

    def paid(self) -> Shop:
        return self.tell(authorized(self.payment), captured(self.payment))

    def dispute(self, status: str, version: int, **changes: Any) -> Shop:
        return self.tell(disputed(self.payment, status, version, **changes))

    def row(self, kind: str, status: str, minor: int, row_id: str, **changes: Any) -> Shop:
        return self.tell(money_row(self.payment, kind, status, minor, row_id, **changes))

    def refund(self, minor: int | None = None) -> Any:
        wanted = RefundPayment(**WHO, payment_id=self.payment.payment_id, amount_minor=minor)
        try:
            return refund_payment(wanted, self.unit)
        finally:
            self.unit.commit()

    def answer(self, **documents: str) -> Any:
        (dispute,) = self.payment.disputes.values()
        wanted = AnswerDispute(
            **WHO,
            payment_id=self.payment.payment_id,
            dispute_id=dispute.dispute_id,
            documents=documents or None,
        )
        try:
            return answer_dispute(wanted, self.unit)[1]
        finally:
            self.unit.commit()

    def reply(self, operation: Any, result: str) -> None:
        moment = Moment(now=self.unit.now, cause_id="e", ids=self.unit.ids, source=Source.REPLY)
        said = Answer(
            result=result,
            decline_code=None,
            error_code=None,
            message=None,
            next_check_at=None,
            mismatched=False,
        )
        note_sent(self.payment, operation, moment)
        settle_answer(self.payment, operation, said, moment)
        self.unit.commit()

    @property
    def shown(self) -> tuple[str, int, int, int]:
        amounts = self.payment.amounts
        return (
            self.payment.status.value,
            amounts.refunded_minor,
            amounts.disputed_open_minor,
            amounts.reversed_minor,
        )

    def announced(self, *kinds: type) -> list[Any]:
        return [event for _, event in self.unit.events if type(event) in kinds]

    def cases(self) -> set[str]:
        return {key.partition(":")[0] for key in self.payment.case_keys}


@pytest.fixture
def shop() -> Shop:
    return Shop().paid()


def test_an_inquiry_moves_nothing(shop: Shop) -> None:
    shop.dispute("inquiry", 1)
    assert shop.shown == ("CAPTURED", 0, 0, 0)
    (opened,) = shop.announced(DisputeOpened)
    assert (opened.stage, opened.reason) == ("inquiry", "fraudulent")
    assert shop.refund(10_000).amount_minor == 10_000


def test_a_dispute_takes_the_room_of_refunds_before_its_money_moves(shop: Shop) -> None:
    shop.dispute("opened", 1)
    assert shop.shown == ("DISPUTED", 0, 6_000, 0)
    with pytest.raises(Rejected, match="at most 4000"):
        shop.refund(4_001)
    assert shop.refund(4_000).state is RefundState.REQUESTED


def test_after_a_dispute_lost_in_full_nothing_is_left_to_refund(shop: Shop) -> None:
    shop.dispute("opened", 1, amount_minor=10_000).row("dispute", "opened", 10_000, "row_1")
    shop.dispute("lost", 2, amount_minor=10_000)
    assert shop.shown == ("REVERSED", 0, 0, 10_000)
    with pytest.raises(Rejected, match="refund"):
        shop.refund()


def test_the_fee_is_charged_once_with_the_first_money_that_is_taken(shop: Shop) -> None:
    shop.row("dispute", "opened", 4_000, "row_1").row("dispute", "opened", 2_000, "row_2")
    assert [event.fee_minor for event in shop.announced(DisputeWithdrawn)] == [1_500, 0]


def test_a_row_that_says_something_else_later_is_a_contradiction_and_moves_nothing(shop: Shop) -> None:
    shop.row("dispute", "opened", 6_000, "row_1").row("dispute", "opened", 5_000, "row_1")
    assert len(shop.announced(DisputeWithdrawn)) == 1
    assert shop.cases() == {"contradicting_evidence"}


def test_a_capture_that_fails_later_is_a_reversal_of_what_it_took(shop: Shop) -> None:
    failed = captured(shop.payment, status="failed", object_version=2)
    shop.tell(failed, failed)
    assert shop.shown == ("REVERSED", 0, 0, 10_000)
    (sale,) = shop.payment.operations.values()
    assert sale.state is OperationState.FAILED_LATER
    assert not shop.cases()
    shop.tell(captured(shop.payment, object_version=3))
    assert shop.shown == ("CAPTURED", 0, 0, 0)


def test_a_refund_in_flight_when_a_dispute_opens_runs_on_and_is_flagged(shop: Shop) -> None:
    refund = shop.refund(4_000)
    shop.dispute("opened", 1).row("dispute", "opened", 6_000, "row_1")
    assert (refund.state, refund.double_return_risk) == (RefundState.REQUESTED, True)
    assert not shop.cases()
    mine = refunded(shop.payment, "succeeded", 1, reference=refund.operation_id)
    shop.tell(mine)
    assert not shop.cases()
    shop.dispute("lost", 2)
    assert shop.cases() == {"double_return"}
    assert shop.shown == ("REVERSED", 4_000, 0, 6_000)


def test_a_refund_that_fails_is_no_double_return(shop: Shop) -> None:
    refund = shop.refund(4_000)
    shop.dispute("opened", 1).row("dispute", "opened", 6_000, "row_1").dispute("lost", 2)
    shop.tell(refunded(shop.payment, "failed", 1, reference=refund.operation_id))
    assert not shop.cases()


def test_a_dispute_that_leaves_no_room_opens_a_case_and_withdraws_what_was_not_sent(shop: Shop) -> None:
    refund = shop.refund(10_000)
    shop.dispute("opened", 1)
    assert shop.cases() == {"refunds_exceed_captured"}
    withdrawn = [command for command in shop.unit.commands if isinstance(command, WithdrawOperation)]
    assert [command.operation_id for command in withdrawn] == [refund.operation_id]


def test_a_dispute_of_a_stray_never_touches_the_payment(shop: Shop) -> None:
    shop.tell(captured(shop.payment, object_id="cap_9", reference=None, parent_id="auth_9", amount_minor=900))
    assert shop.payment.amounts.stray_minor == 900
    of_stray = {"object_id": "dsp_9", "parent_id": "cap_9"}
    shop.dispute("opened", 1, **of_stray, amount_minor=900)
    shop.row("dispute", "opened", 900, "row_1", **of_stray).dispute("lost", 2, **of_stray, amount_minor=900)
    assert shop.shown == ("CAPTURED", 0, 0, 0)
    assert shop.payment.amounts.stray_minor == 0
    (taken,) = shop.announced(DisputeWithdrawn)
    assert (taken.charged_to, taken.fee_minor) == ("suspense", 0)


def test_a_dispute_in_another_currency_goes_before_a_person_and_moves_nothing(shop: Shop) -> None:
    shop.row("dispute", "opened", 6_000, "row_1", currency="USD").dispute("opened", 1, currency="USD")
    assert shop.shown == ("CAPTURED", 0, 0, 0)
    assert shop.cases() == {"dispute_in_other_currency"}


def test_a_dispute_of_a_capture_of_unknown_amount_waits() -> None:
    shop = Shop(capture_method=CaptureMethod.MANUAL)
    shop.tell(authorized(shop.payment))
    shop.dispute("opened", 1)
    assert not shop.payment.disputes
    assert len(shop.unit.waiting.rows) == 1


def test_evidence_and_acceptance_are_asked_of_the_processor_one_at_a_time(shop: Shop) -> None:
    shop.dispute("opened", 1)
    evidence = shop.answer(receipt="file_1")
    assert isinstance(shop.unit.commands[-1], SubmitDisputeEvidence)
    with pytest.raises(Rejected) as refused:
        shop.answer()
    assert refused.value.code == "operation_in_doubt"
    shop.dispute("under_review", 2, reference=evidence.operation_id)
    assert evidence.state is OperationState.SUCCEEDED
    accept = shop.answer()
    assert isinstance(shop.unit.commands[-1], AcceptDispute)
    shop.dispute("accepted", 3)
    assert accept.state is OperationState.SUCCEEDED
    with pytest.raises(Rejected, match="takes no evidence"):
        shop.answer(receipt="file_2")


def test_a_dispute_that_echoes_our_answer_without_an_amount_keeps_its_own(shop: Shop) -> None:
    shop.dispute("opened", 1)
    evidence = shop.answer(receipt="file_1")
    shop.dispute("under_review", 2, reference=evidence.operation_id, amount_minor=0)
    (dispute,) = shop.payment.disputes.values()
    assert (dispute.status, dispute.amount_minor) == ("opened", 6_000)
    assert evidence.undecided
    assert "money_without_amount" in shop.cases()
    shop.dispute("under_review", 3, reference=evidence.operation_id)
    assert evidence.state is OperationState.SUCCEEDED


def test_evidence_is_handed_in_ten_times_and_what_was_refused_does_not_count(shop: Shop) -> None:
    shop.dispute("opened", 1)
    for number in range(12):
        operation = shop.answer(**{f"paper_{number}": "file_1"})
        shop.reply(operation, "declined" if number < 2 else "done")
    with pytest.raises(Rejected) as refused:
        shop.answer(receipt="file_1")
    assert (refused.value.code, refused.value.status, refused.value.param) == (
        "dispute_evidence_full",
        409,
        "documents",
    )
    assert shop.answer().state is OperationState.REQUESTED, "it can be accepted all the same"


@pytest.mark.parametrize("documents", [{"receipt": "file_1"}, {}], ids=["evidence", "accept"])
def test_a_dispute_known_only_by_its_money_refuses_for_now_and_takes_the_same_answer_later(
    shop: Shop, documents: dict[str, str]
) -> None:
    shop.row("dispute", "opened", 6_000, "row_1")
    with pytest.raises(Rejected) as refused:
        shop.answer(**documents)
    assert (refused.value.code, refused.value.stored) == ("dispute_in_doubt", False)
    shop.dispute("opened", 1)
    assert shop.answer(**documents).state is OperationState.REQUESTED


@pytest.mark.parametrize(
    ("result", "state"),
    [
        ("done", OperationState.SUCCEEDED),
        ("declined", OperationState.DECLINED),
        ("unknown", OperationState.UNCERTAIN),
    ],
)
def test_an_answer_is_decided_by_the_processors_reply_and_puts_no_money_in_doubt(
    shop: Shop, result: str, state: OperationState
) -> None:
    shop.dispute("opened", 1)
    operation = shop.answer(receipt="file_1")
    before = len(shop.unit.events)
    shop.reply(operation, result)
    assert operation.state is state
    assert shop.payment.in_doubt_minor == 0
    assert shop.payment.last_error_code is None
    assert len(shop.unit.events) == before


def test_an_undecided_answer_blocks_no_capture() -> None:
    shop = Shop(capture_method=CaptureMethod.MANUAL)
    shop.tell(authorized(shop.payment))
    shop.tell(captured(shop.payment, reference=None, amount_minor=4_000))
    shop.dispute("opened", 1, amount_minor=4_000)
    assert shop.answer(receipt="file_1").type is OperationType.DISPUTE_EVIDENCE
    assert shop.payment.blocking_operation() is None


#: Every combination of small amounts, once money was captured.
SMALL = range(3)


def test_the_derived_status_is_the_first_that_fits_for_all_small_amounts() -> None:
    seen = set()
    for disputed_open, reversed_, refunded_, settled, capturable in itertools.product(SMALL, repeat=5):
        for captured_ in (1, 2):
            amounts = Amounts(
                captured_minor=captured_,
                capturable_minor=capturable,
                disputed_open_minor=disputed_open,
                reversed_minor=reversed_,
                refunded_minor=refunded_,
                settled_minor=settled,
            )
            fits = [
                (disputed_open > 0, Status.DISPUTED),
                (reversed_ > 0 and reversed_ + refunded_ >= captured_, Status.REVERSED),
                (refunded_ >= captured_, Status.REFUNDED),
                (settled >= captured_ and capturable == 0, Status.SETTLED),
                (True, Status.CAPTURED),
            ]
            expected = next(status for holds, status in fits if holds)
            assert lifecycle.status_of_captured(amounts) is expected
            seen.add(expected)
    assert seen == set(Status) - {
        Status.CREATED, Status.REQUIRES_PAYMENT_METHOD, Status.AUTHORIZED, Status.FAILED, Status.CANCELED,
    }  # fmt: skip


def test_every_two_derived_statuses_are_one_legal_step_apart_or_the_same() -> None:
    derived = [Status.CAPTURED, Status.SETTLED, Status.REFUNDED, Status.DISPUTED, Status.REVERSED]
    for source, target in itertools.permutations(derived, 2):
        legal = target in lifecycle.NEXT[source]
        assert legal, (source, target)
