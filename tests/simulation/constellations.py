"""What hardly ever comes together by chance, brought together in fourteen worlds of 28.

Drawn by a chance of its own, so that a world without is to the letter what it was before there were any. Everything in
it is something that processors, people and networks do; only that it happens at once is arranged.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from tests.simulation.arranging import (
    OTHERWISE,
    charge_by_hand,
    dispute_what_goes_back,
    fail_what_was_done_otherwise,
    give_back_more_than_was_taken,
    take_another_amount,
    take_give_back_and_take,
    undo_what_was_done,
)
from tests.simulation.circumstances import BETA_HASTE_S, Circumstances
from tests.simulation.courses import (
    CLAIMED_CARDS,
    give_most_back,
    insist,
    take_a_part_and_cancel,
    take_a_part_and_give_back,
    take_a_part_as_last,
    take_twice_and_give_back,
    wait_first,
)

if TYPE_CHECKING:
    from tests.simulation.workload import Caller, Workload
    from tests.simulation.world import World

Course = Callable[["Workload", "Caller", str, random.Random], Awaitable[None]]
RELEASED_S = (165.0, 330.0)
"""When what had been kept back comes to light: at the earliest when a ladder of look-ups is over."""
_AT_ALPHA: Mapping[str, Any] = {"default_processor": "alpha", "routes": (), "outages": (), "risk_mode": "off"}
_AT_BETA: Mapping[str, Any] = _AT_ALPHA | {"default_processor": "beta"}
_IN_HASTE: Mapping[str, Any] = {"beta_visibility_window_s": BETA_HASTE_S, "beta_held_back": 0.7}
_UNHEARD: Mapping[str, Any] = {"reply": "timeout_after", "webhooks": "lost", "calls": None}
"""It is done, and its reply and its webhooks are lost."""
_REVIEW_ALL: Mapping[str, Any] = {
    "limits": [
        {"name": f"review_{operation}", "decision": "review", "currency": "EUR", "operations": [operation],
         "max_minor": 1}
        for operation in ("sale", "capture")
    ],
    "velocity": [],
    "blocked": {"customers": []},
}  # fmt: skip
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
        self.keeps_back = self.kind is KEPT_BACK
        """Whether evidence is still to come that operators had better wait for."""
        self.is_doubted = self.kind is OTHER_NAME
        """Whether operators take what is astray for nothing that was asked for."""
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

    async def release(self) -> None:
        """What nothing has told of for minutes comes to light."""
        await asyncio.sleep(self.chance.uniform(*RELEASED_S))
        await self.release_now()

    async def release_now(self) -> None:
        """What was kept back comes to light."""
        for processor in ("alpha", "beta"):
            for (payment,) in self._world.storage.sandbox.execute(_OF_PAYMENTS.format(processor).encode()):
                await self.say("/script/v1/release", {"payment": payment})
        self.keeps_back = False

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is arranged."""

    name: str
    terms: Mapping[str, Any] = field(default_factory=dict)
    likelihoods: Mapping[str, float] = field(default_factory=dict)
    cards: Sequence[str] = ()
    """With what clients pay; none: as ever."""
    capture_methods: Sequence[str] = ("automatic",)
    rules: Sequence[Mapping[str, Any]] = ()
    """What the sandbox's script says."""
    course: Course | None = None
    meanwhile: Callable[[Constellation], Awaitable[None]] | None = None
    awaited: bool = False
    """Whether no world of it is at rest before that is over."""


