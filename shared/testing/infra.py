"""Real PostgreSQL and Kafka for tests, and fresh databases of a service in a few hundredths of a second.

Looked for in this order: the addresses in ``TIEOUT_TEST_POSTGRES_URL`` and ``TIEOUT_TEST_KAFKA_BOOTSTRAP``, containers
where a Docker engine answers, local processes. A test that finds none of them fails; it does not skip.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql

from shared.kernel.ids import UlidIds
from shared.persistence.migrate import migrate
from shared.persistence.provision import ServiceUrls, provision, provision_copy
from shared.testing.passwords import TEST_PASSWORD

if TYPE_CHECKING:
    from shared.testing.operators import TokenFiles

POSTGRES_VARIABLE = "TIEOUT_TEST_POSTGRES_URL"
KAFKA_VARIABLE = "TIEOUT_TEST_KAFKA_BOOTSTRAP"
POSTGRES_IMAGE = os.environ.get("TIEOUT_TEST_POSTGRES_IMAGE", "postgres:17")
KAFKA_IMAGE = os.environ.get("TIEOUT_TEST_KAFKA_IMAGE", "confluentinc/cp-kafka:7.9.1")
STOP_DEADLINE_S = 60

ServiceDatabase = Callable[[str], ServiceUrls]


@pytest.fixture(scope="session")
def infrastructure() -> Iterator[dict[str, str]]:
    """The addresses of PostgreSQL and Kafka, started here if nobody gave them."""
    given = {name: os.environ[name] for name in (POSTGRES_VARIABLE, KAFKA_VARIABLE) if name in os.environ}
    if len(given) == 2:  # noqa: PLR2004  # both of the two
        yield given
    elif _docker_answers():
        yield from _containers()
    else:
        yield from _local_processes()


def _docker_answers() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "info"], capture_output=True, check=False).returncode == 0


def _containers() -> Iterator[dict[str, str]]:
    from testcontainers.kafka import KafkaContainer
    from testcontainers.postgres import PostgresContainer

    with (
        PostgresContainer(POSTGRES_IMAGE, driver=None) as database,
        KafkaContainer(KAFKA_IMAGE).with_kraft() as broker,
    ):
        yield {
            POSTGRES_VARIABLE: database.get_connection_url(),
            KAFKA_VARIABLE: broker.get_bootstrap_server(),
        }


def _local_processes() -> Iterator[dict[str, str]]:
    """Both by way of ``tieout infra``, whose child prints the addresses and holds them until its input closes."""
    child = (
        f"import os, sys; print(os.environ['{POSTGRES_VARIABLE}'], os.environ['{KAFKA_VARIABLE}'], flush=True);"
        "sys.stdin.read()"
    )
    words = [sys.executable, "-m", "tools.cli", "infra", "--", sys.executable, "-c", child]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline().split() if process.stdout is not None else []
            if len(line) != 2:  # noqa: PLR2004  # two addresses
                pytest.fail(
                    "no PostgreSQL and Kafka: neither given, nor a Docker engine, nor local processes started"
                )
            yield {POSTGRES_VARIABLE: line[0], KAFKA_VARIABLE: line[1]}
        finally:
            if process.stdin is not None:
                process.stdin.close()
            process.wait(timeout=STOP_DEADLINE_S)


@pytest.fixture(scope="session")
def postgres_admin_url(infrastructure: dict[str, str]) -> str:
    """A superuser's URL."""
    return infrastructure[POSTGRES_VARIABLE]


@pytest.fixture(scope="session")
def kafka_bootstrap(infrastructure: dict[str, str]) -> str:
    """Bootstrap servers of a broker with topic auto-creation switched off."""
    return infrastructure[KAFKA_VARIABLE]


@pytest.fixture
def topic_prefix() -> str:
    """A prefix nobody else uses, so that tests share one broker."""
    return UlidIds().new("t_") + "."


@pytest.fixture(scope="session")
def _templates(postgres_admin_url: str) -> Iterator[Callable[[str], str]]:
    made: dict[str, str] = {}

    def template(service: str) -> str:
        if service not in made:
            name = f"t_{service[:12]}_{UlidIds().new('')[-12:]}"
            urls = provision(postgres_admin_url, service, name, password=TEST_PASSWORD)
            migrate(urls.owner, service)
            made[service] = name
        return made[service]

    yield template
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        for name in made.values():
            _drop(admin, name)


@pytest.fixture
def service_database(postgres_admin_url: str, _templates: Callable[[str], str]) -> Iterator[ServiceDatabase]:
    """A function that makes a fresh, migrated database of a service and returns the URLs of its roles."""
    made: list[str] = []

    def fresh(service: str) -> ServiceUrls:
        template = _templates(service)
        name = f"d_{service[:12]}_{UlidIds().new('')[-12:]}"
        with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
            admin.execute(
                # Files are copied as they are: what is dropped again within a second need not go through the log.
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        made.append(name)
        return provision_copy(postgres_admin_url, service, name, password=TEST_PASSWORD)

    yield fresh
    with psycopg.connect(postgres_admin_url, autocommit=True) as admin:
        for name in made:
            _drop(admin, name)


def _drop(admin: psycopg.Connection, name: str) -> None:
    admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def operators(tmp_path_factory: pytest.TempPathFactory) -> "TokenFiles":
    """Operators of command lines: a token file for whoever is named, and the key that verifies it."""
    from shared.testing.operators import TokenFiles

    return TokenFiles(tmp_path_factory.mktemp("operators"))
