"""One month of payments by seed: what the processor booked of each, what we told of it, and what it should come to.

Most payments are honest, in every way that payments can be. Some are wrong on our side: their kind says how, and the
answer key takes the break's type from it. What is wrong in the reports is the sandbox's business (``world``).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from schemas import generated as events
from services.sandbox.domain.balance_transactions import BookedMoney
from services.sandbox.domain.objects import MovementKind

START = datetime(2026, 3, 16, tzinfo=UTC)
"""A Monday; the month has daylight saving, Good Friday and Easter Monday in it."""
DAYS = 28
MERCHANT = "mer_" + "m" * 26
PROCESSORS = ("alpha", "beta", "gamma")
CURRENCIES = ("EUR",) * 12 + ("USD",) * 5 + ("KWD",) * 2 + ("JPY",)
_MINUTES = DAYS * 24 * 60
RETURNS_SETTLE_AFTER_DAYS = 46
"""From the month's first day on: when what was given back is booked, after whoever decided it has."""


class Wrong(StrEnum):
    """What is wrong on our side of a payment."""

    NOTHING = "nothing"
    STRAY = "stray"
    STRAY_WITHOUT_LINE = "stray_without_line"
    IN_DOUBT = "in_doubt"
    PAYMENT_GIVEN_UP = "payment_given_up"
    ATTEMPT_GIVEN_UP = "attempt_given_up"
    REFUND_GIVEN_UP = "refund_given_up"
    UNPOSTED = "unposted"
    UNEXPLAINED = "unexplained"
    ADJUSTED = "adjusted"
    RETURNED = "returned"


DECIDED = frozenset({Wrong.ADJUSTED, Wrong.RETURNED})
"""Two people decide before we hear of the charge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A movement that we know of, as our side has it, and under which key."""

    item_key: str
    category: str
    processor: str
    object_id: str
    amount_minor: int
    at: datetime
    wrong: Wrong = Wrong.NOTHING


@dataclass(frozen=True, slots=True)
class Told:
    """An event of ours; ``posted`` where the ledger books it."""

    at: datetime
    event_id: str
    event: Any
    posted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardLate:
    """A charge that we hear of only when two people have adjusted the books for it, or have had it given back."""

    wrong: Wrong
    processor: str
    object_id: str
    amount_minor: int
    told: Told
    returned_as: str
    """The refund, where it is given back, and the operation and the stray that it is of."""
    operation_id: str
    stray_id: str


@dataclass(slots=True)
class Story:
    """One payment: rows of the processor's book, events in their order, and what we expect of it."""

    number: int
    processor: str
    currency: str
    rows: list[BookedMoney] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)
    unposted: list[Told] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    late: list[HeardLate] = field(default_factory=list)

    def id(self, prefix: str, nth: int = 0) -> str:
        """An id of ours that nobody else has."""
        return f"{prefix}{self.number * 100 + nth:026d}"

    @property
    def names(self) -> dict[str, Any]:
        """Whose it is."""
        return {"payment_id": self.id("pay_"), "merchant_id": MERCHANT}

    @property
    def account(self) -> dict[str, str]:
        """Where it is."""
        return {"processor": self.processor, "account": f"acct_{self.processor}"}

    def tell(self, at: datetime, kind: type, /, *, posted: bool = False, **fields: Any) -> Told:
        """Tell an event of this payment."""
        made = Told(at, self.id("evt_", len(self.told)), kind(**self.names, **fields), posted)
        self.told.append(made)
        return made

    def book(
        self, at: datetime, kind: MovementKind, amount_minor: int, object_id: str, /, **more: Any
    ) -> str:
        """A row of the processor's book; returns the row's own id."""
        nth = len(self.rows)
        row_id = f"row_{self.number * 100 + nth}" if more.pop("has_row", False) else None
        values = {"fee_minor": 0, "reference": None, "charge_id": f"cap_{self.number}"} | more
        self.rows.append(
            BookedMoney(
                position=self.number * 100 + nth, kind=kind, account=f"acct_{self.processor}",
                currency=self.currency, amount_minor=amount_minor, booked_at=at, row_id=row_id, object_id=object_id,
                authorization_id=f"auth_{self.number}", payment_id=self.id("pay_"), **values,
            )
        )  # fmt: skip
        return row_id or f"txn_{self.number * 100 + nth:012d}"

    def expect(self, category: str, object_id: str, amount_minor: int, at: datetime, /, **more: Any) -> None:
        """Our side knows of a movement."""
        key = more.pop("key", f"{self.processor}:acct_{self.processor}:{object_id}")
        self.expected.append(
            Expected(
                item_key=f"{category}:{key}", category=category, processor=self.processor, object_id=object_id,
                amount_minor=amount_minor, at=at, **more,
            )
        )  # fmt: skip

    def fact(self, object_id: str, what: str = "succeeded:1") -> str:
        """A fact's key."""
        return f"{self.processor}:acct_{self.processor}:{object_id}:{what}"


