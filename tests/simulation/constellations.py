"""What hardly ever comes together by chance, brought together in nineteen worlds of 28.

Drawn by a chance of its own, so that a world without is to the letter what it was before there were any. Everything in
it is something that processors, people and networks do; only that it happens at once is arranged.
"""

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.simulation.circumstances import Circumstances
from tests.simulation.kinds import (
    DENIED_LATE,
    HELD_TWICE,
    KEPT_BACK,
    LET_GO_UNHEARD,
    OTHER_NAME,
    WORLDS,
    Course,
    Kind,
)

if TYPE_CHECKING:
    from tests.simulation.workload import Caller, Workload
    from tests.simulation.world import World

SPOKEN_OVER = 0.4
_OF_PAYMENTS = "SELECT DISTINCT payment_id FROM {0}_objects WHERE payment_id IS NOT NULL ORDER BY 1"
_REFUSE = """
ALTER TABLE deliveries ADD CONSTRAINT refused_for_a_while CHECK (get_byte(body_sha256, 0) % 4 <> {0}) NOT VALID
"""
_REFUSE_NO_MORE = "ALTER TABLE deliveries DROP CONSTRAINT IF EXISTS refused_for_a_while"


class Constellation:
    """That of one world, or none: then nothing here is asked for anything, and draws nothing."""

    def __init__(self, world: "World", chance: random.Random) -> None:
        self._world = world
        self.chance = chance
        self.kind: Kind | None = chance.choice(WORLDS)
        self.keeps_back = self.kind in (KEPT_BACK, LET_GO_UNHEARD)
        """Whether evidence is still to come that operators had better wait for."""
        self.is_doubted = self.kind is OTHER_NAME
        """Whether operators take what is astray for nothing that was asked for."""
        self.takes_what_came = self.kind in (DENIED_LATE, HELD_TWICE)
        """Whether operators take money astray for the merchant's."""
        self._refused: int | None = None
        """Which deliveries the database of ``webhook_ingest`` refuses for a while, by the rest of their digest."""
        self._refuses = False
        self.typed: set[str] = set()
        """References of ours under which somebody took money by hand."""
        self.is_awaited = self.kind is not None and self.kind.awaited
        """Whether more is to happen, however quiet the world is."""

    def of(self, drawn: Circumstances) -> Circumstances:
        """The circumstances under which it comes about."""
        return drawn if self.kind is None else replace(drawn, **self.kind.terms)

    def worsen(self, likelihoods: dict[str, float]) -> None:
        """Let faults strike as often as it takes."""
        if self.kind is not None:
            likelihoods.update(self.kind.likelihoods)

    def wish(self) -> dict[str, Any] | None:
        """The payment that a client asks for; none where clients ask as ever."""
        if self.kind is None or not self.kind.cards:
            return None
        return {
            "amount": self.chance.randint(1_000, 20_000),
            "currency": "EUR",
            "capture_method": self.chance.choice(self.kind.capture_methods),
            "max_attempts": 3,
            "payment_method": self.chance.choice(self.kind.cards),
        }

    @property
    def course(self) -> Course | None:
        """What a client does with such a payment; none where it goes on as ever."""
        return self.kind.course if self.kind is not None else None

    async def go(self, workload: "Workload", who: "Caller", payment: str) -> None:
        """Let a client take its course."""
        if self.course is not None:
            await self.course(workload, who, payment, self.chance)

    async def run(self) -> None:
        """What happens outside meanwhile."""
        if self.kind is None:
            return
        self._world.history.tell("world", f"constellation:{self.kind.name}")
        for rule in self.kind.rules:
            await self.say("/script/v1/faults", rule)
        if self.kind.meanwhile is not None:
            await self.kind.meanwhile(self)
        self.is_awaited = False

    def end(self) -> None:
        """Leave no trace in a database that the next world uses."""
        self._refuse_no_more()

    def refuses(self, digest: bytes) -> bool:
        """Whether a delivery is one that the database refuses, or did."""
        return self._refused is not None and digest[0] % 4 == self._refused

    async def release_now(self) -> None:
        """What was kept back comes to light."""
        for processor in ("alpha", "beta"):
            for (payment,) in self._world.storage.sandbox.execute(_OF_PAYMENTS.format(processor).encode()):
                await self.say("/script/v1/release", {"payment": payment})
        self.keeps_back = False

    def spoken_over(self, method: str) -> int | None:
        """The status that a proxy answers in a processor's place, which has the call all the same; None where it keeps quiet."""
        if self.kind is None or not self.kind.spoken_over or method != "POST" or not self.raging:
            return None
        return self.chance.choice(self.kind.spoken_over) if self.chance.random() < SPOKEN_OVER else None

    async def refuse_some_deliveries(self) -> None:
        """The database refuses some deliveries until the faults end, whatever it is that it does not like."""
        await asyncio.sleep(self.chance.uniform(0.0, 3.0))
        self._refused = self.chance.randrange(4)
        self._world.storage.admin["webhook_ingest"].execute(_REFUSE.format(self._refused).encode())
        self._refuses = True
        while self._world.faults.raging:
            await asyncio.sleep(1.0)
        self._refuse_no_more()

    @property
    def raging(self) -> bool:
        """Whether things still go wrong."""
        return self._world.faults.raging

    @property
    def now_s(self) -> float:
        """How long the world has lasted."""
        return self._world.clock.monotonic_s()

    def known_to_payment(self, question: str) -> list[tuple[Any, ...]]:
        """What our service has come to know."""
        return self._world.storage.admin["payment"].execute(question.encode()).fetchall()

    def standing_outside(self, question: str, *values: object) -> list[tuple[Any, ...]]:
        """What is at the processors."""
        return self._world.storage.sandbox.execute(question.encode(), values or None).fetchall()

    def _refuse_no_more(self) -> None:
        if self._refuses:
            self._world.storage.admin["webhook_ingest"].execute(_REFUSE_NO_MORE.encode())
            self._refuses = False

    async def say(self, target: str, body: Mapping[str, Any]) -> int:
        """What somebody does at a processor; the answer's status."""
        return await self._world.outside.say(target, json.dumps(body).encode())
