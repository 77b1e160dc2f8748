"""The lane: calls side by side, bookkeeping in batches, and a hung processor that blocks nobody else."""

import asyncio
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from services.processor.app.call_processor import Lane, LaneLimits, Store, StoreUnavailable
from services.processor.app.record_outcomes import Recorded
from services.processor.domain.attempt import Attempt, Phase, take
from services.processor.domain.operation import Operation
from services.processor.domain.outcome import Answer, Found, LookUp, Result
from services.processor.domain.policy import Policy
from shared.kernel.clock import SystemClock
from shared.kernel.jitter import Jitter

POLICY = Policy(keys_live_s=86_400)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def attempt(number):
    operation = Operation(
        operation_id=f"op_{number}", payment_id="pay_1", kind="capture", processor="x", account="a",
        amount_minor=1, currency="EUR", authorization_id="auth",
    )  # fmt: skip
    return take(
        Attempt(operation=operation, cause_id="evt", next_at=NOW),
        owner="w",
        attempt_id="att",
        now=NOW,
        policy=POLICY,
    )


class Books:
    """A store in memory that can be told to be away."""

    def __init__(self, count):
        self.due = deque(attempt(number) for number in range(count))
        self.recorded = []
        self.said = {}
        self.batches = []
        self.failures = 0

    def claim(self, room):
        taken, passed, look_ups = [], deque(), room.look_ups
        while self.due and len(taken) < room.calls:
            attempt = self.due.popleft()
            looks = attempt.phase is Phase.LOOKING_UP
            if looks and not look_ups:
                passed.append(attempt)
                continue
            look_ups -= looks
            taken.append(attempt)
        self.due.extendleft(reversed(passed))
        return taken

    def record(self, outcomes):
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("away")
        self.batches.append(len(outcomes))
        self.recorded.extend(outcome.held.operation.operation_id for outcome in outcomes)
        self.said |= {outcome.held.operation.operation_id: outcome.got for outcome in outcomes}
        return Recorded(applied=len(outcomes), stale=0)


class Calls:
    """A processor that answers after ``delay_s``, or never while ``hangs``."""

    def __init__(self, name="x", delay_s=0.0, hangs=False, answer=None):
        self.name = name
        self.delay_s = delay_s
        self.hangs = hangs
        self.answer = answer or Answer(result=Result.DONE)
        self.now = self.most = self.calls = 0

    async def send(self, _operation, *, in_time):
        assert in_time()
        self.calls += 1
        self.now += 1
        self.most = max(self.most, self.now)
        if self.hangs:
            await asyncio.sleep(0.5)
        await asyncio.sleep(self.delay_s)
        self.now -= 1
        return self.answer


def run(*pairs, until, concurrent=256, timeout_s=5.0, policy=POLICY):
    stop = threading.Event()

    async def main():
        with ThreadPoolExecutor(4) as threads:
            lanes = [
                Lane(
                    calls, Store(claim=books.claim, record=books.record), policy=policy,
                    limits=LaneLimits(concurrent_calls=concurrent, call_timeout_s=timeout_s),
                    clock=SystemClock(), jitter=Jitter(), executor=threads,
                )
                for calls, books in pairs
            ]  # fmt: skip
            async with asyncio.TaskGroup() as tasks:
                for lane in lanes:
                    tasks.create_task(lane.run(stop))
                async with asyncio.timeout(20):
                    while not until():  # noqa: ASYNC110 - the condition lies in another thread
                        await asyncio.sleep(0.005)
                stop.set()

    asyncio.run(main())


def test_every_answer_is_recorded_and_in_fewer_transactions_than_answers():
    books, calls = Books(300), Calls(delay_s=0.01)
    run((calls, books), until=lambda: len(books.recorded) == 300)
    assert sorted(books.recorded) == sorted(f"op_{n}" for n in range(300))
    assert len(books.batches) < 100


def test_the_bulkhead_bounds_the_calls_under_way():
    books, calls = Books(40), Calls(delay_s=0.005)
    run((calls, books), until=lambda: len(books.recorded) == 40, concurrent=7)
    assert calls.most <= 7


def test_a_hung_processor_blocks_nobody_else():
    stuck, free = Books(8), Books(50)
    hung = Calls("slow", hangs=True)
    order = []

    def done():
        if not order and len(free.recorded) == 50:
            order.append(len(stuck.recorded))
        return bool(order)

    run((hung, stuck), (Calls("fast"), free), until=done, concurrent=4)
    assert order == [0], "the fast lane finished while every call of the slow one was hanging"
    assert len(stuck.recorded) == 4, "calls under way are waited for and recorded when the process stops"


def test_answers_wait_for_a_database_that_is_away(monkeypatch):
    monkeypatch.setattr("services.processor.app.call_processor.UNAVAILABLE_PAUSE_S", 0.01)
    books = Books(5)
    books.failures = 3
    run((Calls(), books), until=lambda: len(books.recorded) == 5)
    assert sorted(books.recorded) == [f"op_{n}" for n in range(5)]


