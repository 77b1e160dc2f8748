"""Waiting: many at once, one question for all, woken promptly, capped, released at the drain."""

import asyncio
import threading

import pytest
from sqlalchemy.exc import OperationalError

from shared.kernel.errors import Rejected
from shared.runtime.waiting import WAIT_S_MAX, Waiters, wait_seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 10), ("", 10), ("respond-async", 10), ("wait=0", 0), ("wait=7", 7), ("WAIT=7", 7), ('wait="7"', 7),
        ("waiting=1", 10), ("waits, wait=4", 4), ("wait =3", 3), ("wait=3, wait=5", 3),
        ("respond-async, wait=3", 3), ("wait=3; foo=bar", 3), ("wait=31", WAIT_S_MAX), ("wait=99999", WAIT_S_MAX),
    ],
)  # fmt: skip
def test_prefer_wait_is_read_as_rfc_7240_says(header, seconds):
    assert wait_seconds(header) == seconds


@pytest.mark.parametrize(
    "header", ["wait", "wait=", "wait=-1", "wait=1.5", "wait=NaN", "wait=١", "wait=9999999"]
)
def test_nonsense_is_refused(header):
    with pytest.raises(Rejected) as caught:
        wait_seconds(header)
    assert (caught.value.status, caught.value.code) == (400, "prefer_malformed")


class Decisions:
    """What the database would say, and who asked."""

    def __init__(self):
        self.decided: set[str] = set()
        self.asked: list[int] = []
        self.threads: set[str] = set()
        self.error: Exception | None = None

    def __call__(self, ids):
        self.asked.append(len(ids))
        self.threads.add(threading.current_thread().name)
        if self.error is not None:
            raise self.error
        return [wait_id for wait_id in ids if wait_id in self.decided]


def test_500_waiters_cost_one_question_at_a_time_and_no_thread_each():
    decisions = Decisions()

    async def scenario():
        waiters = Waiters(decisions)
        waits = [asyncio.create_task(waiters.wait(f"op_{i}", 10)) for i in range(500)]
        await asyncio.sleep(0.2)
        assert waiters.waiting == 500
        before = threading.active_count()
        decisions.decided = {f"op_{i}" for i in range(500)}
        began = asyncio.get_running_loop().time()
        assert all(await asyncio.gather(*waits))
        assert asyncio.get_running_loop().time() - began < 0.5
        assert waiters.waiting == 0
        waiters.close()
        return before

    threads = asyncio.run(scenario())
    assert len(decisions.threads) == 1
    assert max(decisions.asked) == 500, "everybody is asked for at once"
    assert threads < 20


def test_a_decision_wakes_its_waiter_within_a_few_polls():
    decisions = Decisions()

    async def scenario():
        waiters = Waiters(decisions)
        wait = asyncio.create_task(waiters.wait("op_1", 10))
        await asyncio.sleep(0.05)
        decisions.decided.add("op_1")
        asked = len(decisions.asked)
        assert await wait
        waiters.close()
        return len(decisions.asked) - asked

    assert asyncio.run(scenario()) <= 2


def test_two_waits_for_one_decision_are_both_answered():
    decisions = Decisions()
    decisions.decided.add("op_1")

    async def scenario():
        waiters = Waiters(decisions)
        both = await asyncio.gather(waiters.wait("op_1", 5), waiters.wait("op_1", 5))
        waiters.close()
        return both

    assert asyncio.run(scenario()) == [True, True]


def test_a_wait_ends_at_its_time_and_the_poller_with_it():
    decisions = Decisions()

    async def scenario():
        waiters = Waiters(decisions)
        assert not await waiters.wait("op_1", 0.05)
        await asyncio.sleep(0.1)
        asked = len(decisions.asked)
        await asyncio.sleep(0.1)
        assert len(decisions.asked) == asked, "nobody waits, nobody asks"
        assert not await waiters.wait("op_2", 0)
        waiters.close()

    asyncio.run(scenario())


def test_beyond_the_cap_nobody_gets_a_place():
    waiters = Waiters(Decisions(), waiting_max=2)
    assert [waiters.try_reserve() for _ in range(3)] == [True, True, False]
    waiters.give_back()
    assert waiters.try_reserve()


def test_the_drain_answers_everybody_at_once_and_takes_nobody_in():
    async def scenario():
        waiters = Waiters(Decisions())
        waits = [asyncio.create_task(waiters.wait(f"op_{i}", 30)) for i in range(50)]
        await asyncio.sleep(0.05)
        waiters.release()
        async with asyncio.timeout(1):
            assert not any(await asyncio.gather(*waits))
        assert not waiters.try_reserve()
        waiters.close()

    asyncio.run(scenario())


def test_an_unreachable_database_is_no_news():
    decisions = Decisions()
    decisions.error = OperationalError("select", {}, Exception("gone"))

    async def scenario():
        waiters = Waiters(decisions)
        wait = asyncio.create_task(waiters.wait("op_1", 5))
        await asyncio.sleep(0.1)
        decisions.error = None
        decisions.decided.add("op_1")
        assert await wait
        waiters.close()

    asyncio.run(scenario())


def test_a_local_hint_is_looked_up_at_once():
    decisions = Decisions()

    async def scenario():
        waiters = Waiters(decisions)
        wait = asyncio.create_task(waiters.wait("op_1", 5))
        await asyncio.sleep(0.01)
        decisions.decided.add("op_1")
        waiters.wake("op_1")
        async with asyncio.timeout(0.5):
            assert await wait
        waiters.close()

    asyncio.run(scenario())
