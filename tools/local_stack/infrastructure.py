"""A throw-away PostgreSQL and Kafka for tests: started, named in the environment, stopped and deleted."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tools.local_stack import kafka, postgres
from tools.local_stack.layout import Layout, StackError, remembered_ports
from tools.local_stack.secret_store import SecretStore
from tools.local_stack.supervision import Program, Supervisor, write_config

POSTGRES_VARIABLE = "TIEOUT_TEST_POSTGRES_URL"
KAFKA_VARIABLE = "TIEOUT_TEST_KAFKA_BOOTSTRAP"
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - looked for, not relied on
ENOUGH_BYTES: Final = 8 << 30
"""PostgreSQL's log may take 2 GB of it; the databases and topics of tests are small and soon gone."""


@contextmanager
def throw_away_infrastructure(
    home: Path | None = None, *, in_memory: bool = False
) -> Iterator[dict[str, str]]:
    """Yield the variables that name a fresh PostgreSQL and Kafka; given ones are kept and nothing is started.

    ``in_memory`` is for many small databases: their files are in memory where it has room for them.
    """
    given = [name for name in (POSTGRES_VARIABLE, KAFKA_VARIABLE) if os.environ.get(name)]
    if len(given) == 1:
        raise StackError(
            f"{given[0]} is set alone; set {POSTGRES_VARIABLE} and {KAFKA_VARIABLE}, or neither to have both started"
        )
    if given:
        yield {}
        return
    folder = home or Path(
        tempfile.mkdtemp(prefix="tieout-test-", dir=_room_in_memory() if in_memory else None)
    )
    place = Layout(folder)
    place.prepare()
    store = SecretStore(place)
    ports = remembered_ports(place, ["supervisor", "postgres", "kafka", "kafka_controller"])
    password = store.text("postgres_superuser_password")
    postgres.initialise(place, password)
    kafka.initialise(place, port=ports["kafka"], controller_port=ports["kafka_controller"])
    write_config(
        place,
        [
            Program(
                "postgres",
                postgres.server_command(place, ports["postgres"], **postgres.FOR_TESTS),
                starts_itself=True,
                stop_signal="INT",
            ),
            Program("kafka", kafka.server_command(place), starts_itself=True),
        ],
        control_port=ports["supervisor"],
        control_password=store.text("supervisor"),
    )
    supervisor = Supervisor(
        place, control_port=ports["supervisor"], control_password=store.text("supervisor")
    )
    try:
        supervisor.launch()
        url, bootstrap = postgres.admin_url(ports["postgres"], password), f"127.0.0.1:{ports['kafka']}"
        postgres.wait_until_ready(url)
        kafka.wait_until_ready(bootstrap)
        yield {POSTGRES_VARIABLE: url, KAFKA_VARIABLE: bootstrap}
    finally:
        supervisor.shut_down()
        if home is None:
            shutil.rmtree(folder, ignore_errors=True)


def _room_in_memory() -> Path | None:
    """Where databases of a thousand files each are made and dropped fastest; None without enough room."""
    if os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= ENOUGH_BYTES:
        return MEMORY
    return None
