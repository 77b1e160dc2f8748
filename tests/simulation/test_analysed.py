"""Endpoints of one code share what FastAPI found out about it, and nothing of what their closures hold."""

import asyncio
import threading
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Query, routing
from fastapi.dependencies import utils

from services.processor.app import call_processor
from shared.testing.virtual_clock import VirtualClock
from tests.simulation.analysed import analyses_kept
from tests.simulation.network import ask
from tests.simulation.pace import paced
from tests.simulation.virtual_loop import VirtualLoop

pytestmark = pytest.mark.unit


def app_of(owner: str) -> FastAPI:
    app = FastAPI()

    def who(says: str = "hello") -> str:
        return f"{owner} {says}"

    @app.get("/named")
    def named(who: Annotated[str, Depends(who)], times: Annotated[int, Query(ge=1)] = 1) -> str:
        return who * times

    @app.get("/defaulted")
    def defaulted(times: int, who: str = Depends(who)) -> str:  # noqa: FAST002 - the other way to say it
        return f"{owner}: {who * times}"

    return app


async def answers(app: FastAPI, target: str) -> tuple[int, bytes]:
    def spawn(work: Any) -> "asyncio.Task[Any]":
        return asyncio.get_running_loop().create_task(work)

    reply = await ask(app, spawn, "GET", target, {}, b"")
    return reply.status, reply.body


@pytest.mark.parametrize("owner", ["first", "second"])
def test_each_process_answers_by_its_own_parts(owner: str) -> None:
    with analyses_kept():
        app_of("zeroth")  # whose code has been analysed before
        app = app_of(owner)
    assert asyncio.run(answers(app, "/named?times=2&says=hi")) == (200, f'"{owner} hi{owner} hi"'.encode())
    assert asyncio.run(answers(app, "/defaulted?times=1")) == (200, f'"{owner}: {owner} hello"'.encode())
    assert asyncio.run(answers(app, "/named?times=0"))[0] == 422
    assert asyncio.run(answers(app, "/defaulted"))[0] == 422


def test_what_is_no_coroutine_runs_in_the_loop_of_a_seed_and_takes_its_time() -> None:
    app = FastAPI()

    @app.get("/thread")
    def thread() -> int:
        return threading.get_ident()

    clock = VirtualClock()
    loop = VirtualLoop(clock, lambda: 2.0)
    with analyses_kept():
        status, body = loop.run_until_complete(asyncio.wait_for(answers(app, "/thread"), 60.0))
    loop.close()
    assert (status, int(body)) == (200, threading.get_ident())
    assert clock.monotonic_s() >= 2.0


def test_outside_a_seed_nothing_is_replaced() -> None:
    own = [
        utils.analyze_param,
        utils.get_typed_signature,
        utils._get_signature,
        routing._extract_endpoint_context,
    ]
    with paced():
        assert utils.analyze_param is not own[0]
        assert call_processor.IDLE_S == 1.5
    assert call_processor.IDLE_S != 1.5
    assert own == [
        utils.analyze_param, utils.get_typed_signature, utils._get_signature, routing._extract_endpoint_context,
    ]  # fmt: skip
