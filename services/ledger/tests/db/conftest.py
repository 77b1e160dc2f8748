"""A fresh, migrated ledger database per test, and the ways to write into it: by our code, and by plain SQL."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import psycopg
import pytest
import sqlalchemy as sa
from msgspec.structs import replace

from services.ledger.adapters.accounts import AccountDirectory
from services.ledger.adapters.read_models import SqlBooksReader
from services.ledger.adapters.unit_of_work import unit_of_work_builder
from services.ledger.entrypoints.consumer import ROUTES
from services.ledger.tests.streams import Stream
from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Transactions

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
HANDLERS = {event_type: handler for (_, event_type, _), handler in ROUTES.handlers.items()}


@dataclasses.dataclass(frozen=True)
class Told:
    """An event as the consumer hands it over."""

    event_id: str
    event_type: str
    data: object
    version: int = 1
    time: datetime = NOW


class Ledger:
    """The real unit of work on a real database, without a broker in front."""

    def __init__(self, engine, accounts=None):
        """``accounts``: the memory of accounts that a process has; one of its own unless given."""
        self.ids = UlidIds()
        self.engine = engine
        self.reader = SqlBooksReader(engine)
        self.transactions = Transactions(
            engine,
            unit_of_work_builder(accounts or AccountDirectory()),
            source="/tieout/ledger",
            clock=SystemClock(),
            ids=self.ids,
        )

    def tell(self, *payloads, event_ids=None, lose_after_flush=False, time=None):
        """Book these payloads as one batch, as of ``time`` if one is given; returns the events."""
        if time is not None:
            payloads = [
                replace(data, effective_at=time) if hasattr(data, "effective_at") else data
                for data in payloads
            ]
        events = [
            Told(
                event_id or self.ids.new("evt_"),
                type(data).__name__.removesuffix("V1"),
                data,
                time=time or NOW,
            )
            for data, event_id in zip(payloads, event_ids or [None] * len(payloads), strict=True)
        ]

        def work(uow):
            ROUTES.prepare(events, uow)
            for event in events:
                HANDLERS[event.event_type](event, uow)
            if lose_after_flush:
                uow.flush()
                raise ConnectionError("lost before COMMIT")

        self.transactions.run(work, name="test")
        return events

    def rows(self, query):
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    def balances(self):
        accounts = self.reader.account_balances(family=None, owner=None, currency=None, after=0, limit=10_000)
        return {(a.family, a.owner, a.currency): a.balance_minor for a in accounts if a.balance_minor}


@pytest.fixture
def ledger_urls(service_database):
    return service_database("ledger")


@pytest.fixture
def ledger(ledger_urls):
    engine = make_engine(ledger_urls.app, application_name="ledger-test", pool_size=4)
    yield Ledger(engine)
    engine.dispose()


@pytest.fixture
def stream(ledger):
    return Stream(ledger)


@pytest.fixture
def app_sql(ledger_urls):
    """Plain SQL as the application role, as somebody would type it."""
    with psycopg.connect(ledger_urls.app) as connection:
        yield connection
