"""Calls one processor for the attempts that are due: a lane with a bulkhead, a breaker and batched bookkeeping.

Taking and recording are transactions of their own, in threads; between them the calls run side by side with no
transaction, connection or thread held. A hung processor fills its own lane and nobody else's.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, TypeVar

from services.processor.app.ports import Processor, Room
from services.processor.app.record_outcomes import Outcome, Recorded
from services.processor.domain.attempt import Attempt, Phase
from services.processor.domain.breaker import Breaker
from services.processor.domain.outcome import Answer, Found, LookUp, Result
from services.processor.domain.policy import Policy
from shared.kernel.clock import Clock
from shared.kernel.crash_points import crash_point
from shared.kernel.jitter import Jitter
from shared.runtime.logs import logger
from shared.runtime.metric_names import CALL_SECONDS, CALLS
from shared.runtime.metrics import counter, histogram

CLAIM_MAX: Final = 100
"""Rows per taking transaction: enough to spread its commit, few enough to be sent well inside their lease."""
RECORD_MAX: Final = 200
"""Answers per recording transaction."""
IDLE_S: Final = 0.05
"""How often an idle lane looks for work; half of it is the price of a command's latency."""
UNAVAILABLE_PAUSE_S: Final = 1.0
ADAPTER_FAILED: Final = "adapter_failed"
TOOK_TOO_LONG: Final = "took_too_long"

_log = logger(__name__)
T = TypeVar("T")


