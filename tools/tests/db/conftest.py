"""The databases that the auditor is shown: a tiny history in all of them, its topics, and how violations are planted."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest

from shared.kernel.ids import UlidIds
from shared.messaging.kafka import KafkaBroker
from shared.messaging.topics import create_topics
from shared.persistence.migrate import migrate
from shared.persistence.provision import provision
from tools.auditor.addresses import Addresses
from tools.auditor.audit import Report, audit
from tools.auditor.copying import copy_books, copy_inboxes
from tools.auditor.payments import own_legal_rows
from tools.auditor.registry import CHECKS
from tools.auditor.scratch import Scratch
from tools.auditor.topics import copy_contract
from tools.tests.db.planted_violations import Plant
from tools.tests.db.tiny_history import TinyHistory
from tools.tests.db.tiny_rows import SERVICES

PASSWORD = "tieout-test"


@dataclass(frozen=True)
class Bench:
    """The databases with the tiny history in them, and its topics."""

    history: TinyHistory
    addresses: Addresses
    admin: dict[str, str]

    def audit(self, *, drained: bool = True) -> Report:
        return audit(self.addresses, drained=drained, deadline_s=0)

    def broken_without_brokers(self) -> set[str]:
        """What an audit reports where the topics are as the history told them; liveness is not asked."""
        with closing(Scratch()) as scratch:
            copy_contract(scratch)
            scratch.fill("own_legal", own_legal_rows())
            copy_inboxes(self.addresses, scratch)
            scratch.fill("records", self.history.as_read())
            copy_books(self.addresses, scratch)
            scratch.finish()
            return {check.name for check in CHECKS if not scratch.ask(check).holds}

    def broken(self, *, drained: bool = True) -> set[str]:
        return {found.name for found in self.audit(drained=drained).invariants if not found.holds}

    def broken_by(self, case: Plant, *, brokers: bool = True) -> set[str]:
        """What an audit reports of it; everything is whole again afterwards."""
        self.plant(case.service, *case.sql)
        try:
            return self.broken() if brokers else self.broken_without_brokers()
        finally:
            self.history.write(case.service, self.admin[case.service])

    def plant(self, service: str, *statements: str) -> None:
        with psycopg.connect(self.admin[service]) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                changed = connection.execute(statement.encode()).rowcount
                assert changed != 0, f"plants nothing: {statement}"


@pytest.fixture(scope="session")
def databases(postgres_admin_url: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    suffix = UlidIds().new("")[-12:]
    readers: dict[str, str] = {}
    admin: dict[str, str] = {}
    for service in SERVICES:
        name = f"d_audit_{service[:8]}_{suffix}"
        urls = provision(postgres_admin_url, service, name, password=PASSWORD)
        migrate(urls.owner, service)
        readers[service] = urls.reader
        admin[service] = postgres_admin_url.rpartition("/")[0] + "/" + name
        _take_guards_down(admin[service])
    yield readers, admin
    with psycopg.connect(postgres_admin_url, autocommit=True) as connection:
        for url in admin.values():
            connection.execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)".encode())


def _take_guards_down(admin_url: str) -> None:
    """What the guards refuse even to a superuser is what the auditor has to find."""
    with psycopg.connect(admin_url) as connection:
        guarded = "SELECT DISTINCT tgrelid::regclass::text FROM pg_trigger WHERE tgenabled = 'A'"
        for (table,) in connection.execute(guarded).fetchall():
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())


@pytest.fixture(scope="session")
def books(databases) -> Bench:
    """The databases alone; their topics are what the history told."""
    readers, admin = databases
    made = Bench(TinyHistory(), Addresses(readers, "no brokers"), admin)
    for service in SERVICES:
        made.history.write(service, admin[service])
    return made


@pytest.fixture(scope="session")
def bench(books: Bench, kafka_bootstrap: str) -> Bench:
    prefix = UlidIds().new("t_") + "."
    create_topics(KafkaBroker(kafka_bootstrap, topic_prefix=prefix))
    books.history.publish(kafka_bootstrap, prefix)
    books.history.commit_all(kafka_bootstrap, prefix)
    return Bench(books.history, Addresses(books.addresses.postgres, kafka_bootstrap, prefix), books.admin)


@pytest.fixture
def elsewhere(bench: Bench, topic_prefix: str) -> Bench:
    """The same databases beside topics of this test's own, still empty."""
    create_topics(KafkaBroker(bench.addresses.kafka_bootstrap, topic_prefix=topic_prefix))
    addresses = Addresses(bench.addresses.postgres, bench.addresses.kafka_bootstrap, topic_prefix)
    return Bench(bench.history, addresses, bench.admin)
