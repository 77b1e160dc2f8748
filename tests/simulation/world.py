"""The world of one seed: every service's real processes, the sandbox outside, the broker, the clock, and the faults."""

import asyncio
import contextvars
import random
import threading
from datetime import datetime
from functools import cache
from typing import Any

from services.ledger.bootstrap import build as build_ledger
from services.payment.bootstrap import build as build_payment
from services.processor.bootstrap import build as build_processor
from services.reconciliation.bootstrap import build as build_reconciliation
from services.risk.bootstrap import build as build_risk
from services.webhook_ingest.bootstrap import build as build_webhook_ingest
from shared.kernel import crash_points
from shared.kernel.ids import UlidIds
from shared.messaging.broker import Record
from shared.messaging.memory import MemoryBroker
from shared.runtime import problems
from shared.runtime.operations import Act
from shared.runtime.operator_tokens import new_key_pair
from shared.testing.virtual_clock import VirtualClock
from tests.simulation.circumstances import Circumstances
from tests.simulation.constellations import Constellation
from tests.simulation.faults import Faults, SimulatedCrash, lose_answer
from tests.simulation.history import History
from tests.simulation.keys import EndingKeys
from tests.simulation.mishaps import Mishaps
from tests.simulation.network import ConnectionLost, ConnectionRefused, Reply, ask
from tests.simulation.outside import Outside
from tests.simulation.pace import calm
from tests.simulation.process import CURRENT, Process
from tests.simulation.settings import settings_of
from tests.simulation.storage import Storage

FAULTS_LAST_S = 40.0
DRAIN_LIMIT_S = 900.0
LOOK_EVERY_S = 5.0
CALM = 3.0
"""How much longer everybody rests who is woken when there is something to do, once no wake-up is lost any more; and the
least time in seconds between two looks of those who are not.
"""
REDRIVE = Act(actor="operator", reason="a new deployment", role="operator")
BUILDERS = {
    "payment": build_payment,
    "processor": build_processor,
    "webhook_ingest": build_webhook_ingest,
    "ledger": build_ledger,
    "risk": build_risk,
    "reconciliation": build_reconciliation,
}
ALONE = ("webhook_ingest", "risk", "reconciliation")
"""Services that have one process: a second one adds nothing that the others do not have."""


@cache
def _operator_keys() -> tuple[str, str]:
    return new_key_pair()


class _Clock(VirtualClock):
    """The virtual clock, which the databases follow."""

    def __init__(self, storage: Storage, start: datetime) -> None:
        super().__init__(start)
        self._storage = storage
        storage.started_at = start
        storage.tell_time(self)

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self._storage.tell_time(self)


