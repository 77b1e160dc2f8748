"""Two operators who look at what waits for a person, ask the processor's own book, and decide: at times both at once.

They know the operator API and what the processor shows to people; every proposal about money needs the other one. When
the seed says so they let payments go elsewhere, and give risk other rules, one proposing what the other one approves.
"""

import asyncio
import json
import random
from collections.abc import Mapping
from typing import Any

from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
from tests.simulation.circumstances import MONTH, Route
from tests.simulation.workload import Call, Caller, Workload
from tests.simulation.world import World

FIRST_LOOK_S = 15.0
NAMES = ("ann", "bob")
CLOSING_TRIES = 12
CURIOSITY = 0.15
"""How often somebody reads a list on which nothing is."""
RULES_DECIDED = (
    (("bob", "approve"),),
    (("bob", "approve"),),
    (("ann", "approve"), ("bob", "approve")),
    (("bob", "approve"), ("ann", "approve")),
    (("ann", "reject"), ("bob", "approve")),
    (("bob", "reject"),),
)
"""Who says what of the rules that ann proposes, one after the other."""
_ROLE = OperatorRole.ADMIN
#: What is in review is decided by an object that stands under the operation at the processor.
_FOUND = """
SELECT id, amount_minor FROM (SELECT * FROM alpha_objects UNION ALL SELECT * FROM beta_objects) AS objects
 WHERE reference = %s AND status IN ('authorized', 'succeeded') ORDER BY kind DESC LIMIT 1
"""
_WAITING = {
    "decisions": "SELECT EXISTS (SELECT FROM operator_decisions WHERE state = 'proposed')",
    "risk-reviews": "SELECT EXISTS (SELECT FROM operations WHERE risk = 'REVIEW')",
    "strays": "SELECT EXISTS (SELECT FROM strays WHERE NOT released AND returned_minor < amount_minor)",
    "doubts": "SELECT EXISTS (SELECT FROM operations WHERE state = 'IN_REVIEW')",
    "cases": "SELECT EXISTS (SELECT FROM cases WHERE closed_at IS NULL)",
}
"""Whether anything is on an operators' list."""