def story(number: int, seed: str, wrong: Wrong = Wrong.NOTHING, like: Story | None = None) -> Story:
    """The payment of that number; ``like`` makes a twin of another one: the same money in the same minute."""
    dice = random.Random(f"{seed}|{number}")  # noqa: S311 - a seed must replay
    made = Story(number, dice.choice(PROCESSORS), dice.choice(CURRENCIES))
    at = START + timedelta(minutes=dice.randrange(_MINUTES), seconds=dice.randrange(60))
    amount_minor = dice.randrange(500, 90_000)
    if like is not None:
        made.processor, made.currency = like.processor, like.currency
        at, amount_minor = like.rows[0].booked_at + timedelta(seconds=1), like.rows[0].amount_minor
    _begin(made, dice, at)
    if wrong in _WRONG:
        _WRONG[wrong](made, at, amount_minor)
        return made
    left_minor = _capture(made, dice, at, amount_minor)
    chance = dice.random()
    if wrong is Wrong.REFUND_GIVEN_UP:
        _given_up_refund(made, at + timedelta(hours=2), left_minor)
    elif chance < 0.14:
        _refunds(made, dice, at, left_minor)
    elif chance < 0.18:
        _dispute(made, dice, at, left_minor)
    elif chance < 0.21:
        _reversal(made, dice, at, left_minor)
    if wrong is Wrong.UNPOSTED:
        made.unposted.append(next(told for told in made.told if told.posted))
    if wrong is Wrong.UNEXPLAINED:
        made.unexplained.append(made.id("jrn_", 99))
    return made


def _begin(made: Story, dice: random.Random, at: datetime) -> None:
    """Now and then an attempt before, of which nothing came."""
    chance = dice.random()
    before = at - timedelta(minutes=3)
    if chance < 0.06:
        made.tell(
            before, events.PaymentMethodDeclinedV1, operation_id=made.id("op_", 90), attempts_left=2,
            status="REQUIRES_PAYMENT_METHOD",
        )  # fmt: skip


