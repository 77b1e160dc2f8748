"""Lines may come in any order, before or after their capture, and be told again: the newest readings alone decide."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.payment.app.apply_fact import apply_fact
from services.payment.app.create_payment import create_payment
from services.payment.domain.payment import Payment
from services.payment.domain.settlement_events import CaptureSettled
from services.payment.domain.settling import SettlementLine
from services.payment.domain.status import Status
from services.payment.tests.memory import MemoryUnit
from services.payment.tests.settlement import AVAILABLE_ON, line_of, tell
from services.payment.tests.world import captured, told, wish

READINGS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["charge", "refund"]),
        st.one_of(st.sampled_from([0, 4_000, 10_000]), st.integers(-6_000, 10_000)),
        st.integers(0, 3),
    ),
    max_size=12,
)


def fresh() -> tuple[MemoryUnit, Payment]:
    uow = MemoryUnit()
    payment = create_payment(wish(), uow)
    uow.commit()
    return uow, payment


def take(uow: MemoryUnit, payment: Payment) -> None:
    apply_fact(told(captured(payment)), uow)
    uow.commit()


def lines_of(payment: Payment, readings: list[tuple[int, str, int, int]]) -> list[SettlementLine]:
    revisions: Counter[int] = Counter()
    lines = []
    for number, category, gross_minor, days in readings:
        revisions[number] += 1
        said = {
            "category": category,
            "gross_minor": gross_minor,
            "revision": revisions[number],
            "available_on": AVAILABLE_ON + timedelta(days=days),
        }
        lines.append(line_of(payment, str(number), **said))
    return lines


def standing(uow: MemoryUnit) -> int:
    """The model: captures announced as settled less those taken back."""
    signs: dict[str, int] = {"CaptureSettled": 1, "CaptureUnsettled": -1}
    return sum(signs.get(type(event).__name__, 0) for _, event in uow.events)


@given(
    readings=READINGS,
    order=st.randoms(use_true_random=False),
    repeats=st.integers(0, 5),
    before=st.integers(0, 17),
)
def test_the_newest_readings_alone_decide(readings: Any, order: Any, repeats: int, before: int) -> None:
    uow, payment = fresh()
    lines = lines_of(payment, readings)
    shuffled = lines + [order.choice(lines) for _ in range(repeats) if lines]
    order.shuffle(shuffled)
    tell(uow, *shuffled[:before])
    take(uow, payment)
    tell(uow, *shuffled[before:])
    newest = {line.line_id: line for line in sorted(lines, key=lambda line: line.revision)}
    gross_minor = sum(line.gross_minor for line in newest.values() if line.category == "charge")
    assert payment.amounts.settled_minor == max(0, gross_minor)
    covered = gross_minor >= 10_000
    assert payment.status is (Status.SETTLED if covered else Status.CAPTURED)
    assert standing(uow) == int(covered)
    if covered:
        last = [event for _, event in uow.events if isinstance(event, CaptureSettled)][-1]
        days = [
            line.available_on for line in newest.values() if line.category == "charge" and line.gross_minor
        ]
        assert last.available_on == max(days)
