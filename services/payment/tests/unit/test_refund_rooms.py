"""Which capture gives a refund: never one whose money was taken back, and never more than it has left."""

from __future__ import annotations

from typing import Any

import pytest

from services.payment.app.apply_fact import apply_fact
from services.payment.app.create_payment import create_payment
from services.payment.app.refund_payment import RefundPayment, refund_payment
from services.payment.domain.answering import Answer, note_closed, note_sent, settle_answer
from services.payment.domain.changes import Moment
from services.payment.domain.commands import RefundPayment as RefundCommand
from services.payment.domain.commands import WithdrawOperation
from services.payment.domain.payment import Payment
from services.payment.domain.pricing import Price, RefundPolicy
from services.payment.domain.status import CaptureMethod, Source
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.world import (
    MERCHANT,
    authorized,
    captured,
    disputed,
    money_row,
    refunded,
    reversed_by_processor,
    told,
    wish,
)
from shared.kernel.errors import Rejected


class Shop:
    """One payment captured in parts: 60, then 40."""

    def __init__(self, *parts_minor: int) -> None:
        self.unit = MemoryUnit()
        self.payment: Payment = create_payment(wish(capture_method=CaptureMethod.MANUAL), self.unit)
        self.unit.commit()
        self.tell(authorized(self.payment))
        for number, minor in enumerate(parts_minor or (6_000, 4_000), start=1):
            capture = {"object_id": f"cap_{number}", "amount_minor": minor, "object_version": number}
            self.tell(captured(self.payment, reference=None, **capture))

    def tell(self, *facts: Any) -> None:
        for what in facts:
            apply_fact(told(what), self.unit)
            self.unit.commit()

    def refund(self, minor: int | None = None) -> Any:
        wanted = RefundPayment(
            merchant_id=MERCHANT,
            mode="test",
            request_id="r",
            payment_id=self.payment.payment_id,
            amount_minor=minor,
        )
        try:
            return refund_payment(wanted, self.unit)
        finally:
            self.unit.commit()

    def given_by(self) -> list[str]:
        return [command.capture_id for command in self.unit.commands if isinstance(command, RefundCommand)]

    def cases(self) -> list[str]:
        """Those about refunds; that the captures were adopted is another story."""
        return sorted(key for key in self.payment.case_keys if not key.startswith("capture_adopted"))

    def lose(self, minor: int = 6_000) -> None:
        self.tell(
            disputed(self.payment, "opened", 1, amount_minor=minor),
            money_row(self.payment, "dispute", "opened", minor, "row_1"),
            disputed(self.payment, "lost", 2, amount_minor=minor),
        )


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_a_refund_is_not_taken_from_a_capture_that_was_charged_back(shop: Shop) -> None:
    shop.lose()
    assert shop.payment.amounts.refund_room_minor() == 4_000
    shop.refund(4_000)
    assert shop.given_by() == ["cap_2"]


def test_nor_from_one_that_is_in_dispute(shop: Shop) -> None:
    shop.tell(disputed(shop.payment, "opened", 1))
    shop.refund(4_000)
    assert shop.given_by() == ["cap_2"]


@pytest.mark.parametrize("given_back", [False, True])
def test_nor_from_one_that_was_reversed_unless_it_came_back(shop: Shop, *, given_back: bool) -> None:
    shop.tell(
        reversed_by_processor(shop.payment, "succeeded", 1),
        money_row(shop.payment, "reversal", "succeeded", 6_000, "row_1"),
    )
    if given_back:
        shop.tell(money_row(shop.payment, "reversal", "given_back", 6_000, "row_2"))
    shop.refund(4_000)
    assert shop.given_by() == ["cap_1" if given_back else "cap_2"]


def test_what_is_left_of_a_capture_lost_in_part_can_be_refunded(shop: Shop) -> None:
    shop.lose(1_000)
    with pytest.raises(Rejected, match="largest has 5000"):
        shop.refund(5_001)
    shop.refund(5_000)
    assert shop.given_by() == ["cap_1"]


def test_a_capture_that_gave_its_money_twice_is_a_case_though_the_payment_has_room_left(shop: Shop) -> None:
    refund = shop.refund(6_000)
    assert shop.given_by() == ["cap_1"]
    shop.tell(refunded(shop.payment, "succeeded", 1, reference=refund.operation_id, amount_minor=6_000))
    shop.lose(4_000)
    assert shop.payment.amounts.refund_room_minor() == 0
    assert shop.cases() == ["refunds_exceed_captured:cap_1"]


