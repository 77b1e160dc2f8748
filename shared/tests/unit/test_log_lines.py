"""Log lines of one turn of a loop leave in one write, in order, and nothing waits that matters at once."""

import asyncio
from types import SimpleNamespace

import pytest

from shared.runtime.log_lines import Lines, flush


@pytest.fixture
def written(monkeypatch):
    writes = []
    stderr = SimpleNamespace(write=writes.append)
    monkeypatch.setattr("shared.runtime.log_lines.sys", SimpleNamespace(stderr=stderr))
    yield writes
    flush()


def test_what_is_logged_in_one_turn_leaves_together_at_its_end(written):
    async def turn():
        Lines("a").info("one")
        Lines("b").info("two")
        assert written == []
        await asyncio.sleep(0)
        assert written == ["one\ntwo\n"]
        Lines().info("three")

    asyncio.run(turn())
    assert written == ["one\ntwo\n", "three\n"]


def test_an_error_leaves_at_once_behind_what_waits(written):
    async def turn():
        Lines().info("before")
        Lines().error("wrong")
        assert written == ["before\n", "wrong\n"]

    asyncio.run(turn())
    assert written == ["before\n", "wrong\n"]


def test_outside_of_a_loop_a_line_leaves_at_once(written):
    Lines().info("now")
    assert written == ["now\n"]


def test_no_write_is_longer_than_a_pipe_takes_in_one_piece(written):
    async def turn():
        for _ in range(10):
            Lines().info("x" * 1_000)

    asyncio.run(turn())
    assert "".join(written) == ("x" * 1_000 + "\n") * 10
    assert max(map(len, written)) <= 4_096


def test_a_loop_that_was_closed_too_early_holds_up_no_later_line(written):
    loop = asyncio.new_event_loop()

    async def last():
        Lines().info("last words")
        loop.stop()

    task = loop.create_task(last())
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert task.done()
    loop.close()

    async def later():
        Lines().info("later")

    asyncio.run(later())
    assert "".join(written) == "last words\nlater\n"
