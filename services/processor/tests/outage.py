"""A processor that can be away, slow or full, and the real lane, breaker and attempt rules against it, in virtual time."""

import asyncio
import threading
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from random import Random

from services.processor.app.call_processor import Lane, LaneLimits, Store
from services.processor.app.claim_attempts import claim_attempts
from services.processor.app.give_up_late import give_up_all_late
from services.processor.app.record_outcomes import record_outcomes
from services.processor.domain.attempt import Attempt, Phase, State
from services.processor.domain.operation import Operation
from services.processor.domain.outcome import Answer, Found, LookUp, Result
from shared.kernel.ids import UlidIds
from shared.kernel.jitter import Jitter
from shared.testing.virtual_clock import VirtualClock

LATENCY_S = 0.1


class Leap:
    """A selector that does not wait for the next timer: the clock leaps to it."""

    def __init__(self, clock):
        self.clock = clock

    def select(self, timeout_s):
        assert timeout_s is not None, "nothing is scheduled"
        if timeout_s > 0:
            self.clock.advance(max(timeout_s, 2e-6))
        return []

    def close(self):
        pass


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop in virtual time; what would be a thread's work is done at once."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock
        self._selector = Leap(clock)
        self._clock_resolution = 2e-6

    def time(self):
        return self.clock.monotonic_s()

    def run_in_executor(self, _executor, func, *args):
        future = self.create_future()
        future.set_result(func(*args))
        return future

    def _process_events(self, _events):
        pass


class Books:
    """Attempts and evidence in memory: one transaction after the other."""

    def __init__(self, clock):
        self.clock = clock
        self.ids = UlidIds()
        self.attempts = self.evidence = self
        self.rows = {}
        self.told = []

    @property
    def now(self):
        return self.clock.now()

    def ask(self, number, kind, send_before=None):
        operation = Operation(
            operation_id=f"op_{number}", payment_id=f"pay_{number}", kind=kind, processor="x", account="a",
            amount_minor=1, currency="EUR", authorization_id="auth",
        )  # fmt: skip
        self.put(Attempt(operation=operation, cause_id="evt", next_at=self.now, send_before=send_before))

    def due(self, _processor, *, room):
        ready = [a for a in self.rows.values() if a.state is State.OPEN and a.next_at <= self.now]
        return sorted(ready, key=lambda attempt: attempt.next_at)[: room.calls]

    def late(self, *, limit):
        waiting = [a for a in self.rows.values() if a.state is State.OPEN and a.phase is Phase.DUE]
        return [a for a in waiting if a.send_before is not None and a.send_before <= self.now][:limit]

    def get(self, operation_id):
        return self.rows[operation_id]

    def put(self, attempt):
        self.rows[attempt.operation.operation_id] = attempt

    def closed(self, attempt, *, cause_id):
        assert cause_id
        self.told.append((attempt.operation.kind, attempt.closing))

    def ignore(self, *_args, **_kwargs):
        pass

    lock = note = sent = answered = looked_up = doubted = exhausted = ignore

    def closings(self, kind):
        return Counter(a.closing for a in self.rows.values() if a.operation.kind == kind)


@dataclass
class Outside:
    """What the processor does at each second, and what it saw."""

    clock: VirtualClock
    away_until_s: float = 0.0
    answer: Answer = field(default_factory=lambda: Answer(result=Result.DONE))
    calls: Counter = field(default_factory=Counter)
    """By whole second."""
    now: int = 0
    most: int = 0
    name: str = "x"

    async def send(self, _operation, *, in_time):
        assert in_time()
        began_s = self.clock.monotonic_s()
        self.calls[int(began_s)] += 1
        if began_s < self.away_until_s:
            return Answer(result=Result.NOT_SENT, error_code="connect", healthy=False)
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(LATENCY_S)
        self.now -= 1
        return self.answer

    async def look_up(self, _operation, *, since=None):
        assert since is None, "it is found by our reference"
        return LookUp(found=Found.UNREACHABLE, healthy=False)


def run(outside, books, *, policies, until_s, each_second=lambda _second: None, concurrent=256, seed=1):
    """Let the lane work until that second of the virtual clock."""
    clock = outside.clock
    stop = threading.Event()
    loop = VirtualLoop(clock)
    jitter = Jitter(Random(seed))  # noqa: S311 - a test that runs the same way each time

    def claim(room):
        return claim_attempts("x", books, owner="w", room=room, policies=policies)

    lane = Lane(
        outside, Store(claim=claim, record=partial(record_outcomes, uow=books, policies=policies)),
        policy=policies["x"], limits=LaneLimits(concurrent_calls=concurrent, call_timeout_s=5.0),
        clock=clock, jitter=jitter, executor=None,
    )  # fmt: skip

    async def seconds():
        while clock.monotonic_s() < until_s:
            each_second(int(clock.monotonic_s()))
            give_up_all_late(books)
            await asyncio.sleep(1.0)
        stop.set()

    async def main():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(seconds())
            tasks.create_task(lane.run(stop))

    try:
        loop.run_until_complete(main())
    finally:
        loop.close()
    return lane
