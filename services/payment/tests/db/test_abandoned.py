"""Payments that nobody goes on paying, on real PostgreSQL under a virtual clock: ended in batches, by one worker each."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from services.payment.adapters.unit_of_work import PaymentUnitOfWork
from services.payment.app.confirm_payment import ConfirmPayment, confirm_payment
from services.payment.domain.abandoning import ABANDONED_AFTER
from services.payment.entrypoints.worker import abandon_due_payments
from services.payment.tests.db.stand import Stand
from services.payment.tests.world import MERCHANT, wish
from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.persistence.unit_of_work import Transactions
from shared.testing.infra import ServiceDatabase
from shared.testing.virtual_clock import VirtualClock

MONTH_S = ABANDONED_AFTER.total_seconds()


@pytest.fixture
def stand(service_database: ServiceDatabase) -> Iterator[Stand]:
    stand = Stand(service_database("payment"))
    yield stand
    stand.close()


@pytest.fixture
def clock(stand: Stand) -> Iterator[VirtualClock]:
    """The stand's use cases under a clock that a test moves on."""
    made, real = VirtualClock(SystemClock().now()), stand.transactions
    stand.transactions = Transactions(
        stand.engine, PaymentUnitOfWork, source="/tieout/payment", clock=made, ids=UlidIds()
    )
    yield made
    stand.transactions = real


def waiting(stand: Stand, reference: str = "order 7") -> str:
    return stand.create(wish(payment_method=None, reference=reference)).payment_id


def statuses(stand: Stand) -> list[tuple[str, bool]]:
    return stand.rows("SELECT status, abandoned FROM payments ORDER BY payment_id")  # type: ignore[return-value]


def test_a_month_ends_it_and_a_second_less_does_not(stand: Stand, clock: VirtualClock) -> None:
    waiting(stand)
    clock.advance(MONTH_S - 1)
    abandon_due_payments(stand.transactions)
    assert statuses(stand) == [("REQUIRES_PAYMENT_METHOD", False)]
    clock.advance(1)
    for _ in range(2):
        abandon_due_payments(stand.transactions)
    assert statuses(stand) == [("CANCELED", True)]
    told = stand.rows(
        "SELECT convert_from(payload, 'UTF8')::jsonb ->> 'reason' FROM outbox WHERE event_type = 'PaymentCanceled.v1'"
    )
    assert told == [("abandoned",)]
    assert stand.rows(
        "SELECT to_state, cause_id ~ '^abandoned:' FROM status_history ORDER BY history_id DESC LIMIT 1"
    ) == [("CANCELED", True)]
    waiting(stand)


def test_doubt_keeps_it_alive_for_ever(stand: Stand, clock: VirtualClock) -> None:
    payment_id = waiting(stand)
    command = ConfirmPayment(
        merchant_id=MERCHANT, mode="test", payment_id=payment_id, request_id="r", payment_method="pm_2"
    )
    stand.run(lambda uow: confirm_payment(command, uow))
    clock.advance(12 * MONTH_S)
    abandon_due_payments(stand.transactions)
    assert statuses(stand)[0][1] is False


def test_more_than_a_batch_is_ended_and_two_workers_end_each_once(stand: Stand, clock: VirtualClock) -> None:
    for number in range(10):
        waiting(stand, f"order {number}")
    clock.advance(MONTH_S)
    problems: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                abandon_due_payments(stand.transactions, 4)
        except BaseException as problem:  # noqa: BLE001  # told below
            problems.append(problem)

    workers = [threading.Thread(target=work) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert problems == []
    assert statuses(stand) == [("CANCELED", True)] * 10
    assert stand.rows("SELECT count(*) FROM outbox WHERE event_type = 'PaymentCanceled.v1'") == [(10,)]


@pytest.mark.parametrize(
    "statement",
    [
        # Too soon by the rows' own times.
        """UPDATE payments SET status = 'CANCELED', status_path = '{CANCELED}', abandoned = true,
                  updated_at = updated_at + interval '29 days'""",
        # Not canceled at all.
        "UPDATE payments SET abandoned = true, updated_at = updated_at + interval '31 days'",
    ],
)
def test_the_database_refuses_to_abandon_what_is_not(stand: Stand, statement: str) -> None:
    waiting(stand)
    with (
        psycopg.connect(stand.urls.app.replace("+psycopg", "")) as connection,
        pytest.raises(psycopg.errors.CheckViolation) as refused,
    ):
        connection.execute(statement.encode())
    assert str(refused.value.diag.constraint_name).startswith("payments_abandoned")


def test_the_database_refuses_to_abandon_what_is_in_doubt_and_to_take_it_back(
    stand: Stand, clock: VirtualClock
) -> None:
    payment_id = waiting(stand)
    command = ConfirmPayment(
        merchant_id=MERCHANT, mode="test", payment_id=payment_id, request_id="r", payment_method="pm_2"
    )
    stand.run(lambda uow: confirm_payment(command, uow))
    url = stand.urls.app.replace("+psycopg", "")
    end = (
        "UPDATE payments SET status = 'CANCELED', status_path = '{CANCELED}', abandoned = true,"
        " updated_at = updated_at + interval '31 days' WHERE payment_id = %s"
    )
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.CheckViolation) as refused:
        connection.execute(end, (payment_id,))
    assert refused.value.diag.constraint_name == "payments_abandoned_in_time"
    other = waiting(stand, "order 8")
    clock.advance((ABANDONED_AFTER + timedelta(seconds=1)).total_seconds())
    abandon_due_payments(stand.transactions)
    back = "UPDATE payments SET abandoned = false WHERE payment_id = %s"
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute(back, (other,))
