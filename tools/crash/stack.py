"""A local stack that can be hurt: leases short enough to be outlived, orders to die, pauses, second copies."""

import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg
from psycopg import sql

from shared.kernel.crash_points import ALLOWED, ORDER_FILE_VARIABLE, TAKEN_SUFFIX
from shared.testing.waiting import eventually
from tools.auditor.addresses import Addresses
from tools.auditor.audit import Report, audit
from tools.auditor.model import Invariant
from tools.auditor.watching import LiveAudits
from tools.local_stack.children import inherited
from tools.local_stack.layout import Layout
from tools.local_stack.services import SERVICES, LocalService
from tools.local_stack.stack import LocalStack

READY_S: Final = 120.0
DRAIN_S: Final = 90.0
PARTS: Final = ("postgres", "kafka")
_ON_KAFKA: Final = {"RELAY_LEASE_S": "2", "KAFKA_SESSION_TIMEOUT_S": "3"}
SETTINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "payment": {**_ON_KAFKA, "KEY_LEASE_MARGIN_S": "2"},
    "processor": {
        **_ON_KAFKA,
        "ALPHA_TIMEOUT_S": "1",
        "BETA_TIMEOUT_S": "1",
        "LEASE_S": "3",
        "LEASE_MARGIN_S": "0.5",
        "ALPHA_VISIBILITY_WINDOW_S": "0.2",
        "ALPHA_ABSENCE_WINDOW_S": "3",
        "LOOK_UP_LADDER_S": "0.5,1,2,5,30,120,600,3600",
        "FEED_INTERVAL_S": "2",
    },
    "webhook_ingest": _ON_KAFKA,
    "ledger": _ON_KAFKA,
    "risk": _ON_KAFKA,
    "reconciliation": _ON_KAFKA,
    "sandbox": {"ALPHA_HANG_S": "2", "ALPHA_WEBHOOK_LEASE_S": "3"},
}
"""Every lease is short, so that the one who comes after a dead process takes over within seconds."""


@dataclass(frozen=True, slots=True)
class SecondCopy:
    """A process of a service beside the supervised one."""

    process: subprocess.Popen[bytes]
    log: Path

    def is_ready(self) -> bool:
        """Whether its roles have begun."""
        if self.process.poll() is not None:
            raise RuntimeError(
                f"the second copy ended with {self.process.returncode}: {self.log.read_text()[-500:]}"
            )
        return '"event":"started"' in self.log.read_text()


