"""Payment and ledger chained as in life: handlers, relay, consumer loops and PostgreSQL are real, the broker is in memory."""

from __future__ import annotations

import hashlib
from collections import Counter
from datetime import UTC, datetime

import sqlalchemy as sa

from schemas.catalogue import TOPICS, encode
from schemas.generated import AttemptAnsweredV1, FactV1, LookedUpV1, WebhookFactReceivedV1
from services.ledger.adapters.accounts import AccountDirectory
from services.ledger.adapters.unit_of_work import unit_of_work_builder
from services.ledger.domain.chart import balance_on_normal_side
from services.ledger.entrypoints.consumer import ROUTES as LEDGER_ROUTES
from services.payment.domain.facts import Fact
from services.payment.domain.payment import Payment
from services.payment.domain.pricing import Price
from services.payment.entrypoints.consumer import ROUTES as PAYMENT_ROUTES
from services.payment.tests.db.stand import Stand
from services.payment.tests.world import MERCHANT
from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.kernel.jitter import Jitter
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.envelope import write_headers
from shared.messaging.memory import MemoryBroker
from shared.messaging.relay import Relay
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Transactions

IDS = UlidIds()


def told_fact(what: Fact) -> FactV1:
    """A fact as the contract carries it."""
    values = {name: getattr(what, name) for name in Fact.__dataclass_fields__ if name != "object_type"}
    return FactV1(**values, object_type=what.object_type.value)


def webhook(what: Fact) -> WebhookFactReceivedV1:
    return WebhookFactReceivedV1(
        delivery_id=IDS.new("whd_"),
        processor=what.processor,
        account=what.account,
        processor_event_id=IDS.new("evt_"),
        fact=told_fact(what),
        received_at=datetime.now(UTC),
    )


def answered(payment_id, operation, result, *facts, next_check_at=None, **changes) -> AttemptAnsweredV1:
    return AttemptAnsweredV1(
        payment_id=payment_id,
        operation_id=operation.operation_id,
        attempt_id=IDS.new("att_"),
        kind=operation.type.value,
        processor=operation.processor,
        account=operation.account,
        result=result,
        will_retry=False,
        facts=tuple(told_fact(what) for what in facts),
        answered_at=datetime.now(UTC),
        next_check_at=next_check_at,
        **changes,
    )


def looked_up(payment_id, operation, *facts, next_check_at=None) -> LookedUpV1:
    return LookedUpV1(
        payment_id=payment_id,
        operation_id=operation.operation_id,
        kind=operation.type.value,
        processor=operation.processor,
        account=operation.account,
        rung=0,
        result="found" if facts else "not_found",
        facts=tuple(told_fact(what) for what in facts),
        looked_up_at=datetime.now(UTC),
        next_check_at=next_check_at,
    )


