"""A fresh, migrated risk database per test, and the ways to write into it: by our code, and by plain SQL."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa

from services.risk.adapters.rule_sets import RulesInMemory
from services.risk.adapters.unit_of_work import unit_of_work_builder
from services.risk.app.change_rules import approve_rule_set, propose_rule_set
from services.risk.app.decide_operation import AskedOperation, decide_operation, load_batch
from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.kernel.operators import Actor
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Transactions

ADA = Actor(name="ada", role="operator")
BOB = Actor(name="bob", role="approver")


class Desk:
    """The real unit of work on a real database, without a broker in front."""

    def __init__(self, engine):
        self.engine = engine
        self.ids = UlidIds()
        self.transactions = Transactions(
            engine,
            unit_of_work_builder(RulesInMemory()),
            source="/tieout/risk",
            clock=SystemClock(),
            ids=self.ids,
        )

    def run(self, work):
        return self.transactions.run(work, name="test")

    def put_in_force(self, **document):
        proposed = self.run(lambda uow: propose_rule_set(document, "a test", ADA, uow))
        self.run(lambda uow: approve_rule_set(proposed.version, "a test", BOB, uow))
        return proposed.version

    def ask(self, *attempts, waits=True):
        """Judge these as one batch; returns their decisions in order."""
        asked = [
            AskedOperation(attempt=attempt, cause_event_id=self.ids.new("evt_"), waits=waits)
            for attempt in attempts
        ]

        def work(uow):
            load_batch(asked, uow)
            for operation in asked:
                decide_operation(operation, uow)

        self.run(work)
        return [self.decision(attempt) for attempt in attempts]

    def decision(self, attempt):
        rows = self.rows("SELECT decision FROM decisions WHERE operation_id = :id", id=attempt.operation_id)
        return rows[0][0] if rows else None

    def rows(self, query, **values):
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query), values)]


@pytest.fixture
def risk_urls(service_database):
    return service_database("risk")


@pytest.fixture
def desk(risk_urls):
    engine = make_engine(risk_urls.app, application_name="risk-test", pool_size=8)
    yield Desk(engine)
    engine.dispose()


@pytest.fixture
def app_sql(risk_urls):
    """Plain SQL as the application role, as somebody would type it."""
    with psycopg.connect(risk_urls.app) as connection:
        yield connection