class FragileStack(LocalStack):
    """One stack for a whole suite."""

    def __init__(self, home: Path) -> None:
        super().__init__(Layout(home), extra_settings={name: dict(own) for name, own in SETTINGS.items()})

    def environment(self, service: LocalService) -> dict[str, str]:
        """Every supervised process looks for an order to die."""
        orders = {ORDER_FILE_VARIABLE: str(self._order(service.name))}
        return {**super().environment(service), **ALLOWED, **orders}

    def _order(self, service: str) -> Path:
        return self.place.home / f"{service}.order"

    # -- dying at a point ------------------------------------------------------------------------------------------

    def order_death(self, service: str, point: str) -> None:
        """The next thread of this service that passes the point takes its process along."""
        order = self._order(service)
        order.with_suffix(TAKEN_SUFFIX).unlink(missing_ok=True)
        draft = order.with_suffix(".draft")
        draft.write_text(point)
        draft.rename(order)

    def withdraw_order(self, service: str) -> None:
        """Nobody dies of it any more."""
        self._order(service).unlink(missing_ok=True)

    def order_was_taken(self, service: str) -> bool:
        """Whether a process has reached the point."""
        return self._order(service).with_suffix(TAKEN_SUFFIX).exists()

    def kills_seen(self, program: str) -> int:
        """How often the supervisor saw this program end by SIGKILL."""
        log = (self.place.logs / "supervisord.log").read_text()
        return len(re.findall(rf"exited: {program} \(terminated by SIGKILL", log))

    def wait_until_back(self, *services: str) -> None:
        """Return once these services are ready again."""
        for service in services:
            eventually(
                partial(self.is_ready, service),
                timeout_s=READY_S,
                interval_s=0.05,
                describe=f"{service} came back; its log: {self.place.logs / service}.log",
            )

    # -- pausing, second copies, killing all -----------------------------------------------------------------------

    @contextmanager
    def paused(self, service: str) -> Iterator[None]:
        """SIGSTOP, and SIGCONT at the end."""
        self.suspend(service)
        try:
            yield
        finally:
            self.resume(service)

    def suspend(self, service: str) -> None:
        """SIGSTOP."""
        psutil.Process(self.supervisor.pid_of(service)).suspend()

    def resume(self, service: str) -> None:
        """SIGCONT; nothing if it is not paused."""
        psutil.Process(self.supervisor.pid_of(service)).resume()

    @contextmanager
    def stopped(self, service: str) -> Iterator[None]:
        """Without a service, which is there again afterwards."""
        self.supervisor.stop(service)
        try:
            yield
        finally:
            self.supervisor.start(service)

    @contextmanager
    def second_copy(self, service: str, *roles: str) -> Iterator[SecondCopy]:
        """Run the same service once more with the same settings, on a port of its own; all roles if none is named."""
        found = _service(service)
        environment = super().environment(found) | {f"{found.prefix}HTTP_PORT": "0"}
        log = self.place.logs / f"{service}-second.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(Path(sys.executable).parent / found.command), "run", *roles],
                env=inherited() | environment, stdout=output, stderr=output,
            )  # fmt: skip
        copy = SecondCopy(process, log)
        try:
            eventually(copy.is_ready, timeout_s=READY_S, describe=f"the second {service} started")
            yield copy
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=READY_S)

    def kill_everything(self) -> None:
        """SIGKILL every process under the supervisor at once, backends of PostgreSQL and all."""
        doomed = [
            process
            for program in (*PARTS, *(service.name for service in SERVICES))
            for process in _family(self.supervisor.pid_of(program))
        ]
        for process in doomed:
            process.kill()

    def renew(self) -> None:
        """Begin again with empty books: what one round broke must not fail the next one."""
        self.down()
        self.remove_data()
        for merchant in self.place.secrets.glob("merchant*.json"):
            merchant.unlink()
        self.up(lambda _: None)

    # -- looking ---------------------------------------------------------------------------------------------------

    @cached_property
    def addresses(self) -> Addresses:
        """Where the auditor looks."""
        return Addresses(self.reader_urls(), self.bootstrap, self.topic_prefix)

    def audit(self) -> Report:
        """Wait until everything is delivered, then ask every invariant."""
        return audit(self.addresses, drained=True, deadline_s=DRAIN_S)

    def live_audits(self) -> LiveAudits:
        """What must hold at any moment, asked while it lasts."""
        return LiveAudits(self.addresses)

    def rows(self, service: str, query: str) -> list[tuple[Any, ...]]:
        """Read from a service's database with its reader's role."""
        with psycopg.connect(self.addresses.database(service)) as connection:
            return connection.execute(sql.SQL(query)).fetchall()

    def count(self, service: str, table: str) -> int:
        """How many rows a table has."""
        return int(self.rows(service, f"SELECT count(*) FROM {table}")[0][0])

    def remove_data(self) -> None:
        """Delete what the servers stored; the logs stay, for whoever has to find out why something failed."""
        shutil.rmtree(self.place.postgres_data, ignore_errors=True)
        shutil.rmtree(self.place.kafka_data, ignore_errors=True)

    def log_tail(self, service: str, characters: int = 1_500) -> str:
        """The end of a service's log."""
        return (self.place.logs / f"{service}.log").read_text()[-characters:]


def _service(name: str) -> LocalService:
    return next(service for service in SERVICES if service.name == name)


def _family(pid: int) -> list[psutil.Process]:
    if pid == 0:
        return []
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def broken(report: Report) -> dict[str, object]:
    """What does not hold, for a test's message."""
    return in_short(item for item in report.invariants if not item.holds)


def in_short(invariants: Iterable[Invariant]) -> dict[str, object]:
    """The first rows of each, by its name."""
    return {item.name: item.violations[:5] or item.explanation for item in invariants}