class Chain:
    """Everything between a fact and the books; :meth:`drain` lets it all arrive."""

    def __init__(self, service_database) -> None:
        payment, ledger = service_database("payment"), service_database("ledger")
        self.stand = Stand(payment)
        self.broker = MemoryBroker()
        for topic in TOPICS.values():
            self.broker.ensure_topic(topic.name, partitions=topic.partitions, settings={})
        self.books = make_engine(ledger.app, application_name="ledger-test", pool_size=2)
        self._relay_engine = make_engine(payment.relay, application_name="relay-test", pool_size=2)
        clock, jitter = SystemClock(), Jitter()
        self.relay = Relay(
            self._relay_engine,
            self.broker,
            owner_id="r",
            clock=clock,
            jitter=jitter,
            listen_channel=None,
            lease_ttl_s=600,  # it only turns when the test drains
        )
        posting = Transactions(
            self.books,
            unit_of_work_builder(AccountDirectory()),
            source="/tieout/ledger",
            clock=clock,
            ids=IDS,
        )
        self.members = []
        for transactions, routes in ((self.stand.transactions, PAYMENT_ROUTES), (posting, LEDGER_ROUTES)):
            loop = ConsumerLoop(self.broker, transactions, routes, clock=clock, jitter=jitter)
            self.members.append((loop, self._subscribed(loop)))
        self._versions = Counter()

    def close(self) -> None:
        self.relay.abandon()
        for engine in (self._relay_engine, self.books):
            engine.dispose()
        self.stand.close()

    def agree_price(self, price: Price) -> None:
        """The merchant's price for payments created from now on."""

        def work(uow):
            if not uow.merchants.exists(MERCHANT):
                uow.merchants.add(MERCHANT, "A shop")
            uow.merchants.add_prices(MERCHANT, ["EUR"], price, uow.now)

        self.stand.run(work)

    def payments(self, payment_ids) -> list[Payment]:
        """As stored, in the order asked for."""

        def load(uow):
            uow.payments.lock_many(payment_ids)
            return [uow.payments.locked(payment_id) for payment_id in payment_ids]

        return self.stand.run(load)

    def publish(self, key: str, *payloads) -> None:
        """As webhook ingest's and the processor service's relays would."""
        producer = self.broker.make_producer()
        for data in payloads:
            topic = "webhook.events" if isinstance(data, WebhookFactReceivedV1) else "processor.events"
            self._versions[topic, key] += 1
            encoded = encode(topic, data)
            row = {
                "event_id": IDS.new("evt_"),
                "event_type": encoded.event_type,
                "source": "/tieout/test",
                "event_time": datetime.now(UTC),
                "data_schema": encoded.data_schema,
                "cause_id": "test",
                "stream_version": self._versions[topic, key],
                "subject": None,
                "traceparent": None,
                "payload_sha256": hashlib.sha256(encoded.payload).digest(),
            }
            producer.produce(
                topic, key=key.encode(), value=encoded.payload, headers=write_headers(row), on_delivery=_sure
            )
        producer.flush(1)

    def consume(self) -> None:
        """Let payment take in everything that was published."""
        self._turn_until_idle(self.members[0])

    def drain(self) -> None:
        """Payment, relay, ledger, until nothing moves."""
        self.consume()
        while self.stand.rows("SELECT 1 FROM outbox WHERE sent_at IS NULL LIMIT 1"):
            self.relay.turn(0)
        self._turn_until_idle(self.members[1])

    def deliver_all_again(self) -> None:
        """Lose the offsets of both groups: every record comes once more."""
        for name in ("payment", "ledger"):
            self.broker.forget_offsets(name)
        for number, (loop, member) in enumerate(self.members):
            member.close()
            self.members[number] = (loop, self._subscribed(loop))
        self.drain()

    def entries(self, sql: str) -> list[tuple]:
        with self.books.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(sql))]

    def balances(self) -> dict[str, dict[tuple[str, str], int]]:
        """Per payment, what its entries sum to on each family and currency, on the normal side."""
        rows = self.entries(
            "SELECT j.payment_id, a.family, a.currency,"
            " coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'debit'), 0),"
            " coalesce(sum(e.amount_minor) FILTER (WHERE e.side = 'credit'), 0)"
            " FROM journals j JOIN entries e ON e.journal_position = j.position"
            " JOIN accounts a USING (account_id) GROUP BY 1, 2, 3"
        )
        found: dict[str, dict[tuple[str, str], int]] = {}
        for payment_id, family, currency, debit, credit in rows:
            balance = balance_on_normal_side(family, int(debit), int(credit))
            if balance:
                found.setdefault(payment_id, {})[family, currency] = balance
        return found

    def open_items(self) -> list[tuple]:
        """Clearing keys of transitional accounts that have not returned to zero."""
        return self.entries(
            "SELECT a.family, e.clearing_key,"
            " sum(CASE e.side WHEN 'debit' THEN e.amount_minor ELSE -e.amount_minor END)::bigint AS net"
            " FROM entries e JOIN accounts a USING (account_id) WHERE e.clearing_key IS NOT NULL GROUP BY 1, 2"
            " HAVING sum(CASE e.side WHEN 'debit' THEN e.amount_minor ELSE -e.amount_minor END) <> 0"
        )

    def nets(self) -> dict[str, dict[str, int]]:
        """Per payment, the net of each rule over its facts: a journal and its reversal make nothing."""
        rows = self.entries(
            "SELECT payment_id, replace(rule, '_reversed', ''),"
            " sum(CASE WHEN reverses_position IS NULL THEN amount_minor ELSE -amount_minor END)::bigint"
            " FROM journals GROUP BY 1, 2"
        )
        found: dict[str, dict[str, int]] = {}
        for payment_id, rule, net in rows:
            if net:
                found.setdefault(payment_id, {})[rule] = net
        return found

    def _subscribed(self, loop):
        member = self.broker.make_consumer(loop.subscription.consumer)
        member.subscribe(loop.subscription.topics, on_assign=_see, on_revoke=_see, on_lost=_see)
        return member

    @staticmethod
    def _turn_until_idle(member) -> None:
        loop, consumer = member
        while loop.turn(consumer, 0) or any(consumer.lag().values()):
            pass


def _sure(failure) -> None:
    assert failure is None


def _see(_partitions) -> None:
    """Nothing is in flight between turns."""