CAME_AND_WENT = Kind(
    name="came_and_went",
    terms=_AT_ALPHA,
    cards=("pm_card_captureFail", "pm_card_captureFail", OTHERWISE),
    rules=({"processor": "alpha", "operation": "authorization", "not_found_s": 6} | _UNHEARD,),
    course=wait_first,
    meanwhile=fail_what_was_done_otherwise,
)
"""Of a capture the first that is heard is that it failed."""
CHARGED_LATE = Kind(
    name="charged_late",
    terms=_AT_BETA | _IN_HASTE,
    cards=CLAIMED_CARDS,
    rules=(
        {
            "processor": "beta",
            "operation": "authorization",
            "not_found_s": 10,
            "feed": "late",
            "feed_delay_s": 25,
        }
        | _UNHEARD,
    ),
    course=insist,
)
"""A charge takes effect after it was given up, and a dispute speaks of it before it is shown."""
LOST_CAPTURE = Kind(
    name="lost_capture",
    terms=_AT_ALPHA,
    cards=("pm_card_createDispute", "pm_card_createPartialReversal", "pm_card_createReversal"),
    capture_methods=("manual",),
    course=take_twice_and_give_back,
)
"""Of two captures one is disputed or taken back, and refunds are asked for."""
KEPT_BACK = Kind(
    name="kept_back",
    cards=("pm_no_evidence", "pm_no_evidence_on_authorization", "pm_no_evidence_on_refund"),
    course=wait_first,
    meanwhile=Constellation.release,
)
"""Nothing tells what was done until it has been put before people, who wait; then evidence does."""
CHARGED_BY_HAND = Kind(
    name="charged_by_hand",
    terms=_AT_BETA,
    cards=("pm_card_visa", "pm_card_mastercard"),
    capture_methods=("manual",),
    course=wait_first,
    meanwhile=charge_by_hand,
)
"""A hold that can be charged once is charged by somebody else."""
OTHER_NAME = Kind(
    name="other_name",
    terms=_AT_ALPHA,
    cards=("pm_fault_wrong_reference_on_capture",),
    capture_methods=("manual",),
    course=take_a_part_and_cancel,
)
"""A capture is answered under somebody else's name, so that a part of the hold has gone astray, and the rest goes back."""
DELIVERIES_REFUSED = Kind(name="deliveries_refused", meanwhile=Constellation.refuse_some_deliveries)
"""A database refuses some webhooks, which come together with others."""
OWNERS_STOPPED = Kind(name="owners_stopped", likelihoods={"thread_stopped": 0.3})
"""Whoever has a reply to store is often stopped until somebody else has stored one."""
REVIEWED = Kind(
    name="reviewed",
    terms={
        "risk_mode": "required",
        "risk_deadline_ms": 5_000,
        "risk_recheck_after_s": 2.0,
        "rule_sets": ((0.0, _REVIEW_ALL),),
        "outages": (),
    },
    cards=("pm_card_visa", "pm_card_mastercard"),
    capture_methods=("automatic", "manual"),
)
"""Risk leaves to people whatever takes money, so that at times the one who said yes is asked once more."""
TAKEN_AGAIN = Kind(
    name="taken_again",
    terms=_AT_ALPHA,
    cards=("pm_card_visa", "pm_card_mastercard"),
    course=give_most_back,
    meanwhile=take_give_back_and_take,
    awaited=True,
)
"""More was given back than is left of a capture, and again after a person had seen it and it had been made good."""
UNDONE_LATER = Kind(
    name="undone_later",
    terms=_AT_ALPHA,
    cards=("pm_no_evidence_on_capture", "pm_no_evidence_on_refund", "pm_card_visa"),
    capture_methods=("manual",),
    course=take_a_part_and_give_back,
    meanwhile=undo_what_was_done,
    awaited=True,
)
"""What a person decided is undone at the processor, and so is what a person only looked at."""
CLAIMED_ASTRAY = Kind(
    name="claimed_astray",
    terms=_AT_ALPHA,
    likelihoods={"record_delayed": 0.6},
    cards=(OTHERWISE,),
    course=wait_first,
    meanwhile=dispute_what_goes_back,
)
"""What went astray is disputed while its return is on its way."""
ANOTHER_LAST = Kind(
    name="another_last",
    terms=_AT_ALPHA,
    likelihoods={"record_delayed": 0.6},
    cards=("pm_card_visa", "pm_card_mastercard"),
    capture_methods=("manual",),
    course=take_a_part_as_last,
    meanwhile=take_another_amount,
)
"""A last capture is made in another amount by hand, before the one that was asked for arrives."""
OVERPAID = Kind(
    name="overpaid",
    terms=_AT_ALPHA,
    cards=("pm_card_createDispute", "pm_card_createDisputeProductNotReceived"),
    course=wait_first,
    meanwhile=give_back_more_than_was_taken,
)
"""More of a dispute comes back than was taken, and then it is decided."""
KINDS = (
    CAME_AND_WENT, CHARGED_LATE, LOST_CAPTURE, KEPT_BACK, CHARGED_BY_HAND, OTHER_NAME, DELIVERIES_REFUSED,
    OWNERS_STOPPED, REVIEWED, TAKEN_AGAIN, UNDONE_LATER, CLAIMED_ASTRAY, ANOTHER_LAST, OVERPAID,
)  # fmt: skip
WORLDS: tuple[Kind | None, ...] = (*KINDS, *(None,) * (28 - len(KINDS)))
"""A kind more takes the place of a world without any: all other worlds stay what they were."""
