"""A service in miniature as a process of its own, for the tests of starting, draining and dying."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from pathlib import Path

from pydantic_settings import SettingsConfigDict

from shared.kernel.clock import SystemClock
from shared.runtime.cli import service_cli
from shared.runtime.settings import ProcessSettings
from shared.runtime.startup import StartupRefused, check


class ShopSettings(ProcessSettings):
    model_config = SettingsConfigDict(env_prefix="SHOP_")
    behaviour: str = "well"


class Loop:
    """Beats, and misbehaves on demand."""

    def __init__(self, name, behaviour):
        self.name = name
        self._behaviour = behaviour
        self._clock = SystemClock()
        self._beat_s = 0.0

    def heartbeat(self):
        return self._beat_s

    def run(self, stop: threading.Event) -> None:
        turns = 0
        while not stop.is_set():
            self._beat_s = self._clock.monotonic_s()
            turns += 1
            if self._behaviour == "raise" and turns > 3:
                raise ZeroDivisionError
            if self._behaviour == "return" and turns > 3:
                return
            if self._behaviour == "hang":
                stop.wait()
            stop.wait(0.05)
        if self._behaviour == "tell_collecting":
            trace(f"running, collecting: {gc.isenabled()}")
        if self._behaviour == "never_stop":
            threading.Event().wait()
        trace(f"{self.name} drained")


def trace(line):
    """Tell the test, which has no other way to look inside."""
    with Path(os.environ["SHOP_TRACES"]).open("a") as traces:
        traces.write(f"{line}\n")


def build(settings):
    from shared.runtime.http import api, json_reply
    from shared.runtime.process import ServiceRuntime

    released = asyncio.Event()
    if settings.behaviour == "tell_collecting":
        trace(f"starting, collecting: {gc.isenabled()}")

    def make_app():
        app = api(title="shop")

        @app.get("/slow")
        async def slow():
            trace("slow began")
            async with asyncio.timeout(20):
                await released.wait()
            return json_reply(b'{"done":true}')

        return app

    def refuse():
        if settings.behaviour == "refuse":
            raise StartupRefused("topic orders: has 1 partition; expected 6")
        if settings.behaviour == "unreachable":
            raise ConnectionError("connection refused\nlong story")

    return ServiceRuntime(
        name="shop",
        settings=settings,
        app=make_app,
        roles={
            "relay": lambda: Loop("relay", "well"),
            "serve.beside": lambda: Loop("serve.beside", "well"),
            "work.one": lambda: Loop("work.one", settings.behaviour),
            "work.two": lambda: Loop("work.two", "well"),
        },
        checks=[check("topics", refuse)],
        on_drain=[released.set],
    )


app = service_cli("shop", ShopSettings, build)

if __name__ == "__main__":
    app()
