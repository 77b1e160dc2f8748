"""Work whose first step was taken by hand goes on as if it had been awaited from the beginning."""

import asyncio

import pytest

from shared.runtime.first_step import gone_on


def started(work):
    return work, work.send(None)


def test_what_was_waited_for_comes_and_the_result_with_it():
    async def whole():
        given = asyncio.get_running_loop().create_future()

        async def work():
            return await given, await asyncio.sleep(0, "second wait")

        asyncio.get_running_loop().call_soon(given.set_result, "first")
        return await gone_on(*started(work()))

    assert asyncio.run(whole()) == ("first", "second wait")


def test_an_error_of_the_work_is_the_waiters():
    async def whole():
        async def work():
            await asyncio.sleep(0)
            raise ValueError("told")

        await gone_on(*started(work()))

    with pytest.raises(ValueError, match="told"):
        asyncio.run(whole())


def test_a_deadline_ends_the_wait_and_the_work_hears_of_it():
    heard = []

    async def whole():
        async def work():
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                heard.append("cancelled")
                raise

        begun = started(work())
        async with asyncio.timeout(0):
            await gone_on(*begun)

    with pytest.raises(TimeoutError):
        asyncio.run(whole())
    assert heard == ["cancelled"]