class StoreUnavailable(Exception):  # noqa: N818 - a state of the database
    """The database did not answer; what was held back is tried again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """The two transactions of a lane; both block and run in threads."""

    claim: Callable[[Room], list[Attempt]]
    record: Callable[[Sequence[Outcome]], Recorded]


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneLimits:
    """How much one lane may do at once."""

    concurrent_calls: int
    call_timeout_s: float


class Lane:
    """One processor's calls. Everything but the two transactions happens in one event loop."""

    def __init__(
        self,
        processor: Processor,
        store: Store,
        *,
        policy: Policy,
        limits: LaneLimits,
        clock: Clock,
        jitter: Jitter,
        executor: Executor,
    ) -> None:
        self._processor = processor
        self._store = store
        self._policy = policy
        self._limits = limits
        self._clock = clock
        self._jitter = jitter
        self._executor = executor
        self._breaker = Breaker(limit_max=limits.concurrent_calls)
        self._in_flight = self._look_ups_in_flight = 0
        self._looked_up_last = False
        self._outcomes: asyncio.Queue[Outcome | None] = asyncio.Queue()
        self._wake = asyncio.Event()
        self.beat_s = clock.monotonic_s()

    async def run(self, stop: threading.Event) -> None:
        """Take, call and record until told to stop; calls under way are waited for and recorded."""
        async with asyncio.TaskGroup() as tasks:
            recorder = tasks.create_task(self._record_all())
            try:
                async with asyncio.TaskGroup() as calls:
                    while not stop.is_set():
                        self.beat_s = self._clock.monotonic_s()
                        if not await self._start_calls(calls):
                            await self._rest()
            finally:
                self._outcomes.put_nowait(None)
            await recorder

    async def _start_calls(self, calls: asyncio.TaskGroup) -> bool:
        """Take what there is room for and begin the calls; true if there may be more at once."""
        allowed = min(self._breaker.allowed(self._clock.monotonic_s()), self._limits.concurrent_calls)
        wanted = min(allowed - self._in_flight, CLAIM_MAX)
        if wanted <= 0:
            return False
        # Half at most: a look-up in a list may last as long as its lease, and a customer waits for a send. Of one place
        # they have every second turn: where only look-ups are refused, sends alone can widen the lane again.
        sends_turn = allowed == 1 and self._looked_up_last
        look_ups = 0 if sends_turn else max(max(allowed // 2, 1) - self._look_ups_in_flight, 0)
        asked_s = self._clock.monotonic_s()
        claimed = await self._in_thread(self._store.claim, Room(calls=wanted, look_ups=look_ups))
        if claimed:
            crash_point("processor.after_claim")
        for attempt in claimed or ():
            self._in_flight += 1
            self._look_ups_in_flight += attempt.phase is Phase.LOOKING_UP
            calls.create_task(self._call(attempt, asked_s))
        self._looked_up_last = any(attempt.phase is Phase.LOOKING_UP for attempt in claimed or ())
        return claimed is not None and (len(claimed) == wanted or sends_turn)

    async def _call(self, attempt: Attempt, asked_s: float) -> None:
        # Measured on our own monotonic clock from before the claim: a process that slept does not call late.
        late_s = asked_s + self._policy.lease_s - self._limits.call_timeout_s - self._policy.lease_margin_s
        if self._clock.monotonic_s() > late_s:
            _log.warning("lease_too_short_to_call", operation_id=attempt.operation.operation_id)
            self._finished([attempt])
            return
        sending = attempt.phase is Phase.SENDING
        crash_point("processor.before_send")
        began_s = self._clock.monotonic_s()
        record_by_s = asked_s + self._policy.lease_s - self._policy.lease_margin_s
        got = await self._asked(attempt, sending=sending, record_by_s=record_by_s)
        crash_point("processor.after_reply")
        self._observe(attempt, got, self._clock.monotonic_s() - began_s)
        policy = self._policy.of(attempt.operation.kind)
        wait_s = self._jitter.full(policy.backoff_ceiling_s(attempt.not_sent_count + 1))
        self._outcomes.put_nowait(Outcome(held=attempt, got=got, wait_s=wait_s))

    async def _asked(self, attempt: Attempt, *, sending: bool, record_by_s: float) -> Answer | LookUp:
        """What the processor said. A fault of the adapter's own leaves this one call in doubt, and no other."""
        try:
            if sending:
                # Asked again right before the request is written: by then the lease may have ended in our sleep.
                return await self._processor.send(
                    attempt.operation, in_time=lambda: self._clock.monotonic_s() <= record_by_s
                )
            return await self._looked_up(attempt, left_s=record_by_s - self._clock.monotonic_s())
        except Exception:  # noqa: BLE001 - whatever it is, the call may have had its effect
            _log.exception("adapter_failed", operation_id=attempt.operation.operation_id, sending=sending)
            if sending:
                return Answer(result=Result.UNKNOWN, error_code=ADAPTER_FAILED, healthy=False)
            return LookUp(found=Found.UNREACHABLE, error_code=ADAPTER_FAILED, healthy=False)

    async def _looked_up(self, attempt: Attempt, *, left_s: float) -> LookUp:
        """What a look-up saw within the lease, or that it took longer.

        A send is one call, which ends by itself; a list is read in as many as it has pages. What ends after the lease
        is recorded by nobody: an attempt that is asked about in vain for ever would climb to no review.
        """
        since = self._policy.searched_since(attempt.first_sent_at)
        try:
            async with asyncio.timeout(left_s) as lease:
                return await self._processor.look_up(attempt.operation, since=since)
        except TimeoutError:
            if not lease.expired():
                raise
            _log.warning("look_up_took_too_long", operation_id=attempt.operation.operation_id)
            return LookUp(found=Found.UNREACHABLE, error_code=TOOK_TOO_LONG)

    def _observe(self, attempt: Attempt, got: Answer | LookUp, duration_s: float) -> None:
        result = got.result.value if isinstance(got, Answer) else got.found.value
        kind = attempt.operation.kind if isinstance(got, Answer) else "look_up"
        counter(CALLS, self._processor.name, kind, result)
        histogram(CALL_SECONDS, duration_s, self._processor.name, kind)
        now_s = self._clock.monotonic_s()
        patience_s = min(got.retry_after_s or 0.0, self._policy.retry_after_cap_s)
        if got.throttled:
            self._breaker.throttle(now_s, patience_s, jitter=self._jitter.full(1.0))
        elif got.healthy:
            self._breaker.succeed(now_s)
        else:
            self._breaker.fail(now_s, jitter=self._jitter.full(1.0))
        self._breaker.pause(now_s, patience_s)

    async def _record_all(self) -> None:
        while True:
            first = await self._outcomes.get()
            if first is None:
                return
            batch, ended = [first], False
            while len(batch) < RECORD_MAX and not self._outcomes.empty():
                outcome = self._outcomes.get_nowait()
                if outcome is None:
                    ended = True
                    break
                batch.append(outcome)
            await self._record(batch)
            if ended:
                return

    async def _record(self, batch: Sequence[Outcome]) -> None:
        """Record until the database has it; after the leases end it changes nothing, which is right too."""
        crash_point("processor.before_record")
        while (recorded := await self._in_thread(self._store.record, batch)) is None:
            self.beat_s = self._clock.monotonic_s()
        crash_point("processor.after_record")
        if recorded.stale:
            _log.warning("stale_outcomes_dropped", processor=self._processor.name, stale=recorded.stale)
        self._finished([outcome.held for outcome in batch])

    def _finished(self, held: Sequence[Attempt]) -> None:
        self._in_flight -= len(held)
        self._look_ups_in_flight -= sum(attempt.phase is Phase.LOOKING_UP for attempt in held)
        self._wake.set()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(IDLE_S):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def _in_thread(self, work: Callable[..., T], argument: object) -> T | None:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work, argument)
        except StoreUnavailable as unavailable:
            _log.warning("database_unavailable", processor=self._processor.name, error=str(unavailable))
            await asyncio.sleep(UNAVAILABLE_PAUSE_S)
            return None