def _capture(made: Story, dice: random.Random, at: datetime, amount_minor: int) -> int:
    """Captured at once or in two parts, in doubt before or not; returns what the first capture came to."""
    parts = [amount_minor]
    if dice.random() < 0.06:
        parts = [amount_minor - amount_minor // 3, amount_minor // 3]
    for nth, part in enumerate(parts):
        object_id = f"cap_{made.number}" + ("b" if nth else "")
        moment = at + timedelta(hours=nth)
        operation = made.id("op_", nth)
        in_doubt = dice.random() < 0.05
        doubt = {
            "operation_id": operation, "operation_type": "capture", "direction": "in", "amount_minor": part,
            "currency": made.currency,
        }  # fmt: skip
        if in_doubt:
            made.tell(moment, events.OperationUncertainV1, posted=True, **doubt, **made.account)
            made.tell(moment, events.OperationResolvedV1, outcome="SUCCEEDED", **doubt)
        made.book(moment, MovementKind.CAPTURED, part, object_id, reference=operation, charge_id=object_id)
        _captured(made, moment, object_id, part, operation, nth)
    return parts[0]


def _captured(made: Story, at: datetime, object_id: str, amount_minor: int, operation: str, nth: int) -> None:
    fields = _capture_fields(made, at, object_id, amount_minor, operation, nth)
    made.tell(at, events.PaymentCapturedV1, posted=True, **fields)
    made.expect("charge", object_id, amount_minor, at)


def _capture_fields(
    made: Story, at: datetime, object_id: str, amount_minor: int, operation: str, nth: int
) -> dict[str, Any]:
    return {
        "operation_id": operation, **made.account, "object_id": object_id, "fact_key": made.fact(object_id),
        "amount_minor": amount_minor, "currency": made.currency, "fee_minor": amount_minor // 50,
        "amount_captured_minor": amount_minor, "capture_number": nth + 1, "implied": False, "effective_at": at,
    }  # fmt: skip


def _refunds(made: Story, dice: random.Random, at: datetime, left_minor: int) -> None:
    """One refund or two, and now and then one that fails later, in the report and by our own word."""
    for nth in range(dice.choice((1, 1, 2))):
        amount_minor = max(left_minor // dice.choice((1, 2, 3)), 1) if nth == 0 else left_minor
        amount_minor = min(amount_minor, left_minor)
        if amount_minor <= 0:
            return
        left_minor -= amount_minor
        moment = at + timedelta(hours=5 + nth, minutes=dice.randrange(3_000))
        failed = dice.random() < 0.2
        _refund(made, moment, amount_minor, nth, failed=failed)


def _refund(made: Story, at: datetime, amount_minor: int, nth: int, *, failed: bool) -> None:
    refund_id, operation, object_id = (
        made.id("re_", nth),
        made.id("op_", 10 + nth),
        f"ref_{made.number}_{nth}",
    )
    about = {
        "refund_id": refund_id, "operation_id": operation, "amount_minor": amount_minor, "currency": made.currency,
    }  # fmt: skip
    made.tell(at, events.RefundRequestedV1, posted=True, fee_returned_minor=0, **about)
    made.tell(
        at, events.RefundSucceededV1, posted=True, **about, **made.account, object_id=object_id,
        fact_key=made.fact(object_id), effective_at=at,
    )  # fmt: skip
    made.book(at, MovementKind.REFUNDED, -amount_minor, object_id, reference=operation)
    made.expect("refund", object_id, -amount_minor, at)
    if failed:
        later = at + timedelta(days=2)
        made.tell(
            later, events.RefundFailedV1, posted=True, outcome="failed_later", was_succeeded=True, **about
        )
        made.book(later, MovementKind.REFUND_FAILED, amount_minor, object_id, reference=operation)
        made.expect("refund_failure", object_id, amount_minor, later, key=refund_id)


def _dispute(made: Story, dice: random.Random, at: datetime, amount_minor: int) -> None:
    object_id, fee_minor = f"dsp_{made.number}", 1_500
    about = {
        "dispute_id": made.id("dp_"), "charged_to": "merchant", **made.account, "object_id": object_id,
        "amount_minor": amount_minor, "currency": made.currency,
    }  # fmt: skip
    moment = at + timedelta(days=3)
    row = made.book(
        moment, MovementKind.WITHDRAWN, -amount_minor, object_id, fee_minor=fee_minor, has_row=True
    )
    key = made.fact(row, "withdrawn")
    made.tell(
        moment, events.DisputeWithdrawnV1, posted=True, money_row_id=row, fact_key=key, fee_minor=fee_minor,
        effective_at=moment, **about,
    )  # fmt: skip
    made.expect("dispute", object_id, -amount_minor, moment, key=key)
    if dice.random() < 0.5:
        moment = at + timedelta(days=8)
        row = made.book(moment, MovementKind.REINSTATED, amount_minor, object_id, has_row=True)
        key = made.fact(row, "reinstated")
        made.tell(
            moment, events.DisputeReinstatedV1, posted=True, money_row_id=row, fact_key=key, held_minor=amount_minor,
            effective_at=moment, **about,
        )  # fmt: skip
        made.expect("dispute", object_id, amount_minor, moment, key=key)


def _reversal(made: Story, dice: random.Random, at: datetime, amount_minor: int) -> None:
    object_id = f"rev_{made.number}"
    about = {
        "reversal_id": made.id("rvs_"), "charged_to": "merchant", **made.account, "object_id": object_id,
        "amount_minor": amount_minor, "currency": made.currency,
    }  # fmt: skip
    steps = [(MovementKind.REVERSED, events.ReversalReceivedV1, -1, {"cause": "processor"}, 4)]
    if dice.random() < 0.5:
        steps.append((MovementKind.GIVEN_BACK, events.ReversalGivenBackV1, 1, {}, 6))
    for kind, event, sign, more, days in steps:
        moment = at + timedelta(days=days)
        row = made.book(moment, kind, sign * amount_minor, object_id, has_row=True)
        key = made.fact(row, kind.value)
        made.tell(
            moment, event, posted=True, money_row_id=row, fact_key=key, effective_at=moment, **about, **more
        )
        made.expect("reversal", object_id, sign * amount_minor, moment, key=key)


def _given_up_refund(made: Story, at: datetime, amount_minor: int) -> None:
    operation, object_id = made.id("op_", 30), f"ref_{made.number}_g"
    made.tell(
        at, events.RefundFailedV1, posted=True, refund_id=made.id("re_", 30), operation_id=operation,
        amount_minor=amount_minor, currency=made.currency, outcome="declined", was_succeeded=False,
    )  # fmt: skip
    made.book(at, MovementKind.REFUNDED, -amount_minor, object_id, reference=operation)
    _conflict(made, "refund", object_id, -amount_minor, at, Wrong.REFUND_GIVEN_UP)


def _conflict(
    made: Story, category: str, object_id: str, amount_minor: int, at: datetime, wrong: Wrong
) -> None:
    """Nothing that we expect: only the line tells of it."""
    made.expect(category, object_id, amount_minor, at, key=f"none:{object_id}", wrong=wrong)


def _stray(made: Story, at: datetime, amount_minor: int) -> None:
    _found_stray(made, at, amount_minor, Wrong.STRAY)
    made.book(at, MovementKind.CAPTURED, amount_minor, f"cap_{made.number}", reference=made.id("op_"))


def _stray_without_line(made: Story, at: datetime, amount_minor: int) -> None:
    _found_stray(made, at, amount_minor, Wrong.STRAY_WITHOUT_LINE)


def _found_stray(made: Story, at: datetime, amount_minor: int, wrong: Wrong) -> None:
    object_id = f"cap_{made.number}"
    made.tell(at, events.PaymentCanceledV1, reason="merchant", operation_id=made.id("op_"))
    made.tell(
        at, events.StrayFoundV1, posted=True, stray_id=made.id("str_"), kind="money", **made.account,
        object_type="capture", object_id=object_id, fact_key=made.fact(object_id), amount_minor=amount_minor,
        currency=made.currency, mismatch=False, operation_id=made.id("op_"),
    )  # fmt: skip
    made.expect("charge", object_id, amount_minor, at, wrong=wrong)


def _doubt(made: Story, at: datetime, amount_minor: int) -> None:
    made.tell(
        at, events.OperationUncertainV1, posted=True, operation_id=made.id("op_"), operation_type="capture",
        direction="in", amount_minor=amount_minor, currency=made.currency, **made.account,
    )  # fmt: skip
    _settled_all_the_same(made, at, amount_minor, Wrong.IN_DOUBT)


def _payment_given_up(made: Story, at: datetime, amount_minor: int) -> None:
    if made.number % 2:
        made.tell(at, events.PaymentFailedV1, operation_id=made.id("op_"), reason="attempts_exhausted")
    else:
        made.tell(at, events.PaymentCanceledV1, operation_id=made.id("op_"), reason="abandoned")
    _settled_all_the_same(made, at, amount_minor, Wrong.PAYMENT_GIVEN_UP)


def _attempt_given_up(made: Story, at: datetime, amount_minor: int) -> None:
    made.tell(
        at, events.PaymentMethodDeclinedV1, operation_id=made.id("op_"), attempts_left=2,
        status="REQUIRES_PAYMENT_METHOD",
    )  # fmt: skip
    _settled_all_the_same(made, at, amount_minor, Wrong.ATTEMPT_GIVEN_UP)


def _settled_all_the_same(made: Story, at: datetime, amount_minor: int, wrong: Wrong) -> None:
    object_id = f"cap_{made.number}"
    made.book(at, MovementKind.CAPTURED, amount_minor, object_id, reference=made.id("op_"))
    _conflict(made, "charge", object_id, amount_minor, at, wrong)


def _adjusted(made: Story, at: datetime, amount_minor: int) -> None:
    """A charge that nobody told us of, until the books are adjusted for it."""
    object_id = f"cap_{made.number}"
    made.book(at, MovementKind.CAPTURED, amount_minor, object_id, reference=made.id("op_"))
    _heard_late(made, at, object_id, amount_minor, made.id("op_"), Wrong.ADJUSTED)


def _returned(made: Story, at: datetime, amount_minor: int) -> None:
    """A second charge under one reference, which turns out to be another one of ours as it is given back."""
    first, second = f"cap_{made.number}", f"cap_{made.number}x"
    for object_id in (first, second):
        made.book(
            at, MovementKind.CAPTURED, amount_minor, object_id, reference=made.id("op_"), charge_id=object_id
        )
    _captured(made, at, first, amount_minor, made.id("op_"), 0)
    late = _heard_late(made, at, second, amount_minor, made.id("op_", 1), Wrong.RETURNED)
    made.book(
        START + timedelta(days=RETURNS_SETTLE_AFTER_DAYS), MovementKind.REFUNDED, -amount_minor, late.returned_as,
        reference=late.operation_id, charge_id=second,
    )  # fmt: skip


def _heard_late(
    made: Story, at: datetime, object_id: str, amount_minor: int, operation: str, wrong: Wrong
) -> HeardLate:
    fields = _capture_fields(made, at, object_id, amount_minor, operation, 0)
    told = Told(at, made.id("evt_", 50), events.PaymentCapturedV1(**made.names, **fields), posted=True)
    late = HeardLate(
        wrong=wrong, processor=made.processor, object_id=object_id, amount_minor=amount_minor, told=told,
        returned_as=f"ref_{made.number}_x", operation_id=made.id("op_", 40), stray_id=made.id("str_"),
    )  # fmt: skip
    made.late.append(late)
    made.expect("charge", object_id, amount_minor, at, wrong=wrong)
    return late


_WRONG = {
    Wrong.ADJUSTED: _adjusted,
    Wrong.RETURNED: _returned,
    Wrong.STRAY: _stray,
    Wrong.STRAY_WITHOUT_LINE: _stray_without_line,
    Wrong.IN_DOUBT: _doubt,
    Wrong.PAYMENT_GIVEN_UP: _payment_given_up,
    Wrong.ATTEMPT_GIVEN_UP: _attempt_given_up,
}
