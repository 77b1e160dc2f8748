"""One seed from its first step to its verdict."""

import asyncio
import gc
import time
from collections import Counter
from dataclasses import dataclass

import fastapi.dependencies.models

from shared.kernel import crash_points
from tests.simulation.auditor import Auditor
from tests.simulation.network import ConnectionLost
from tests.simulation.operators import Operators
from tests.simulation.pace import paced
from tests.simulation.storage import Storage
from tests.simulation.virtual_loop import VirtualLoop
from tests.simulation.workload import Workload
from tests.simulation.world import DRAIN_LIMIT_S, FAULTS_LAST_S, LOOK_EVERY_S, World

SLOW_SEED_S = 60.0
"""Of this process's processor time, which no other process lengthens; a seed that takes longer hangs."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a seed came to. ``violations`` is empty where everything held."""

    seed: int
    violations: tuple[str, ...]
    lines: tuple[str, ...]
    digest: str
    counts: Counter[str]
    virtual_s: float
    real_s: float


def run_seed(seed: int, storage: Storage) -> Verdict:
    """Simulate one seed on a storage, which is empty before and after as far as anybody can tell."""
    began_s, busy_s = time.monotonic(), time.process_time()
    storage.clear()
    # Rubbish is collected between seeds, and not what was there before the first: modules, tables, compiled statements.
    # Frozen once only: something always names a part of the last seed's world still, and frozen it would stay for ever.
    _forget_applications()
    gc.collect()
    if not gc.get_freeze_count():
        gc.freeze()
    gc.disable()
    world = World(seed, storage)
    loop = VirtualLoop(world.clock, world.faults.latency_s)
    loop.set_exception_handler(lambda _loop, context: _unhandled(world, context))
    try:
        with paced():
            loop.run_until_complete(_simulate(world, busy_s))
    finally:
        crash_points.arm(None)
        loop.close()
        gc.enable()
    return Verdict(
        seed=seed,
        violations=tuple(world.violations),
        lines=tuple(world.history.lines),
        digest=world.history.digest,
        counts=world.history.counts,
        virtual_s=world.clock.monotonic_s(),
        real_s=time.monotonic() - began_s,
    )


def _forget_applications() -> None:
    """Empty the framework's caches of callables: each keeps the application whose endpoint it is, with all that it has."""
    for cache in vars(fastapi.dependencies.models).values():
        if hasattr(cache, "cache_clear"):
            cache.cache_clear()


async def _simulate(world: World, busy_s: float) -> None:
    workload = Workload(world)
    auditor = Auditor(world, workload)
    crash_points.arm(world)
    await world.begin()
    loop = asyncio.get_running_loop()
    loop.call_later(FAULTS_LAST_S, lambda: world.in_background(world.heal()))
    try:
        world.in_background(Operators(world, workload).run())
        await workload.run()
        await asyncio.sleep(max(0.0, FAULTS_LAST_S - world.clock.monotonic_s()))
        await world.outside.hasten()
        deadline_s = world.clock.monotonic_s() + DRAIN_LIMIT_S
        while (stuck := auditor.stuck()) and world.clock.monotonic_s() < deadline_s and not world.violations:
            if time.process_time() - busy_s > SLOW_SEED_S:
                world.violations.append(f"I22.liveness: {SLOW_SEED_S:g} s of processor time were not enough")
                break
            await asyncio.sleep(LOOK_EVERY_S)
            await world.outside.hasten()
        if stuck:
            world.violations += [f"I22.liveness: {what}" for what in stuck]
        world.history.tell("world", "drained")
        auditor.judge()
    finally:
        await world.end()


def _unhandled(world: World, context: dict[str, object]) -> None:
    error = context.get("exception")
    # A connection that nobody waits on any more may be lost; nothing else goes unheard.
    if isinstance(error, Exception) and not isinstance(error, ConnectionLost):
        world.violations.append(f"unhandled: {error!r}")
