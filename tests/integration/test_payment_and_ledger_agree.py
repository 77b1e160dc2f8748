"""Payment and ledger agree event by event: whatever the order of the facts, one story and one set of balances."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.payment.app.cancel_payment import CancelPayment, cancel_payment
from services.payment.app.capture_payment import CapturePayment, capture_payment
from services.payment.app.confirm_payment import ConfirmPayment, confirm_payment
from services.payment.app.create_payment import create_payment
from services.payment.app.refund_payment import RefundPayment, refund_payment
from services.payment.domain.facts import ROW_STATUSES, STATUSES, ObjectType
from services.payment.domain.operations import OperationType
from services.payment.domain.pricing import Price, RefundPolicy
from services.payment.domain.status import CaptureMethod
from services.payment.entrypoints.worker import wake_due_facts
from services.payment.tests.world import (
    MERCHANT,
    authorized,
    captured,
    disputed,
    fact,
    money_row,
    refunded,
    reversed_by_processor,
    wish,
)
from shared.kernel.errors import Rejected
from tests.integration.chain import Chain, answered, looked_up, webhook
from tests.property.expected_books import books_of

PRICE = Price(
    percent_ppm=29_000, fixed_minor=30, refund_policy=RefundPolicy.PROPORTIONAL, dispute_fee_minor=1_500
)
WHO = {"merchant_id": MERCHANT, "mode": "test", "request_id": "r"}
POSITIONS = range(6)
pytestmark = pytest.mark.timeout(900)
LATER = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
def chain(service_database):
    chain = Chain(service_database)
    chain.agree_price(PRICE)
    yield chain
    chain.close()


def own(what, payment_id):
    """Objects of different payments must not meet."""
    names = {"object_id": f"{what.object_id}_{payment_id}", "fact_key": f"{what.fact_key}:{payment_id}"}
    if what.money_row_id is not None:
        names["money_row_id"] = f"{what.money_row_id}_{payment_id}"
    if what.parent_id is not None:
        names["parent_id"] = f"{what.parent_id}_{payment_id}"
    return replace(what, **names)


class Story:
    """A payment brought to where five things are told about it, in any order."""

    refund_minor = None

    def __init__(self, payment):
        self.payment = payment

    def before(self):
        """What is told first, in this order."""
        return ()

    def told(self, what):
        return webhook(own(what, self.payment.payment_id))

    def sale(self):
        return next(iter(self.payment.operations.values()))

    def unsure(self, operation):
        return answered(self.payment.payment_id, operation, "unknown", next_check_at=LATER)

    def looked_up(self, operation, *facts):
        mine = [own(what, self.payment.payment_id) for what in facts]
        return looked_up(self.payment.payment_id, operation, *mine)


class RefundMadeElsewhere(Story):
    """The issue's five: the refund is the processor's, so it is adopted."""

    def five(self):
        payment = self.payment
        return (
            self.told(authorized(payment)),
            self.told(captured(payment)),
            self.told(refunded(payment, "pending", 1)),
            self.told(refunded(payment, "succeeded", 2)),
            self.looked_up(self.sale(), authorized(payment), captured(payment)),
        )


class SaleInDoubt(Story):
    def five(self):
        payment = self.payment
        return (
            self.unsure(self.sale()),
            self.told(authorized(payment)),
            self.told(captured(payment)),
            self.told(refunded(payment, "succeeded", 2)),
            self.looked_up(self.sale(), authorized(payment), captured(payment)),
        )


class OwnRefund(Story):
    """Captured, and a refund of ours asked for."""

    refund_minor = 4_000

    def before(self):
        return (self.told(authorized(self.payment)), self.told(captured(self.payment)))

    @property
    def refund(self):
        return self.payment.latest_operation

    def mine(self, status, version):
        return refunded(self.payment, status, version, reference=self.refund.operation_id)

    def five(self):
        return (
            self.unsure(self.refund),
            self.told(self.mine("pending", 1)),
            self.told(self.mine("succeeded", 2)),
            self.told(captured(self.payment)),
            self.looked_up(self.refund, self.mine("succeeded", 2)),
        )


class OwnRefundThatFails(OwnRefund):
    """It had succeeded, and failed later: the merchant has it all back, fee included."""

    def five(self):
        return (
            self.unsure(self.refund),
            self.told(self.mine("pending", 1)),
            self.told(self.mine("succeeded", 2)),
            self.told(self.mine("failed", 3)),
            self.looked_up(self.refund, self.mine("succeeded", 2)),
        )


class ElsewhereRefundThatFails(Story):
    def five(self):
        payment = self.payment
        return (
            self.unsure(self.sale()),
            self.told(captured(payment)),
            self.told(refunded(payment, "succeeded", 2)),
            self.told(refunded(payment, "failed", 3)),
            self.looked_up(self.sale(), authorized(payment), captured(payment)),
        )


class ChargebackProvesTheCapture(Story):
    """The sale is in doubt until its dispute says that the money was there; it is lost."""

    def five(self):
        payment = self.payment
        return (
            self.unsure(self.sale()),
            self.told(disputed(payment, "opened", 1)),
            self.told(money_row(payment, "dispute", "opened", 6_000, "row_1")),
            self.told(disputed(payment, "lost", 2)),
            self.looked_up(self.sale(), authorized(payment), captured(payment)),
        )


class DisputeWon(Story):
    def before(self):
        return (self.told(authorized(self.payment)), self.told(captured(self.payment)))

    def five(self):
        payment = self.payment
        return (
            self.told(disputed(payment, "opened", 1)),
            self.told(money_row(payment, "dispute", "opened", 6_000, "row_1")),
            self.told(disputed(payment, "won", 2)),
            self.told(money_row(payment, "dispute", "reinstated", 6_000, "row_2")),
            self.told(refunded(payment, "succeeded", 2)),
        )


class ReversedAndGivenBackInPart(DisputeWon):
    def five(self):
        payment = self.payment
        return (
            self.told(reversed_by_processor(payment, "succeeded", 1)),
            self.told(money_row(payment, "reversal", "succeeded", 6_000, "row_1")),
            self.told(money_row(payment, "reversal", "given_back", 2_000, "row_2")),
            self.told(refunded(payment, "pending", 1)),
            self.told(refunded(payment, "succeeded", 2)),
        )


def ask_refund(uow, payment_id, amount_minor):
    return refund_payment(RefundPayment(**WHO, payment_id=payment_id, amount_minor=amount_minor), uow)


def shown(payment):
    amounts = {name: getattr(payment.amounts, name) for name in type(payment.amounts).__dataclass_fields__}
    fees = (payment.fee_total_minor, payment.fee_returned_minor)
    return payment.status.value, payment.certainty.value, amounts, fees


def orders():
    """All 120, each with a duplicate at each position: of every fact in turn."""
    for number, order in enumerate(itertools.permutations(range(5))):
        for again in POSITIONS:
            yield (*order[:again], order[(again + number) % 5], *order[again:])


ENDS = {
    RefundMadeElsewhere: ("CAPTURED", 10_000, 4_000),
    SaleInDoubt: ("CAPTURED", 10_000, 4_000),
    OwnRefund: ("CAPTURED", 10_000, 4_000),
    OwnRefundThatFails: ("CAPTURED", 10_000, 0),
    ElsewhereRefundThatFails: ("CAPTURED", 10_000, 0),
    ChargebackProvesTheCapture: ("CAPTURED", 10_000, 0),
    DisputeWon: ("CAPTURED", 10_000, 4_000),
    ReversedAndGivenBackInPart: ("CAPTURED", 10_000, 4_000),
}


@pytest.mark.parametrize("kind", ENDS, ids=lambda kind: kind.__name__)
def test_all_120_orders_with_a_duplicate_at_each_position_end_in_one_story_and_one_set_of_books(chain, kind):
    told = list(orders())
    created = chain.stand.run(lambda uow: [create_payment(wish(), uow) for _ in told])
    ids = [payment.payment_id for payment in created]
    for story in map(kind, created):
        chain.publish(story.payment.payment_id, *story.before())
    chain.drain()
    if kind.refund_minor is not None:
        chain.stand.run(lambda uow: [ask_refund(uow, payment_id, kind.refund_minor) for payment_id in ids])
    for order, story in zip(told, map(kind, chain.payments(ids)), strict=True):
        facts = story.five()
        chain.publish(story.payment.payment_id, *(facts[number] for number in order))
    chain.drain()
    while wake_due_facts(chain.stand.transactions):
        pass
    chain.drain()
    balances, nets = chain.balances(), chain.nets()
    ends = {}
    for order, payment in zip(told, chain.payments(ids), strict=True):
        payment_id = payment.payment_id
        assert balances.get(payment_id, {}) == books_of(payment), order
        kept = sorted(balances.get(payment_id, {}).items()), sorted(nets.get(payment_id, {}).items())
        end = (shown(payment), kept)
        ends.setdefault(repr(end), []).append(order)
    assert len(ends) == 1, "\n".join(f"{len(those)} {those[0]} {end}" for end, those in ends.items())
    status, captured_minor, refunded_minor = ENDS[kind]
    assert payment.status == status
    assert (payment.amounts.captured_minor, payment.amounts.refunded_minor) == (
        captured_minor,
        refunded_minor,
    )
    kept_minor = captured_minor - refunded_minor - payment.amounts.reversed_minor
    assert balances[payment_id]["processor_receivable", "EUR"] == kept_minor
    # What may stay open by object is only the claim on the processor, which settlement closes.
    assert {family for family, _, _ in chain.open_items()} == {"processor_receivable"}
    assert chain.stand.rows("SELECT count(*) FROM parked_keys") == [(0,)]
    assert chain.entries("SELECT count(*) FROM parked_keys") == [(0,)]


class Life:
    """One payment's random life: commands, answers, facts; the same seed lives the same life."""

    def __init__(self, chain, seed, payment):
        self.chain, self.dice = chain, random.Random(seed)  # noqa: S311  # a seed makes it repeatable
        self.payment, self.payment_id = payment, payment.payment_id

    def step(self, payment):
        self.payment = payment
        self.dice.choice((self.command, self.answer, self.fact, self.fact, self.fact))()

    def command(self):
        whole = {**WHO, "payment_id": self.payment_id}
        amount = self.dice.choice((None, 1, 4_000, 6_000))
        moves = (
            lambda uow: capture_payment(CapturePayment(**whole, amount_minor=amount), uow),
            lambda uow: confirm_payment(ConfirmPayment(**whole, payment_method="pm_card_visa"), uow),
            lambda uow: cancel_payment(CancelPayment(**whole), uow),
            lambda _uow: None,
        )
        try:
            if self.dice.random() < 0.6:
                self.chain.stand.refund(self.payment_id, amount)
            else:
                self.chain.stand.run(self.dice.choice(moves))
        except Rejected:
            return

    def answer(self):
        operation = self.dice.choice(list(self.payment.operations.values()))
        result = self.dice.choice(("declined", "accepted", "unknown", "unknown", "not_sent", "done"))
        next_check_at = LATER if result in {"accepted", "unknown"} else None
        self.chain.publish(
            self.payment_id, answered(self.payment_id, operation, result, next_check_at=next_check_at)
        )

    def fact(self):
        kind = self.dice.choice(
            ("authorization", "capture", "capture", "refund", "refund", "dispute", "reversal")
        )
        if kind in {"dispute", "reversal"} and self.dice.random() < 0.6:
            self.money_row(kind)
            return
        parents = {"capture": ("authorization", "authorization")} | dict.fromkeys(
            ("refund", "dispute", "reversal"), ("capture", "capture")
        )
        parent_type, prefix = parents.get(kind, (None, None))
        fitting = {
            "authorization": lambda o: o.type is OperationType.AUTHORIZE,
            "capture": lambda o: o.takes_money,
            "refund": lambda o: o.type is OperationType.REFUND,
        }.get(kind, lambda _operation: False)
        known = [operation for operation in self.payment.operations.values() if fitting(operation)]
        operation = self.dice.choice([*known, None])
        odd = self.dice.random() < 0.1
        said = fact(
            object_type=kind,
            object_id=f"{kind}_{self.dice.randint(1, 2)}",
            status=self.dice.choice(sorted(STATUSES[ObjectType(kind)])),
            object_version=self.dice.randint(1, 5),
            amount_minor=self.dice.choice((0, 1, 9_999))
            if odd or operation is None
            else operation.amount_minor,
            currency="USD" if odd and self.dice.random() < 0.3 else "EUR",
            payment_id=self.payment_id,
            reference=operation.operation_id if operation else None,
            parent_type=parent_type,
            parent_id=f"{prefix}_1" if prefix else None,
            occurred_at=datetime.now(UTC) + timedelta(seconds=self.dice.randint(0, 9)),
        )
        self.chain.publish(self.payment_id, webhook(own(said, self.payment_id)))

    def money_row(self, kind):
        status = self.dice.choice(sorted(ROW_STATUSES[ObjectType(kind)]))
        row, amount = f"{kind}_row_{self.dice.randint(1, 9)}", self.dice.choice((1, 4_000, 6_000, 10_000))
        where = {"object_id": f"{kind}_{self.dice.randint(1, 2)}", "parent_id": "capture_1"}
        said = money_row(self.payment, kind, status, amount, row, **where)
        self.chain.publish(self.payment_id, webhook(own(said, self.payment_id)))


def born(chain, count):
    methods = itertools.cycle(itertools.product(CaptureMethod, (1, 2, 3)))
    wishes = [
        wish(capture_method=method, max_attempts=most) for method, most in itertools.islice(methods, count)
    ]
    return chain.stand.run(lambda uow: [create_payment(each, uow) for each in wishes])


def test_random_lives_leave_books_that_say_what_the_payment_says(chain):
    lives = [Life(chain, seed, payment) for seed, payment in enumerate(born(chain, 60))]
    for _ in range(10):
        for life, payment in zip(lives, chain.payments([life.payment_id for life in lives]), strict=True):
            life.step(payment)
        chain.consume()
    while wake_due_facts(chain.stand.transactions):
        pass
    chain.drain()
    balances, nets = chain.balances(), chain.nets()
    for life, payment in zip(lives, chain.payments([life.payment_id for life in lives]), strict=True):
        assert balances.get(life.payment_id, {}) == books_of(payment), life.payment_id
    assert chain.entries("SELECT count(*) FROM parked_keys") == [(0,)]
    assert chain.stand.rows("SELECT key, detail FROM parked_keys") == []
    chain.deliver_all_again()
    assert (chain.balances(), chain.nets()) == (balances, nets)