def test_only_refunds_of_the_capture_that_is_overdrawn_are_withdrawn(shop: Shop) -> None:
    of_first, of_second = shop.refund(5_000), shop.refund(3_000)
    assert shop.given_by() == ["cap_1", "cap_2"]
    shop.tell(disputed(shop.payment, "opened", 1, amount_minor=2_000))
    withdrawn = [c.operation_id for c in shop.unit.commands if isinstance(c, WithdrawOperation)]
    assert withdrawn == [of_first.operation_id]
    assert of_second.operation_id not in withdrawn


@pytest.mark.parametrize(
    ("reported", "asked"), [("sent", True), ("not_sent", True), ("unknown", True), ("accepted", False)]
)
def test_a_refund_of_which_no_send_is_known_to_have_arrived_is_withdrawn_when_its_capture_is_disputed(
    reported: str, *, asked: bool
) -> None:
    shop = Shop()
    refund = shop.payment.operations[shop.refund(5_000).operation_id]
    moment = Moment(now=shop.unit.now, cause_id="evt_s", ids=shop.unit.ids, source=Source.REPLY)
    note_sent(shop.payment, refund, moment)
    if reported != "sent":
        answer = Answer(
            result=reported, decline_code=None, error_code=None, message=None, next_check_at=None, mismatched=False
        )  # fmt: skip
        settle_answer(shop.payment, refund, answer, moment)
    shop.unit.commit()
    shop.tell(disputed(shop.payment, "opened", 1, amount_minor=6_000))
    withdrawn = [c.operation_id for c in shop.unit.commands if isinstance(c, WithdrawOperation)]
    assert withdrawn == ([refund.operation_id] if asked else [])
    assert shop.cases() == ["refunds_exceed_captured:cap_1"]
    assert shop.payment.amounts.refund_reserved_minor == 5_000, "it may have been sent: only processor knows"
    if asked:
        why = "not_found" if reported == "unknown" else "withdrawn"
        note_closed(shop.payment, refund, why, moment, ever_sent=reported == "unknown")
        assert (refund.state, shop.payment.amounts.refund_reserved_minor) == ("ABANDONED", 0)


def test_what_is_heard_after_a_refund_was_withdrawn_withdraws_it_no_second_time() -> None:
    shop = Shop(10_000)
    refund = shop.refund(5_000)
    shop.tell(
        disputed(shop.payment, "opened", 1, amount_minor=10_000),
        money_row(shop.payment, "dispute", "opened", 10_000, "row_1"),
        disputed(shop.payment, "under_review", 2, amount_minor=10_000),
        disputed(shop.payment, "lost", 3, amount_minor=10_000),
    )
    withdrawn = [c.operation_id for c in shop.unit.commands if isinstance(c, WithdrawOperation)]
    assert withdrawn == [refund.operation_id]
    assert shop.payment.amounts.refund_reserved_minor == 5_000


def test_a_refund_that_names_no_capture_is_of_the_only_one_also_once_there_are_two() -> None:
    shop = Shop(6_000)
    shop.tell(refunded(shop.payment, "succeeded", 1, parent_id=None, parent_type=None, amount_minor=5_000))
    shop.tell(captured(shop.payment, reference=None, object_id="cap_2", amount_minor=4_000, object_version=2))
    shop.refund(4_000)
    assert shop.given_by() == ["cap_2"]


@pytest.mark.parametrize("parts", [(6_000, 4_000), (4_000, 6_000), (2_000, 5_000, 3_000), (5_000, 5_000)])
@pytest.mark.parametrize("wanted", [None, 7_000])
def test_what_no_capture_can_give_alone_is_refused_with_refunds_that_can_be_asked_for_instead(
    parts: tuple[int, ...], wanted: int | None
) -> None:
    shop = Shop(*parts)
    with pytest.raises(Rejected) as refused:
        shop.refund(wanted)
    assert refused.value.code == "refund_exceeds_capture"
    split = refused.value.extra["split"]
    assert sum(split) == (wanted or 10_000)
    for minor in split:
        shop.refund(minor)
    assert shop.payment.amounts.refund_reserved_minor == (wanted or 10_000)


