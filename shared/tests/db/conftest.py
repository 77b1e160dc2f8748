"""A service that exists only in these tests, on databases of its own."""

from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.persistence.engine import make_engine
from shared.persistence.migrate import migrate
from shared.persistence.provision import provision, provision_copy
from shared.persistence.unit_of_work import Transactions, UnitOfWork
from shared.testing.passwords import TEST_PASSWORD

PROBE_MIGRATIONS = Path(__file__).parent / "probe_migrations"


@dataclass(frozen=True)
class Said:
    event_type: str
    data_schema: str
    payload: bytes


def say(topic, event):
    """A contract check that accepts every text."""
    return Said("Said.v1", f"/schemas/events/{topic}/Said.v1.json", event.encode())


class Probe:
    """Engines and transactions on one database, closed at the end of the test."""

    def __init__(self, urls):
        self.urls = urls
        self.engines = []

    def engine(self, kind="app", **options):
        return self.engine_at(getattr(self.urls, kind), **options)

    def engine_at(self, url, **options):
        made = make_engine(url, application_name="probe-test", **options)
        self.engines.append(made)
        return made

    def transactions(self, engine=None, **options):
        options.setdefault("encode", say)
        options.setdefault("clock", SystemClock())
        return Transactions(
            engine or self.engine(), UnitOfWork, source="/tieout/probe", ids=UlidIds(), **options
        )

    def rows(self, query, kind="owner"):
        with self.engine(kind, pool_size=1).connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query)]


@pytest.fixture(scope="session")
def probe_template(postgres_admin_url):
    name = "t_probe_" + UlidIds().new("")[-12:]
    urls = provision(postgres_admin_url, "probe", name, password=TEST_PASSWORD)
    migrate(urls.owner, "probe", folder=PROBE_MIGRATIONS)
    yield name
    drop(postgres_admin_url, name)


@pytest.fixture
def empty_database(postgres_admin_url):
    """The name of a database that nobody has made yet."""
    name = "e_probe_" + UlidIds().new("")[-12:]
    yield name
    drop(postgres_admin_url, name)


@pytest.fixture
def probe(postgres_admin_url, probe_template):
    name = "d_probe_" + UlidIds().new("")[-12:]
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        admin.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(probe_template)
            )
        )
    made = Probe(provision_copy(postgres_admin_url, "probe", name, password=TEST_PASSWORD))
    yield made
    for engine in made.engines:
        engine.dispose()
    drop(postgres_admin_url, name)


def drop(admin_url, name):
    with psycopg.connect(admin_url, autocommit=True) as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