class World:
    """Everything there is, made from a seed and a storage."""

    def __init__(self, seed: int, storage: Storage) -> None:
        self.seed = seed
        self.storage = storage
        self.chance = random.Random(f"world {seed}")
        self.constellation = Constellation(self, random.Random(f"constellation {seed}"))
        self.circumstances = self.constellation.of(
            Circumstances.drawn(
                random.Random(f"circumstances {seed}"),
                [merchant.merchant_id for merchant in storage.merchants],
            )
        )
        self.clock = _Clock(storage, self.circumstances.begins_at)
        self.history = History(self.clock)
        self.faults = Faults.drawn(random.Random(f"faults {seed}"), self.history)
        self.constellation.worsen(self.faults.likelihoods)
        self.keys = EndingKeys(storage, self.clock, random.Random(f"keys {seed}"))
        self.broker = MemoryBroker(
            default_partitions=2, clock=self.clock, weather=self.faults, on_record=self._recorded
        )
        self.mishaps = Mishaps(self, random.Random(f"mishaps {seed}"))
        self.never = threading.Event()
        self.timings = {
            "payment.work.waiting": 5.0,
            "payment.work.completer": 8.0,
            "payment.work.risk": 0.7 if self.circumstances.risk_mode == "required" else 60.0,
            "payment.work.abandoned": 60.0,
            "payment.work.strays": 6.0,
            "processor.work.feed": 10.0,
            "webhook_ingest.work": 600.0,
            "ledger.work": 60.0,
            "ledger.work.negatives": 60.0,
            "ledger.work.seals": 4.0,
            "ledger.work.clearing": 7.0,
            "ledger.work.snapshots": 7.0,
            "risk.work.forget": 600.0,
            "risk.work.completer": 60.0,
            # No report is brought, and without one there is little to match.
            "reconciliation.work.match": 240.0,
            "reconciliation.work.days": 240.0,
        }
        self.violations: list[str] = []
        self.unreadable: set[str] = set()
        """Events that the present deployment takes for poison."""
        self.processes: dict[str, Process | None] = {}
        self.operator_key, self._operator_public_key = _operator_keys()
        self._settings_of: dict[str, Any] = {}
        self._bells: dict[str, asyncio.Event] = {}
        self._services: dict[str, str] = {}
        self.outside: Outside
        self._background: set[asyncio.Task[Any]] = set()
        problems._ids = UlidIds(self.clock, random.Random(f"requests {seed}").randbytes)

    async def begin(self) -> None:
        """Start the sandbox and at least one process of every service, often two."""
        if self.circumstances.revocations:
            self.keys.issue()
        self.outside = Outside(self)
        self.in_background(self.outside.run())
        if self.constellation.kind is not None:
            self.in_background(self.constellation.run())
        for service in BUILDERS:
            copies = 2 if service not in ALONE and self.chance.random() < 0.3 else 1
            for number in range(1, copies + 1):
                self._services[f"{service}-{number}"] = service
        for name in self._services:
            self._start(name, 1)

    async def end(self) -> None:
        """Stop everything, whatever it was doing."""
        crash_points.arm(None)
        for process in self.processes.values():
            if process is not None:
                process.dead = True
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for process in self.processes.values():
            if process is not None:
                process.release()
        self.constellation.end()

    # Processes

    def _start(self, name: str, incarnation: int) -> None:
        service = self._services[name]
        process = Process(self, service, name, incarnation)
        self.processes[name] = process
        self.history.tell(name, "started", incarnation=incarnation)
        if service not in self._settings_of:
            self._settings_of[service] = settings_of(
                service, self.circumstances, self.storage, self._operator_public_key
            )
        process.start(BUILDERS[service], self._settings_of[service])

    def process_died(self, process: Process, error: BaseException, *, expected: bool) -> None:
        """Write it down and plan the next incarnation; a death that nobody meant is a violation."""
        reason = str(error) if isinstance(error, SimulatedCrash) else type(error).__name__
        self.history.tell(process.name, "died", of=reason)
        if not expected:
            self.violations.append(f"{process.name} died of {error!r}")
        self.processes[process.name] = None
        pause_s = self.chance.uniform(0.05, 8.0)
        loop = asyncio.get_running_loop()
        loop.call_later(pause_s, self._start, process.name, process.incarnation + 1)

    def hit(self, point: str) -> None:
        """A crash point was passed."""
        process = CURRENT.get()
        if process is None:
            return
        if process.dead or self.faults.strikes("crash", process.name):
            self.history.tell(process.name, f"crash:{point}")
            crash = SimulatedCrash(point)
            process.die(crash)
            raise crash
        if point == "unit_of_work.before_commit":
            self._lose_commit(process)

    def _lose_commit(self, process: Process) -> None:
        session = self.storage.in_use
        if session is None:
            return
        if self.faults.strikes("commit_answer_lost", process.name):
            lose_answer(session.pgconn)
        elif self.faults.strikes("commit_request_lost", process.name):
            self.storage.end_session(process.service, session)

    async def heal(self) -> None:
        """End the faults; an operator has what a bad deployment parked tried again until nothing is parked."""
        self.faults.end()
        self.unreadable.clear()
        calm()
        while True:
            for service in ("payment", "processor", "ledger", "risk", "reconciliation"):
                found = self.storage.admin[service].execute(
                    "SELECT topic, key FROM parked_keys ORDER BY 1, 2"
                )
                alive = next(
                    (p for p in self.processes.values() if p is not None and p.service == service), None
                )
                for topic, key in found.fetchall() if alive is not None else ():
                    asked = alive.operations.redrive(topic, key, REDRIVE)
                    self.history.tell(
                        "operator", "redrives", key=f"{topic}/{key}", requested=asked["requested"]
                    )
            await asyncio.sleep(20.0)

    def period_s(self, role: str, usual_s: float) -> float:
        """How often a periodic role does its work at present."""
        every_s = self.timings.get(role, usual_s)
        return every_s if self.faults.raging else max(every_s, CALM)

    # Bells: who sleeps until something may be there to do

    def ring(self, bell: str) -> None:
        """Wake whoever rests at this bell."""
        if bell in self._bells:
            self._bells[bell].set()

    async def rest(self, bell: str, at_most_s: float) -> None:
        """Sleep until the bell or the time; then a moment, as a thread that is woken does not run at once."""
        event_ = self._bells.setdefault(bell, asyncio.Event())
        event_.clear()
        at_most_s *= 1.0 if self.faults.raging else CALM
        try:
            async with asyncio.timeout(at_most_s * self.chance.uniform(0.5, 1.5)):
                await event_.wait()
        except TimeoutError:
            pass
        await asyncio.sleep(self.chance.uniform(0.0, 0.01))

    def _recorded(self, record: Record, delay_s: float) -> None:
        headers = dict(record.headers)
        self.history.tell(
            "broker",
            "record",
            at=f"{record.topic}/{record.partition}/{record.offset}",
            key=(record.key or b"").decode(),
            type=headers["ce_type"].decode(),
            id=headers["ce_id"].decode(),
        )
        loop = asyncio.get_running_loop()
        for bell in list(self._bells):
            if bell.startswith("topics:") and record.topic in bell.removeprefix("topics:").split(","):
                loop.call_later(delay_s, self.ring, bell)
        self.mishaps.written(record)

    # The network from outside

    async def request(
        self, service: str, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> Reply:
        """One request from outside to whichever process of a service is there."""
        alive = [p for p in self.processes.values() if p is not None and p.service == service]
        if not alive or self.faults.strikes("call_refused", service):
            raise ConnectionRefused("simulated")
        process = self.chance.choice(alive)
        lost = self.faults.strikes("reply_lost", service)
        reply = await ask(process.face(), process.spawn, method, target, headers, body)
        if lost:
            raise ConnectionLost("simulated")
        return reply

    def in_background(self, work: Any) -> "asyncio.Task[Any]":
        # In nobody's process: whoever called may die, the outside goes on.
        task = asyncio.get_running_loop().create_task(work, context=contextvars.Context())
        self._background.add(task)
        task.add_done_callback(self._background.discard)
        return task