class Faulty(Calls):
    """An adapter with a fault of its own for one operation, and calls under way beside it."""

    async def send(self, operation, *, in_time):
        if operation.operation_id == "op_2":
            raise RuntimeError("a table without an entry")
        return await super().send(operation, in_time=in_time)


def test_a_fault_of_the_adapters_own_leaves_its_one_call_in_doubt_and_no_other():
    books = Books(5)
    run((Faulty(delay_s=0.05), books), until=lambda: len(books.recorded) == 5)
    assert {name: said.result for name, said in books.said.items()} == {
        f"op_{n}": Result.UNKNOWN if n == 2 else Result.DONE for n in range(5)
    }
    assert books.said["op_2"].error_code == "adapter_failed"


def test_an_outage_stops_the_taking_so_that_the_backlog_stays_due():
    books = Books(500)
    calls = Calls(answer=Answer(result=Result.NOT_SENT, healthy=False))
    run((calls, books), until=lambda: calls.calls >= 5, concurrent=5)
    assert calls.calls <= 10
    assert len(books.due) >= 490


class LongList(Calls):
    """A processor that is looked for in a list of more pages than can be read within a lease."""

    async def look_up(self, _operation, *, since):
        del since
        self.calls += 1
        await asyncio.sleep(30)
        return LookUp(found=Found.NOT_FOUND)


def test_a_look_up_that_takes_longer_than_its_lease_ends_with_it_and_is_recorded():
    books, calls = Books(3), LongList()
    books.due = deque(replace(each, phase=Phase.LOOKING_UP) for each in books.due)
    policy = replace(POLICY, lease_s=5.5, lease_margin_s=5.0)
    run((calls, books), until=lambda: len(books.recorded) == 3, policy=policy, timeout_s=0.1)
    assert {(said.found, said.error_code, said.healthy) for said in books.said.values()} == {
        (Found.UNREACHABLE, "took_too_long", True)
    }


class HangingList(Calls):
    """A processor whose list hangs, and which takes sends all the same."""

    def __init__(self):
        super().__init__()
        self.looking, self.may_end = 0, asyncio.Event()

    async def look_up(self, _operation, *, since):
        del since
        self.looking += 1
        await self.may_end.wait()
        return LookUp(found=Found.NOT_FOUND)


def test_look_ups_that_hang_leave_half_of_the_lane_to_sends():
    books, calls = Books(60), HangingList()
    books.due = deque(
        replace(each, phase=Phase.LOOKING_UP) if n < 30 else each for n, each in enumerate(books.due)
    )

    def all_sent():
        if calls.calls == 30 and not calls.may_end.is_set():
            assert calls.looking == 4
            calls.may_end.set()
        return len(books.recorded) == 60

    run((calls, books), until=all_sent, concurrent=8)
    assert calls.looking == 30, "look-ups go on as others end"


class ReadsNothing(Calls):
    """A processor that refuses every reading and takes every send."""

    def __init__(self):
        super().__init__()
        self.looked = 0

    async def look_up(self, _operation, *, since):
        del since
        self.looked += 1
        return LookUp(found=Found.UNREACHABLE, error_code="rate_limited", throttled=True)


class AlwaysInDoubt(Books):
    """One look-up is due at any time, before every send."""

    def claim(self, room):
        if room.look_ups:
            self.due.appendleft(replace(attempt(1_000), phase=Phase.LOOKING_UP))
        return super().claim(room)


def test_in_a_lane_of_one_place_look_ups_leave_every_second_turn_to_sends():
    books, calls = AlwaysInDoubt(5), ReadsNothing()
    run((calls, books), until=lambda: calls.calls == 5, concurrent=1)
    assert 4 <= calls.looked <= 8


class Suspended(Calls):
    """A worker that sleeps between the begin of a call and the writing of its request."""

    def __init__(self):
        super().__init__()
        self.in_time = []

    async def send(self, _operation, *, in_time):
        self.in_time.append(in_time())
        await asyncio.sleep(0.7)
        self.in_time.append(in_time())
        return Answer(result=Result.NOT_SENT, error_code="late")


def test_a_request_is_in_time_only_as_long_as_its_lease():
    books, calls = Books(1), Suspended()
    policy = replace(POLICY, lease_s=1.0, lease_margin_s=0.5)
    run((calls, books), until=lambda: books.recorded, policy=policy, timeout_s=0.1)
    assert calls.in_time == [True, False]


@pytest.mark.parametrize("lease_s", [1.0])
def test_a_call_that_could_not_be_recorded_inside_its_lease_is_not_made(lease_s):
    books, calls = Books(3), Calls()
    run((calls, books), until=lambda: not books.due, policy=replace(POLICY, lease_s=lease_s))
    assert calls.calls == 0
    assert books.recorded == []
