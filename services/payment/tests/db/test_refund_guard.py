"""Refunds at once never give back more than was captured."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from services.payment.domain.refund_room import capture_rooms
from services.payment.domain.status import CaptureMethod
from services.payment.tests.db.stand import Stand
from services.payment.tests.world import authorized, captured, disputed, money_row, wish
from shared.kernel.errors import Rejected
from shared.testing.infra import ServiceDatabase

WORKERS = 8


@pytest.fixture
def stand(service_database: ServiceDatabase) -> Iterator[Stand]:
    stand = Stand(service_database("payment"))
    yield stand
    stand.close()


def captured_payment(stand: Stand) -> str:
    payment = stand.create(wish())
    stand.tell(authorized(payment))
    assert stand.tell(captured(payment)).status == "CAPTURED"
    return payment.payment_id


def test_of_many_refunds_at_once_only_those_with_room_are_taken(stand: Stand) -> None:
    payment_id = captured_payment(stand)
    start = threading.Barrier(WORKERS)

    def attempt(_: int) -> bool:
        start.wait()
        try:
            stand.refund(payment_id, 3_000)
        except Rejected:
            return False
        return True

    with ThreadPoolExecutor(WORKERS) as pool:
        taken = list(pool.map(attempt, range(WORKERS)))
    assert taken.count(True) == 3
    payment = stand.payment(payment_id)
    assert payment.amounts.refund_reserved_minor == 9_000
    assert stand.rows("SELECT count(*) FROM refunds") == [(3,)]


def test_the_guarded_update_alone_refuses_what_has_no_room(stand: Stand) -> None:
    """Without the payment's lock and without the domain's check: the row guard is the second protection."""
    payment_id = captured_payment(stand)
    start = threading.Barrier(WORKERS)

    def attempt(_: int) -> bool:
        start.wait()
        return stand.run(lambda uow: uow.payments.reserve_refund(payment_id, "cap_1", 6_000))

    with ThreadPoolExecutor(WORKERS) as pool:
        taken = list(pool.map(attempt, range(WORKERS)))
    assert taken.count(True) == 1


def test_the_guarded_update_alone_refuses_a_capture_whose_money_is_gone(stand: Stand) -> None:
    """The payment has room, but not where the refund would take it from."""
    payment = stand.create(wish(capture_method=CaptureMethod.MANUAL))
    stand.tell(authorized(payment))
    for name, minor in (("cap_1", 6_000), ("cap_2", 4_000)):
        stand.tell(captured(payment, object_id=name, amount_minor=minor, reference=None))
    stand.tell(disputed(payment, "opened", 1))
    stand.tell(money_row(payment, "dispute", "opened", 6_000, "row_1"))
    stand.tell(disputed(payment, "lost", 2))

    def reserve(capture_id: str, minor: int) -> bool:
        return stand.run(lambda uow: uow.payments.reserve_refund(payment.payment_id, capture_id, minor))

    assert (reserve("cap_1", 1), reserve("cap_2", 4_001), reserve("cap_2", 4_000)) == (False, False, True)


def test_the_guarded_update_alone_refuses_what_a_dispute_took_before_its_word(stand: Stand) -> None:
    payment = stand.create(wish())
    stand.tell(authorized(payment))
    stand.tell(captured(payment))
    stand.tell(disputed(payment, "inquiry", 1))
    stand.tell(money_row(payment, "dispute", "opened", 6_000, "row_1"))

    def reserve(minor: int) -> bool:
        return stand.run(lambda uow: uow.payments.reserve_refund(payment.payment_id, "cap_1", minor))

    assert (reserve(4_001), reserve(4_000)) == (False, True)


def row(payment: Any, status: str, minor: int, row_id: str = "row_1") -> Any:
    return money_row(payment, "dispute", status, minor, row_id)


COURSES = {
    "inquired": (10_000, lambda p: [disputed(p, "inquiry", 1)]),
    "inquired, and taken": (4_000, lambda p: [disputed(p, "inquiry", 1), row(p, "opened", 6_000)]),
    "opened": (4_000, lambda p: [disputed(p, "opened", 1)]),
    "opened, and taken": (4_000, lambda p: [disputed(p, "opened", 1), row(p, "opened", 6_000)]),
    "lost, the money late": (4_000, lambda p: [disputed(p, "opened", 1), disputed(p, "lost", 2)]),
    "accepted, the money late": (4_000, lambda p: [disputed(p, "accepted", 2)]),
    "lost in part, the money late": (
        8_000,
        lambda p: [disputed(p, "opened", 1), disputed(p, "lost", 2, amount_minor=2_000)],
    ),
    "lost, and taken": (4_000, lambda p: [row(p, "opened", 6_000), disputed(p, "lost", 2)]),
    "lost in part, and the rest is back": (
        7_000,
        lambda p: [row(p, "opened", 6_000), row(p, "reinstated", 3_000, "row_2"), disputed(p, "lost", 2)],
    ),
    "lost, given back, its taking late": (
        4_000,
        lambda p: [row(p, "reinstated", 3_000, "row_2"), disputed(p, "lost", 2)],
    ),
    "won, the money late": (10_000, lambda p: [disputed(p, "opened", 1), disputed(p, "won", 2)]),
    "won, not back yet": (4_000, lambda p: [row(p, "opened", 6_000), disputed(p, "won", 2)]),
}


@pytest.mark.parametrize(("room_minor", "course"), COURSES.values(), ids=COURSES.keys())
def test_the_guarded_update_and_the_domain_agree_about_what_a_dispute_leaves(
    stand: Stand, room_minor: int, course: Any
) -> None:
    payment_id = captured_payment(stand)
    for what in course(stand.payment(payment_id)):
        stand.tell(what)

    def reserve(minor: int) -> bool:
        return stand.run(lambda uow: uow.payments.reserve_refund(payment_id, "cap_1", minor))

    assert [room for _, room in capture_rooms(stand.payment(payment_id))] == [room_minor]
    assert (reserve(room_minor + 1), reserve(room_minor)) == (False, True)
