"""Two operators who look at what waits for a person, ask the processor's own book, and decide: at times both at once.

They know the operator API and what the processor shows to people; every proposal about money needs the other one.
"""

import asyncio
import random
from typing import Any

from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
from tests.simulation.workload import Workload
from tests.simulation.world import World

FIRST_LOOK_S = 15.0
NAMES = ("ann", "bob")
#: What is in review is decided by an object that stands under the operation at the processor.
_FOUND = """
SELECT id, amount_minor FROM alpha_objects WHERE reference = %s AND status IN ('authorized', 'succeeded')
 ORDER BY kind DESC LIMIT 1
"""


class Operators:
    """The desk of one world."""

    def __init__(self, world: World, workload: Workload) -> None:
        self._world = world
        self._workload = workload
        self._chance = random.Random(f"operators {world.seed}")
        issuer = TokenIssuer(world.operator_key, clock=world.clock)
        self._tokens = {name: issuer.operator(name, OperatorRole.APPROVER) for name in NAMES}

    async def run(self) -> None:
        """Look now and then, as long as the world lasts."""
        await asyncio.sleep(FIRST_LOOK_S * self._chance.random())
        while True:
            async with asyncio.TaskGroup() as desk:
                for name in NAMES:
                    desk.create_task(self._look(name))
            await asyncio.sleep(self._chance.uniform(4.0, 20.0))

    async def _look(self, name: str) -> None:
        self._world.history.count("operator reads")
        token = self._tokens[name]
        for decision in await self._workload.listed("/operator/decisions", token):
            word = "approve" if self._chance.random() < 0.8 else "reject"
            await self._ask(name, f"/decisions/{decision['decision_id']}/{word}", {})
        for stray in await self._workload.listed("/operator/strays", token):
            if self._chance.random() < 0.5:
                await self._ask(
                    name, f"/strays/{stray['stray_id']}/decision", {"action": self._end_of(stray)}
                )
        for doubt in await self._workload.listed("/operator/doubts", token):
            if doubt["state"] == "IN_REVIEW" and self._chance.random() < 0.5:
                await self._decide(name, doubt)

    def _end_of(self, stray: dict[str, Any]) -> str:
        if stray["kind"] == "hold":
            return "void"
        if stray["kind"] == "refund":
            return "accept"
        return self._chance.choice(["return", "return", "accept"])

    async def _decide(self, name: str, doubt: dict[str, Any]) -> None:
        found = self._world.storage.sandbox.execute(_FOUND, [doubt["operation_id"]]).fetchone()
        done = found is not None and found[1] == doubt["amount_minor"]
        body = {"outcome": "succeeded" if done else "declined", "evidence": "the processor's own pages"}
        if done and found is not None:
            body["object_id"] = found[0]
        await self._ask(name, f"/operations/{doubt['operation_id']}/decision", body)

    async def _ask(self, name: str, target: str, body: dict[str, Any]) -> None:
        await self._workload.post(
            name, f"/operator{target}", body | {"reason": "looked at it"}, self._tokens[name]
        )
