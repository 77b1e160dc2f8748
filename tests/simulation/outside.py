"""The outside of one world: the sandbox with both processors, the network to them and from them, and their outages."""

import asyncio
import random
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg

from services.sandbox.adapters.tables import CLAIM_DUE, DUE_TIMERS, named
from services.sandbox.adapters.webhook_http import FORGERS_SECRET, sign_alpha, sign_beta
from services.sandbox.app.wake_up import WakeUp
from services.sandbox.bootstrap import make_parts
from services.sandbox.domain.faults import Imitation
from services.sandbox.entrypoints.http import application
from services.sandbox.settings import SandboxSettings
from shared.kernel.ids import UlidIds
from tests.simulation.deliveries import Deliveries
from tests.simulation.network import ConnectionLost, ConnectionRefused, Reply, ask
from tests.simulation.process import CURRENT

if TYPE_CHECKING:
    from tests.simulation.world import World

WEBHOOK_SECRETS = {"alpha": "simulated-webhook-secret", "beta": "simulated-sealing-secret"}
API_KEYS = {"alpha": "simulated-alpha-key", "beta": "simulated-beta-key"}
MANNERS = {Imitation.FORGED: "secret", Imitation.STALE: "old", Imitation.UNSIGNED: "none"}
SIGNERS = {"alpha": sign_alpha, "beta": sign_beta}
_LOOKS = {named(look, processor) for look in (CLAIM_DUE, DUE_TIMERS) for processor in SIGNERS}
_NEXT_DUE = """
SELECT least((SELECT min(due_at) FROM alpha_webhooks WHERE state = 'due'), (SELECT min(due_at) FROM alpha_timers))
"""
_HASTEN = """
UPDATE alpha_webhooks SET due_at = %(now)s WHERE state = 'due' AND due_at > %(now)s::timestamptz + interval '1 hour'
"""
BASES = {"alpha": "http://alpha/alpha/v1", "beta": "http://beta/beta/v2"}


class _InlineConnections:
    """The sandbox's sessions: one, and each statement is done when it is asked for."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        self.asked = 0
        """How many statements there were, besides those that look for what is due."""

    async def fetch(self, statement: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        self.asked += statement not in _LOOKS
        cursor = self._connection.execute(statement.encode(), parameters, prepare=True)
        return cursor.fetchall() if cursor.description is not None else []

    def next_due(self, processor: str) -> datetime | None:
        """When a processor has something to do, if nobody asks for anything until then."""
        ((at,),) = self._connection.execute(named(_NEXT_DUE, processor).encode(), prepare=True)
        return at

    async def close(self) -> None:
        pass


class _Courier:
    """How one processor's webhooks travel to us."""

    def __init__(self, outside: "Outside", processor: str) -> None:
        self._outside, self._processor = outside, processor
        self._world = outside.world

    async def post(self, body: bytes) -> bool:
        """Deliver one: signed now, perhaps late, perhaps twice, at times forged before; true on a 2xx."""
        faults, chance = self._world.faults, self._world.chance
        if faults.strikes("webhook_forged", self._processor):
            await self.forge(body)
        headers = self._signed(WEBHOOK_SECRETS[self._processor], body)
        if faults.strikes("webhook_late", self._processor):
            await asyncio.sleep(chance.uniform(0.5, 20.0))
        if faults.strikes("webhook_copied", self._processor):
            self._world.in_background(self._deliver(headers, body, chance.uniform(0.0, 30.0)))
        return await self._deliver(headers, body, 0.0)

    async def imitate(self, body: bytes, how: Imitation) -> bool:
        """What the sandbox's scripts and cards have a stranger send."""
        return await self._imitated(body, MANNERS[how])

    async def forge(self, body: bytes) -> None:
        """What nobody may take: the very bytes under a wrong secret, an old seal, a seal over other bytes, or none."""
        await self._imitated(body, self._world.chance.choice(["secret", "old", "bytes", "none"]))

    async def _imitated(self, body: bytes, manner: str) -> bool:
        chance, secret = self._world.chance, WEBHOOK_SECRETS[self._processor]
        headers = {
            "secret": lambda: self._signed(FORGERS_SECRET, body),
            "old": lambda: self._signed(
                secret, body, ago_s=chance.choice([-1, 1]) * chance.uniform(301, 4_000)
            ),
            "bytes": lambda: self._signed(secret, body),
            "none": lambda: {"content-type": "application/json"},
        }[manner]()
        told = body.replace(b":", b": ", 1) if manner == "bytes" else body
        if taken := await self._deliver(headers, told, 0.0):
            self._world.violations.append(f"I14.forged_is_refused: {self._processor} by {manner}")
        return taken

    def _signed(self, secret: str, body: bytes, ago_s: float = 0.0) -> dict[str, str]:
        at = self._world.clock.now() - timedelta(seconds=ago_s)
        signed = SIGNERS[self._processor](secret, body, at)
        return {"content-type": "application/json"} | {name.lower(): value for name, value in signed.items()}

    async def _deliver(self, headers: dict[str, str], body: bytes, after_s: float) -> bool:
        await asyncio.sleep(after_s)
        told, constellation = self._outside.deliveries, self._world.constellation
        digest = told.begins(body)
        try:
            reply = await self._world.request(
                "webhook_ingest", "POST", f"/webhooks/{self._processor}", headers, body
            )
        except ConnectionRefused:
            told.never_came(digest)
            return False
        except ConnectionLost:
            return False
        told.answered(self._processor, digest, reply.status, at_fault=constellation.refuses(digest))
        return reply.status == 200


