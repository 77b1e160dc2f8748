"""One reading of beta's list answers many look-ups; who stops waiting takes nothing from the others."""

import asyncio
import gc
from datetime import UTC, datetime

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


def look_up(reader):
    return asyncio.create_task(reader.facts_under("op_1", payment_id="pay_1", since=SINCE))


def test_a_reading_that_fails_after_everybody_stopped_waiting_is_nobodys_fault():
    unhandled = []

    async def scene():
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unhandled.append(context))
        exchange = Silent()
        reader = DelayedListReader(exchange, "acct_beta", SystemClock())
        waiting = look_up(reader)
        await exchange.began.wait()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        exchange.may_end.set()
        await asyncio.wait(asyncio.all_tasks() - {asyncio.current_task()})
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
