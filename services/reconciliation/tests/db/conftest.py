"""A migrated database per test, and the real unit of work on it."""

from __future__ import annotations

import psycopg
import pytest
import sqlalchemy as sa

from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.bootstrap import build
from services.reconciliation.settings import ReconciliationSettings
from services.reconciliation.tests.office import Office
from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Transactions
from shared.runtime.operator_tokens import new_key_pair
from shared.runtime.settings import load_settings
from shared.testing.serving import served


class Desk:
    """The real unit of work on a real database, without a broker in front."""

    def __init__(self, engine):
        self.engine = engine
        self.ids = UlidIds()
        self.transactions = Transactions(
            engine,
            ReconciliationUnitOfWork,
            source="/tieout/reconciliation",
            clock=SystemClock(),
            ids=self.ids,
        )

    def run(self, work):
        return self.transactions.run(work, name="test")

    def rows(self, query, **values):
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query), values)]


@pytest.fixture
def reconciliation_urls(service_database):
    return service_database("reconciliation")


@pytest.fixture
def desk(reconciliation_urls):
    engine = make_engine(reconciliation_urls.app, application_name="reconciliation-test", pool_size=8)
    yield Desk(engine)
    engine.dispose()


@pytest.fixture
def app_sql(reconciliation_urls):
    """Plain SQL as the application role, as somebody would type it."""
    with psycopg.connect(reconciliation_urls.app) as connection:
        yield connection


@pytest.fixture
def terminal(reconciliation_urls, operators):
    """The settings of a command line that knows ``operators``."""
    return {
        "RECONCILIATION_DATABASE_URL": reconciliation_urls.app,
        "RECONCILIATION_OPERATOR_PUBLIC_KEY": operators.public_key,
    }


@pytest.fixture
def office(reconciliation_urls):
    private, public = new_key_pair()
    environment = {
        "RECONCILIATION_DATABASE_URL": reconciliation_urls.app,
        "RECONCILIATION_OPERATOR_PUBLIC_KEY": public,
    }
    runtime = build(load_settings(ReconciliationSettings, environment))
    try:
        with served(runtime.app()) as server:
            yield Office(server, private)
    finally:
        runtime.close()