class Outside:
    """Both processors, and how calls reach them."""

    def __init__(self, world: "World") -> None:
        self.world = world
        chance = world.chance
        late_ms, settling_ms = chance.choice([3_000, 15_000, 40_000]), chance.choice([500, 5_000])
        settings = SandboxSettings(
            database_url=world.storage.urls["sandbox"].app, alpha_api_key=API_KEYS["alpha"],
            alpha_webhook_url="http://webhook-ingest/webhooks/alpha", alpha_webhook_secret=WEBHOOK_SECRETS["alpha"],
            alpha_hang_s=3.0, alpha_webhook_late_ms=late_ms, alpha_settling_ms=settling_ms,
            alpha_visibility_ms=chance.choice([0, 0, 1_500]), alpha_webhook_lease_s=10.0,
            beta_api_key=API_KEYS["beta"], beta_webhook_url="http://webhook-ingest/webhooks/beta",
            beta_webhook_secret=WEBHOOK_SECRETS["beta"], beta_hang_s=3.0, beta_webhook_late_ms=late_ms,
            beta_settling_ms=settling_ms, beta_list_delay_ms=world.circumstances.beta_list_delay_ms,
        )  # fmt: skip
        ids = UlidIds(world.clock, random.Random(f"sandbox {world.seed}").randbytes)
        self._connections: Any = _InlineConnections(world.storage.sandbox)
        parts = make_parts(
            settings, WakeUp(), world.clock, "simulation", ids=ids, connections=self._connections
        )
        if parts.beta is None:
            raise AssertionError("the sandbox was told of a key for beta")
        self._works = {"alpha": parts.alpha.own, "beta": parts.beta.own}
        for name, own in self._works.items():
            object.__setattr__(own.sender, "transport", _Courier(self, name))
        self._said = 0
        self._idle: dict[str, tuple[int, datetime | None]] = {}
        """After which statement a processor had nothing to do, and until when if nobody asks for anything."""
        self.under_way: set[asyncio.Task[Any]] = set()
        """Requests that a processor has to do with or will have, whether or not anybody waits for their answers."""
        self.deliveries = Deliveries()
        self._app = application(parts)

    async def run(self) -> None:
        """What the processors do by themselves, each where it is up."""
        while True:
            await asyncio.sleep(self.world.chance.uniform(0.3, 0.9))
            for name, own in self._works.items():
                if self._is_down(name) is None and self._may_be_due(name, own.timers.clock.now()):
                    sent, ran = await own.sender.send_due(), await own.timers.run_due()
                    if not sent and not ran:
                        self._idle[name] = self._connections.asked, self._connections.next_due(name)

    async def hasten(self) -> None:
        """What would come days later comes now: no seed lasts as long."""
        for name, own in self._works.items():
            await self._connections.fetch(named(_HASTEN, name), {"now": own.timers.clock.now()})

    def _may_be_due(self, processor: str, now: datetime) -> bool:
        """False where looking would find nothing: nobody asked the sandbox for anything, and no time has come."""
        after, until = self._idle.get(processor, (-1, None))
        return self._connections.asked != after or (until is not None and until <= now)

    async def say(self, target: str, body: bytes) -> int:
        """What a script says to the sandbox, or somebody at a processor's own pages: by no network of ours."""
        self._said += 1
        headers = {
            "authorization": f"Bearer {API_KEYS['alpha']}",
            "x-beta-key": API_KEYS["beta"],
            "idempotency-key": f"said-{self._said}",
        }
        reply = await ask(self._app, self.world.in_background, "POST", target, headers, body)
        self.world.history.tell("outside", "says", target=target, status=reply.status)
        return reply.status

    async def call(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Reply:
        """One call of ours to a processor over a network that fails."""
        world = self.world
        who = CURRENT.get()
        name = who.name if who is not None else "?"
        processor = target.split("/", 2)[1]
        world.history.tell(name, f"calls {processor}", method=method, target=target.partition("?")[0])
        if (manner := self._is_down(processor)) is not None:
            world.history.tell(processor, f"down:{manner}")
            if manner == "unavailable":
                return Reply(503, {}, b"")
            raise ConnectionRefused("down") if manner == "refused" else ConnectionLost("down")
        if world.faults.strikes("call_refused", name):
            raise ConnectionRefused("simulated")
        if world.faults.strikes("call_slow", name):
            await asyncio.sleep(world.chance.uniform(0.1, 4.0))
        if method == "POST" and self._is_held_back(name, processor):
            # Some proxy holds it back, and hands it over when nobody waits for it any more.
            late_s = world.chance.uniform(5.0, 30.0)
            self._send(self._arrive_late(late_s, processor, method, target, headers, body))
            raise ConnectionLost("simulated")
        lost = world.faults.strikes("reply_lost", name)
        reply = await ask(self._app, self._send, method, target, headers, body)
        world.history.tell(processor, "answers", status=reply.status)
        if lost:
            raise ConnectionLost("simulated")
        if (status := world.constellation.spoken_over(method)) is not None:
            world.history.tell("proxy", "answers", status=status)
            return Reply(status, {}, b'{"message": "Forbidden"}')
        return reply

    def _send(self, work: Any) -> "asyncio.Task[Any]":
        """Let a request go on by itself, and know of it until it is over."""
        task = self.world.in_background(work)
        self.under_way.add(task)
        task.add_done_callback(self.under_way.discard)
        return task

    def _is_held_back(self, name: str, processor: str) -> bool:
        world = self.world
        if world.faults.strikes("request_late", name):
            return True
        hasty = world.circumstances.in_haste and processor == "beta"
        return hasty and world.faults.raging and world.chance.random() < world.circumstances.beta_held_back

    def _is_down(self, processor: str) -> str | None:
        outage = self.world.circumstances.down(processor, self.world.clock.monotonic_s())
        return None if outage is None else outage.manner

    async def _arrive_late(
        self, late_s: float, processor: str, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> None:
        await asyncio.sleep(late_s)
        reply = await ask(self._app, self._send, method, target, headers, body)
        self.world.history.tell(processor, "answers nobody", status=reply.status)
