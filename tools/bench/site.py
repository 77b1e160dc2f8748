"""Where a benchmark runs: a stack of its own below a temporary home, each process started only while it is needed."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from shared.messaging.kafka import KafkaBroker
from tools.local_stack.children import inherited
from tools.local_stack.layout import Layout, StackError
from tools.local_stack.services import SERVICES, LocalService
from tools.local_stack.stack import LocalStack

GIVEN: Final = ("TIEOUT_POSTGRES_URL", "TIEOUT_KAFKA_BOOTSTRAP", "TIEOUT_KAFKA_TOPIC_PREFIX")
DEADLINE_S: Final = 120.0
STOP_DEADLINE_S: Final = 30.0
POLL_S: Final = 0.05

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Site:
    """The running parts, and how much work a repetition is."""

    stack: LocalStack
    progress: Progress
    quick: bool
    repetitions: int

    @property
    def broker(self) -> KafkaBroker:
        return KafkaBroker(self.stack.bootstrap, topic_prefix=self.stack.topic_prefix, client_id="bench")

    @property
    def postgres_pid(self) -> int:
        return self.stack.supervisor.pid_of("postgres")

    def admin(self, database: str = "postgres") -> "psycopg.Connection[Any]":
        """A superuser's session."""
        return psycopg.connect(self.database_url(database), autocommit=True)

    def database_url(self, database: str) -> str:
        return self.stack.admin_url.rsplit("/", 1)[0] + "/" + database

    @contextmanager
    def process(self, service: str, role: str, **settings: str) -> Iterator[int]:
        """Run one role of one service as a process of its own, with these settings too; yields its id."""
        known = service_of(service)
        words = [str(Path(sys.executable).parent / known.command), role]
        environment = inherited() | self.stack.environment(known)
        environment |= {known.prefix + name: value for name, value in settings.items()}
        with (self.stack.place.logs / f"bench-{service}-{role}.log").open("ab") as log:
            running = subprocess.Popen(words, env=environment, stdout=log, stderr=subprocess.STDOUT)
            try:
                yield running.pid
                if running.poll() is not None:
                    raise StackError(f"{service} {role} ended by itself; see {log.name}")
            finally:
                running.terminate()
                running.wait(STOP_DEADLINE_S)

    def wait_ready(self, service: str) -> None:
        """Return once the service's HTTP face says that it is ready."""
        wait_until(lambda: self.stack.is_ready(service), f"{service} is ready")


def service_of(name: str) -> LocalService:
    return next(service for service in SERVICES if service.name == name)


def wait_until(
    holds: Callable[[], bool], what: str, *, poll_s: float = POLL_S, within_s: float = DEADLINE_S
) -> None:
    """Poll until something holds; a benchmark that hangs is an error, not a figure."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            raise StackError(f"not within {within_s:.0f} s: {what}")
        time.sleep(poll_s)


@contextmanager
def benchmark_site(progress: Progress, *, quick: bool) -> Iterator[Site]:
    """A fresh stack with databases, topics and a merchant, its services stopped; deleted afterwards."""
    for name in GIVEN:  # only processes of our own can be measured
        os.environ.pop(name, None)
    home = Path(tempfile.mkdtemp(prefix="tieout-bench-"))
    stack = LocalStack(Layout(home))
    try:
        stack.up(progress)
        for service in SERVICES:
            stack.supervisor.stop(service.name)
        yield Site(stack, progress, quick, repetitions=1 if quick else 3)
    finally:
        stack.down()
        shutil.rmtree(home, ignore_errors=True)