def test_where_nothing_is_left_no_capture_is_said_to_have_less_than_nothing_and_no_refund_is_named() -> None:
    shop = Shop(10_000)
    refund = shop.refund(6_000)
    shop.tell(
        refunded(shop.payment, "succeeded", 1, reference=refund.operation_id, amount_minor=6_000),
        disputed(shop.payment, "inquiry", 1, amount_minor=10_000),
        money_row(shop.payment, "dispute", "opened", 10_000, "row_1"),
    )
    with pytest.raises(Rejected) as refused:
        shop.refund(1)
    assert refused.value.code == "refund_exceeds_capture"
    assert str(refused.value).endswith("the largest has 0")
    assert refused.value.extra == {"refundable": 0}


@pytest.mark.parametrize("adopted_first", [False, True])
def test_the_fee_that_a_refund_returns_does_not_depend_on_adopted_refunds(*, adopted_first: bool) -> None:
    shop = Shop(10_000)
    shop.payment.price = Price(percent_ppm=32_000, refund_policy=RefundPolicy.PROPORTIONAL)
    shop.payment.fee_total_minor = 320
    adopted = refunded(shop.payment, "succeeded", 1, object_id="ref_9", amount_minor=6_000)
    if adopted_first:
        shop.tell(adopted)
    refund = shop.refund(4_000)
    if not adopted_first:
        shop.tell(adopted)
    shop.tell(refunded(shop.payment, "succeeded", 1, reference=refund.operation_id))
    assert (refund.fee_returned_minor, shop.payment.fee_returned_minor) == (128, 128)


def inquired(shop: Shop) -> None:
    """An inquiry, whose money goes before its word says that it is a dispute."""
    shop.tell(
        disputed(shop.payment, "inquiry", 1, amount_minor=10_000),
        money_row(shop.payment, "dispute", "opened", 10_000, "row_1"),
    )


def lost_and_opened_again(shop: Shop) -> None:
    """Half is lost, and taken once more."""
    shop.tell(
        disputed(shop.payment, "opened", 1, amount_minor=5_000),
        money_row(shop.payment, "dispute", "opened", 5_000, "row_1"),
        disputed(shop.payment, "lost", 2, amount_minor=5_000),
        disputed(shop.payment, "opened", 3, amount_minor=5_000),
        money_row(shop.payment, "dispute", "opened", 5_000, "row_2"),
    )


@pytest.mark.parametrize("status", ["lost", "accepted"])
@pytest.mark.parametrize("opened", [True, False])
def test_what_a_dispute_has_lost_is_no_room_before_its_money_is_told(status: str, *, opened: bool) -> None:
    shop = Shop(10_000)
    if opened:
        shop.tell(disputed(shop.payment, "opened", 1, amount_minor=10_000))
    lost_minor = 6_000
    shop.tell(disputed(shop.payment, status, 2, amount_minor=lost_minor))
    with pytest.raises(Rejected, match="largest has 4000"):
        shop.refund(4_001)
    shop.tell(money_row(shop.payment, "dispute", "opened", lost_minor, "row_1"))
    assert (shop.payment.amounts.reversed_minor, shop.cases()) == (lost_minor, [])
    with pytest.raises(Rejected, match="4000"):
        shop.refund(4_001)
    shop.refund(4_000)


def test_what_was_lost_in_part_and_is_back_is_room_and_an_inquiry_takes_none() -> None:
    shop = Shop(10_000)
    shop.tell(
        disputed(shop.payment, "inquiry", 1, object_id="dsp_2", amount_minor=10_000),
        disputed(shop.payment, "opened", 1, amount_minor=10_000),
        money_row(shop.payment, "dispute", "opened", 10_000, "row_1"),
        money_row(shop.payment, "dispute", "reinstated", 7_000, "row_2"),
        disputed(shop.payment, "lost", 2, amount_minor=10_000),
    )
    shop.refund(7_000)
    with pytest.raises(Rejected):
        shop.refund(1)


def test_a_dispute_that_is_won_leaves_room_though_it_was_called_lost_before() -> None:
    shop = Shop(10_000)
    shop.tell(
        disputed(shop.payment, "lost", 1, amount_minor=10_000),
        disputed(shop.payment, "won", 2, amount_minor=10_000),
    )
    shop.refund(10_000)


@pytest.mark.parametrize("course", [inquired, lost_and_opened_again])
def test_what_a_dispute_took_is_no_room_whatever_its_word_says(course: Any) -> None:
    shop = Shop(10_000)
    course(shop)
    with pytest.raises(Rejected) as told_:
        shop.refund(1)
    assert told_.value.code == "refund_exceeds_capture"
    shop.tell(
        money_row(shop.payment, "dispute", "reinstated", 10_000, "row_9"),
        disputed(shop.payment, "won", 9, amount_minor=10_000),
    )
    shop.refund(10_000)
