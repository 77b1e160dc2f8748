"""A migrated database of the processor service, with a clock that the test moves."""

from dataclasses import replace
from functools import partial

import pytest

from services.processor.adapters.unit_of_work import AttemptUnitOfWork
from services.processor.app.claim_attempts import claim_attempts
from services.processor.app.ports import Room
from services.processor.app.record_outcomes import Outcome, record_outcomes
from services.processor.domain.policy import Policy
from services.processor.entrypoints.consumer import routes
from shared.kernel.ids import UlidIds
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Transactions
from shared.testing.virtual_clock import VirtualClock

POLICY = Policy(keys_live_s=86_400, ladder_s=(1, 5, 30, 120), visibility_window_s=1, lease_s=60)
QUEUE_S = 300
PENDING_LIMIT_S = 1_000
POLICIES = {
    "alpha": replace(
        POLICY, by_kind={"authorize": replace(POLICY, queue_s=QUEUE_S, pending_limit_s=PENDING_LIMIT_S)}
    )
}


class Service:
    """The service's transactions, driven by hand."""

    def __init__(self, urls):
        self.urls = urls
        self.clock = VirtualClock()
        self.ids = UlidIds()
        self.engine = make_engine(urls.app, application_name="processor-test", pool_size=4)
        self.transactions = Transactions(
            self.engine, AttemptUnitOfWork, source="/tieout/processor", clock=self.clock, ids=self.ids
        )
        self.routes = routes(POLICIES)

    def run(self, work):
        return self.transactions.run(work, name="test")

    def deliver(self, *events):
        def work(uow):
            self.routes.prepare(events, uow)
            for event in events:
                self.routes.handlers[event.topic, event.event_type, 1](event, uow)

        self.run(work)

    def claim(self, owner="w1", limit=100, look_ups=None):
        room = Room(calls=limit, look_ups=limit if look_ups is None else look_ups)
        return self.run(partial(claim_attempts, "alpha", owner=owner, room=room, policies=POLICIES))

    def record(self, *pairs):
        outcomes = [Outcome(held=held, got=got, wait_s=0.5) for held, got in pairs]
        return self.run(partial(record_outcomes, outcomes, policies=POLICIES))

    def query(self, statement, *parameters):
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(statement, parameters or None)]

    def published(self):
        return [
            row[0].removesuffix(".v1")
            for row in self.query("SELECT event_type FROM outbox ORDER BY position")
        ]

    def payloads(self, event_type):
        import orjson

        rows = self.query(
            "SELECT payload FROM outbox WHERE event_type = %s ORDER BY position", event_type + ".v1"
        )
        return [orjson.loads(row[0]) for row in rows]


@pytest.fixture
def service(service_database):
    made = Service(service_database("processor"))
    yield made
    made.engine.dispose()