class Operators:
    """The desk of one world."""

    def __init__(self, world: World, workload: Workload) -> None:
        self._world = world
        self._workload = workload
        self._chance = random.Random(f"operators {world.seed}")
        issuer = TokenIssuer(world.operator_key, clock=world.clock)
        self._at = {
            service: {
                name: Caller(name, f"operator:{name}", issuer.operator(name, _ROLE), service)
                for name in NAMES
            }
            for service in ("payment", "risk", "ledger")
        }

    async def run(self) -> None:
        """Look now and then, as long as the world lasts."""
        drawn = self._world.circumstances
        async with asyncio.TaskGroup() as desk:
            desk.create_task(self._look_at_times())
            for route in drawn.routes:
                desk.create_task(self._set_route(route))
            for at_s, rules in drawn.rule_sets:
                desk.create_task(self._set_rules(at_s, rules))
            for at_s, merchant_id in drawn.revocations:
                desk.create_task(self._revoke(at_s, merchant_id))
            if drawn.month_ends_s is not None:
                desk.create_task(self._close_month(drawn.month_ends_s))

    async def _look_at_times(self) -> None:
        await asyncio.sleep(FIRST_LOOK_S * self._chance.random())
        while True:
            async with asyncio.TaskGroup() as both:
                for who in self._at["payment"].values():
                    both.create_task(self._look(who))
            await asyncio.sleep(self._chance.uniform(4.0, 20.0))

    async def _set_route(self, route: Route) -> None:
        await asyncio.sleep(route.at_s)
        await self._workload.post(self._at["payment"]["ann"], "/operator/routes", dict(route.body))

    async def _set_rules(self, at_s: float, rules: Mapping[str, Any]) -> None:
        """One proposes, the other one approves or either rejects; the proposer may try to approve, and is refused."""
        await asyncio.sleep(at_s)
        risk = self._at["risk"]
        proposed = _told(
            await self._workload.post(risk["ann"], "/rule-sets", {"rules": rules, "reason": "by lot"})
        )
        if proposed is None:
            return
        for name, word in self._chance.choice(RULES_DECIDED):
            target = f"/rule-sets/{proposed['version']}/{word}"
            await self._workload.post(risk[name], target, {"reason": "looked at them"})

    async def _revoke(self, at_s: float, merchant_id: str) -> None:
        await asyncio.sleep(at_s)
        self._world.keys.revoke(merchant_id)
        self._world.history.tell("operator", "revokes", of=merchant_id)

    async def _close_month(self, over_s: float) -> None:
        """Propose and decide until the month is closed, now and then too early or by whoever may not."""
        chance, ledger = self._chance, self._at["ledger"]
        await asyncio.sleep(max(0.0, over_s + chance.uniform(-2.0, 4.0)))
        for _ in range(CLOSING_TRIES):
            who = ledger[chance.choice(NAMES)]
            closes = await self._workload.listed(who, "/period-closes")
            standing = next((each for each in closes if each["state"] != "REJECTED"), None)
            if standing is None:
                body = {"period": str(MONTH), "reason": "it is over"}
                await self._workload.post(who, "/period-closes", body)
            elif standing["state"] == "PROPOSED":
                word = "approve" if chance.random() < 0.85 else "reject"
                await self._workload.post(
                    who, f"/period-closes/{standing['id']}/{word}", {"reason": "looked at it"}
                )
            else:
                return
            await asyncio.sleep(chance.uniform(0.2, 2.0))

    async def _look(self, who: Caller) -> None:
        self._world.history.count("operator reads")
        for decision in await self._listed(who, "decisions"):
            word = "approve" if self._chance.random() < 0.8 else "reject"
            await self._ask(who, f"/decisions/{decision['decision_id']}/{word}", {})
        for review in await self._listed(who, "risk-reviews"):
            if self._chance.random() < 0.6:
                # Whoever said so first says it again at times, and it takes the other one all the same.
                word = "approve" if self._chance.random() < 0.7 else "refuse"
                await self._ask(who, f"/risk-reviews/{review['operation_id']}/{word}", {})
        for stray in await self._listed(who, "strays"):
            left_to_policy = self._world.circumstances.stray_policy == "automatic" and not stray["mismatch"]
            if self._chance.random() < (0.1 if left_to_policy else 0.5):
                await self._ask(who, f"/strays/{stray['stray_id']}/decision", {"action": self._end_of(stray)})
        for doubt in await self._listed(who, "doubts"):
            if (
                doubt["state"] == "IN_REVIEW"
                and self._chance.random() < 0.5
                and not self._world.constellation.keeps_back
            ):
                await self._decide(who, doubt)
        for case in await self._listed(who, "cases"):
            # What waits for a decision is closed by none but that.
            if self._chance.random() < 0.2:
                await self._ask(who, f"/cases/{case['case_id']}/close", {})

    async def _listed(self, who: Caller, name: str) -> list[dict[str, Any]]:
        """What a list shows; hardly ever read where it is empty, which costs a request and teaches nothing."""
        (waiting,) = self._world.storage.admin["payment"].execute(_WAITING[name].encode())
        if not waiting[0] and self._chance.random() > CURIOSITY:
            return []
        return await self._workload.listed(who, f"/operator/{name}")

    def _end_of(self, stray: dict[str, Any]) -> str:
        if stray["kind"] == "hold":
            return "void"
        if stray["kind"] == "refund" or self._world.constellation.takes_what_came:
            return "accept"
        return self._chance.choice(["return", "return", "accept"])

    async def _decide(self, who: Caller, doubt: dict[str, Any]) -> None:
        found = self._world.storage.sandbox.execute(_FOUND, [doubt["operation_id"]]).fetchone()
        done = found is not None and found[1] == doubt["amount_minor"]
        done = done and not self._world.constellation.is_doubted
        body = {"outcome": "succeeded" if done else "declined", "evidence": "the processor's own pages"}
        if done and found is not None:
            body["object_id"] = found[0]
        await self._ask(who, f"/operations/{doubt['operation_id']}/decision", body)

    async def _ask(self, who: Caller, target: str, body: dict[str, Any]) -> None:
        await self._workload.post(who, f"/operator{target}", body | {"reason": "looked at it"})


def _told(call: Call) -> dict[str, Any] | None:
    found: dict[str, Any] | None = next(
        (json.loads(reply.body) for reply in call.replies if reply.status in (200, 201)), None
    )
    return found
