"""A simulated process: the real composition root of a service, its roles as tasks, and a death that takes everything."""

import asyncio
import contextvars
import random
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from shared.kernel.errors import Poison
from shared.kernel.jitter import Jitter
from shared.messaging.broker import DeliveryFailed
from shared.messaging.memory import MemoryConsumer
from shared.messaging.relay import Relay
from shared.runtime.metric_names import WORK_FAILED
from shared.runtime.metrics import value_of
from shared.runtime.process import ServiceRuntime
from shared.runtime.surroundings import Surroundings
from tests.simulation.faults import SimulatedCrash
from tests.simulation.network import Wire

if TYPE_CHECKING:
    from tests.simulation.world import World

CURRENT: contextvars.ContextVar["Process | None"] = contextvars.ContextVar("process", default=None)
EXPECTED_DEATHS = (DeliveryFailed,)
"""What a process is meant to end by: it is started anew."""
USUAL_S = 60.0
"""How often a periodic role does its work where the world does not say otherwise."""


class _Members:
    """The broker as one process sees it: its memberships end with it."""

    def __init__(self, process: "Process") -> None:
        self._process = process
        self._broker = process.world.broker

    def make_consumer(self, group: str) -> MemoryConsumer:
        consumer = self._broker.make_consumer(group)
        self._process.consumers.append(consumer)
        return consumer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._broker, name)


class _Bell:
    """The notifier: rings this service's relays, now and then nobody hears it."""

    def __init__(self, world: "World", service: str) -> None:
        self._world, self._service = world, service

    def __call__(self) -> None:
        if not self._world.faults.strikes("wake_up_lost", self._service):
            self._world.ring(f"relay:{self._service}")

    def close(self) -> None:
        pass


class Process:
    """One incarnation."""

    def __init__(self, world: "World", service: str, name: str, incarnation: int) -> None:
        self.world = world
        self.service = service
        self.name = name
        self.incarnation = incarnation
        self.dead = False
        self.consumers: list[MemoryConsumer] = []
        self._app: Any = None
        self._make_app: Callable[[], Any]
        self.operations: Any = None
        self._relays: list[Relay] = []
        self._tasks: dict[asyncio.Task[Any], None] = {}  # in their order, which a set would not keep
        self._context = contextvars.copy_context()
        self._context.run(CURRENT.set, self)
        self._chance = random.Random(f"{world.seed}/{name}/{incarnation}")

    def surroundings(self) -> Surroundings:
        """What this incarnation takes for its machine."""
        world = self.world
        return Surroundings(
            clock=world.clock,
            jitter=Jitter(random.Random(self._chance.random())),
            entropy=self._chance.randbytes,
            make_engine=world.storage.engine,
            make_broker=lambda _name, _settings: _Members(self),
            make_notifier=lambda _engine, _clock: _Bell(world, self.service),
            relay_listens=False,
            http_transport=Wire(world.outside.call),
        )

    def start(self, build: Callable[[Any, Surroundings], ServiceRuntime], settings: Any) -> None:
        """Build the service and start its roles."""
        runtime = build(settings, self.surroundings())
        self.operations = runtime.operations
        self._make_app = runtime.make_app
        for role, make in runtime.roles.items():
            # What runs beside HTTP only counts what was repeated, and no seed fills a partition: nothing rests on them.
            if not role.endswith(".partitions") and not role.startswith("serve."):
                self.spawn(self._live(role, make))

    def face(self) -> Any:
        """The application, made when somebody calls it for the first time: most incarnations die before that."""
        if self._app is None:
            self._app = self._context.run(self._make_app)
        return self._app

    def spawn(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Start a task that dies with this process."""
        task = asyncio.get_running_loop().create_task(self._mortal(work), context=self._context)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        task.add_done_callback(lambda _: work.close())  # one that died before its first step
        return task

    async def _mortal(self, work: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await work
        except asyncio.CancelledError:
            if not self.dead:
                raise
        except BaseException as error:  # noqa: BLE001 - the boundary of a simulated process
            self.die(error)
        return None

    def die(self, error: BaseException) -> None:
        """Lose everything that is only in memory; start anew after a while."""
        if self.dead:
            return
        self.dead = True
        for consumer in self.consumers:
            consumer.vanish()
        self.release()
        current = asyncio.current_task()
        for task in list(self._tasks):
            if task is not current:
                task.cancel()
        self.world.process_died(self, error, expected=_expected(error))

    def release(self) -> None:
        """Give the relays' sessions back, which are theirs alone."""
        for relay in self._relays:
            relay.abandon()

    async def _live(self, role: str, make: Callable[[], Any]) -> None:
        loop = make()
        kind = role.partition(".")[0]
        if kind == "relay":
            await self._relay(loop)
        elif kind == "consume":
            await self._consume(loop)
        elif role == "work.sender":
            await loop.run_lanes(self.world.never)
        else:
            await self._periodic(role, loop)

    async def _relay(self, relay: Relay) -> None:
        self._relays.append(relay)
        while True:
            if not relay.step(0):
                await self.world.rest(f"relay:{self.service}", 4.0)
            else:
                await asyncio.sleep(self._chance.uniform(0.0, 0.01))

    async def _consume(self, loop: Any) -> None:
        applier = loop._processor._applier
        handlers = {
            route: partial(self._handle, handler) for route, handler in applier._routes.handlers.items()
        }
        applier._routes = replace(applier._routes, handlers=handlers)
        consumer = loop.join()
        topics = loop.subscription.topics
        while True:
            if self.world.faults.strikes("member_evicted", self.name) and consumer.assignment():
                consumer.evict()
            if self.world.faults.strikes("offsets_forgotten", self.name):
                self.world.broker.forget_offsets(loop.subscription.consumer)
            if not loop.turn(consumer, 0):
                await self.world.rest(f"topics:{','.join(sorted(topics))}", 4.0)
            else:
                await asyncio.sleep(self._chance.uniform(0.0, 0.02))

    def _handle(self, handler: Callable[[Any, Any], None], event: Any, uow: Any) -> None:
        """Handle an event, unless this deployment cannot: then nobody can until the next one."""
        world = self.world
        if event.event_id in world.unreadable or world.faults.strikes("bad_deployment", self.name):
            world.unreadable.add(event.event_id)
            raise Poison("this deployment cannot read it")
        handler(event, uow)

    async def _periodic(self, role: str, loop: Any) -> None:
        while True:
            every_s = self.world.period_s(f"{self.service}.{role}", USUAL_S)
            await asyncio.sleep(every_s * self._chance.uniform(0.5, 1.5))
            if role == "work.feed":
                await loop.action.read_all()
            else:
                while self._whole_turn(role, loop):
                    await asyncio.sleep(0)

    def _whole_turn(self, role: str, loop: Any) -> bool:
        """One turn; a piece of it that failed and was set aside is told as the death of a role is."""
        failed_before = value_of(WORK_FAILED, role)
        more = bool(loop.turn())
        if value_of(WORK_FAILED, role) > failed_before:
            self.world.violations.append(f"{self.name} failed at a piece of {role}")
        return more


def _expected(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_expected(inner) for inner in error.exceptions)
    return isinstance(error, (SimulatedCrash, *EXPECTED_DEATHS))
