"""One reading of beta's list answers many look-ups; who stops waiting takes nothing from the others."""

import asyncio
import gc
from datetime import UTC, datetime, timedelta

import pytest

from services.processor.adapters.processors.beta_list import DelayedListReader
from services.processor.adapters.processors.exchange import Broken
from services.processor.app.ports import FeedUnreachable
from services.processor.domain.outcome import Failure
from shared.kernel.clock import SystemClock

SINCE = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Silent:
    """An exchange on which every call times out, once it may."""

    def __init__(self) -> None:
        self.began, self.may_end = asyncio.Event(), asyncio.Event()
        self.calls = 0

    async def call(self, *_asked, **_bounds):
        self.calls += 1
        self.began.set()
        await self.may_end.wait()
        raise Broken(Failure.TIMEOUT, "too late")


def look_up(reader, since=None):
    return asyncio.create_task(reader.facts_under("op_1", payment_id="pay_1", since=since or SINCE))


def ago(**how_long):
    return datetime.now(UTC) - timedelta(**how_long)


class Slow:
    """An exchange whose list answers at once from where it is asked within an hour, and from before that never."""

    def __init__(self):
        self.asked_since, self.given_up = [], 0

    async def call(self, _method, path, *_asked, **_bounds):
        since = datetime.fromtimestamp(int(path.partition("since_ms=")[2]) / 1000, UTC)
        self.asked_since.append(since)
        if since < ago(hours=1):
            try:
                await asyncio.sleep(3_600)
            except asyncio.CancelledError:
                self.given_up += 1
                raise
        return 200, b'{"notices": [], "next": null, "more": false}', {}


def test_who_asks_from_minutes_ago_does_not_wait_for_a_reading_of_days():
    async def scene():
        exchange = Slow()
        reader = DelayedListReader(exchange, "acct_beta", SystemClock())
        days, first = look_up(reader, ago(days=3)), ago(minutes=20)
        await asyncio.sleep(0)
        async with asyncio.timeout(2):
            assert await look_up(reader, first) == ()
            assert await look_up(reader, ago(minutes=5)) == ()
        assert not days.done()
        days.cancel()
        await asyncio.gather(days, return_exceptions=True)

    asyncio.run(scene())


def test_doubts_of_many_ages_cost_a_reading_for_each_age_and_not_for_each_doubt():
    async def scene():
        exchange = Slow()
        reader = DelayedListReader(exchange, "acct_beta", SystemClock())
        waiting = [look_up(reader, ago(hours=hours)) for hours in range(2, 300)]
        await asyncio.sleep(0.05)
        assert len(exchange.asked_since) == 4
        assert min(exchange.asked_since) < ago(hours=298)
        for each in waiting:
            each.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    asyncio.run(scene())


def test_a_reading_that_nobody_waits_for_ends_and_the_next_one_begins():
    async def scene():
        exchange = Slow()
        reader = DelayedListReader(exchange, "acct_beta", SystemClock())
        first, second = look_up(reader, ago(days=3)), look_up(reader, ago(days=2))
        await asyncio.sleep(0.02)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await asyncio.sleep(0.02)
        assert exchange.given_up == 0, "somebody waits for it still"
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        await asyncio.sleep(0.02)
        assert exchange.given_up == 1
        again = look_up(reader, ago(days=3))
        await asyncio.sleep(0.02)
        assert len(exchange.asked_since) == 2
        again.cancel()
        await asyncio.gather(again, return_exceptions=True)

    asyncio.run(scene())


def test_a_reading_that_ends_because_everybody_stopped_waiting_is_nobodys_fault():
    unhandled = []

    async def scene():
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unhandled.append(context))
        exchange = Silent()
        reader = DelayedListReader(exchange, "acct_beta", SystemClock())
        waiting = look_up(reader)
        await exchange.began.wait()
        waiting.cancel()
        exchange.may_end.set()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
        del waiting, reader
        gc.collect()

    asyncio.run(scene())
    assert unhandled == []


def test_whoever_still_waits_is_told_that_it_failed():
    async def scene():
        exchange = Silent()
        reader = DelayedListReader(exchange, "acct_beta", SystemClock())
        gone, stays = look_up(reader), look_up(reader)
        await exchange.began.wait()
        gone.cancel()
        exchange.may_end.set()
        with pytest.raises(FeedUnreachable, match="timeout"):
            await stays
        assert exchange.calls == 1

    asyncio.run(scene())
