"""A payment service's database with its use cases, for tests: each call is one transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa

from services.payment.adapters.unit_of_work import PaymentUnitOfWork
from services.payment.app.apply_fact import apply_fact
from services.payment.app.create_payment import CreatePayment, create_payment
from services.payment.app.refund_payment import RefundPayment, refund_payment
from services.payment.domain.facts import Fact
from services.payment.domain.payment import Payment
from services.payment.domain.status import Source
from services.payment.tests.world import MERCHANT, net, told
from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.persistence.engine import make_engine
from shared.persistence.provision import ServiceUrls
from shared.persistence.unit_of_work import Transactions

T = TypeVar("T")


class Stand:
    """Use cases on real PostgreSQL."""

    def __init__(self, urls: ServiceUrls) -> None:
        self.urls = urls
        self.engine = make_engine(urls.app, application_name="payment-test")
        self.transactions = Transactions(
            self.engine, PaymentUnitOfWork, source="/tieout/payment", clock=SystemClock(), ids=UlidIds()
        )

    def close(self) -> None:
        self.engine.dispose()

    def run(self, work: Callable[[PaymentUnitOfWork], T]) -> T:
        return self.transactions.run(work, name="test")

    def create(self, command: CreatePayment) -> Payment:
        return self.run(lambda uow: create_payment(command, uow))

    def tell(self, what: Fact, source: Source = Source.WEBHOOK) -> Payment:
        self.run(lambda uow: apply_fact(told(what, source), uow))
        return self.payment(what.payment_id or "")

    def refund(self, payment_id: str, amount_minor: int) -> str:
        command = RefundPayment(
            merchant_id=MERCHANT,
            mode="test",
            payment_id=payment_id,
            request_id="r",
            amount_minor=amount_minor,
        )
        return self.run(lambda uow: refund_payment(command, uow).refund_id)

    def payment(self, payment_id: str) -> Payment:
        def load(uow: PaymentUnitOfWork) -> Payment:
            payment = uow.payments.locked(payment_id)
            assert payment is not None
            return payment

        return self.run(load)

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query), values)]

    def net(self, payment_id: str) -> dict[str, int]:
        """Sum of the amounts per type of event, read from the outbox."""
        rows = self.rows(
            "SELECT event_type, coalesce((convert_from(payload, 'UTF8')::jsonb ->> 'amount_minor')::bigint, 0)"
            " FROM outbox WHERE topic = 'payment.events' AND key = :id ORDER BY position",
            id=payment_id,
        )
        return net((event_type.removesuffix(".v1"), amount_minor) for event_type, amount_minor in rows)
