"""Payments that risk stops: rules put in force and reviews decided by two people, and a denial that comes too late."""

import asyncio
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import httpx2
from rich.progress import Progress

from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
from shared.testing.waiting import eventually
from tools.demo.client import Body, MerchantClient, UnexpectedReply
from tools.demo.drive import Driven, drive
from tools.demo.scenarios import (
    Drive,
    Expected,
    Outcome,
    Scenario,
    ends,
    order_of,
    outcome_of,
)
from tools.local_stack.stack import LocalStack

REFUSED_CUSTOMER: Final = "cus_refused"
#: More than the local stack lets through without a decision.
REVIEWED_ABOVE_MINOR: Final = 1_000_000
PEOPLE: Final = (("ada", OperatorRole.OPERATOR), ("bob", OperatorRole.APPROVER))
RESTART_S: Final = 90.0
LATE_TIMES: Final = 4


@dataclass(slots=True)
class RiskDesk:
    """Two operators: one proposes and says yes first, the other approves."""

    payment_url: str
    risk_url: str
    issuer: TokenIssuer
    _numbers: "count[int]" = field(default_factory=count)

    @classmethod
    def of(cls, stack: LocalStack) -> "RiskDesk":
        """The desk of a running stack."""
        key = (stack.place.secrets / "operator_tokens.pem").read_text()
        return cls(stack.url("payment"), stack.url("risk"), TokenIssuer(key))

    def put_in_force(self, merchant_id: str) -> None:
        """Block one customer of the merchant and have large amounts reviewed."""
        large = {"name": "large", "max_minor": REVIEWED_ABOVE_MINOR, "currency": "EUR", "decision": "review"}
        rules = {
            "limits": [large | {"merchants": [merchant_id]}],
            "blocked": {"customers": [{"merchant": merchant_id, "customer": REFUSED_CUSTOMER}]},
        }
        with httpx2.Client(base_url=self.risk_url) as http:
            asked = {"rules": rules, "reason": "the demo"}
            made = _answer(http.post("/rule-sets", json=asked, headers=self._headers(*PEOPLE[0])))
            path = f"/rule-sets/{made['version']}/approve"
            _answer(http.post(path, json={"reason": "the demo"}, headers=self._headers(*PEOPLE[1])))

    async def say(self, word: str, operation_id: str, people: int) -> None:
        """Approve or refuse a review, by one person or by both, one after the other."""
        path = f"/operator/risk-reviews/{operation_id}/{word}"
        async with httpx2.AsyncClient(base_url=self.payment_url) as http:
            for who, role in PEOPLE[:people]:
                _answer(await http.post(path, json={"reason": "the demo"}, headers=self._headers(who, role)))

    def _headers(self, who: str, role: OperatorRole) -> dict[str, str]:
        key = f"demo-{who}-{next(self._numbers)}"
        return {"Authorization": f"Bearer {self.issuer.operator(who, role)}", "Idempotency-Key": key}


def risk_scenarios(desk: RiskDesk) -> tuple[Scenario, ...]:
    """What rules stop while the service answers."""
    approved, refused = reviewed(desk, "approve", 2), reviewed(desk, "refuse", 1)
    return (
        Scenario("risk: refused, the processor never hears of it", 6, refused_by_risk),
        Scenario("risk: reviewed, two people approve", 6, approved),
        Scenario("risk: reviewed, refused", 4, refused),
    )


async def refused_by_risk(client: MerchantClient, number: int) -> Outcome:
    """A customer on the block list; too much to go through should the decision come late on a busy machine."""
    amount = REVIEWED_ABOVE_MINOR + 1 + number
    order = order_of(number, "pm_card_visa", customer=REFUSED_CUSTOMER, amount=amount, currency="EUR")
    payment = await client.post("/payments", order)
    return await ends(client, payment["id"], Expected("FAILED"))


def reviewed(desk: RiskDesk, word: str, people: int) -> Drive:
    """Held for a person, who lets it go or ends it."""

    async def drive_one(client: MerchantClient, number: int) -> Outcome:
        amount = REVIEWED_ABOVE_MINOR + 1 + number
        order = order_of(number, "pm_card_visa", amount=amount, currency="EUR")
        payment = await client.post("/payments", order)
        held = await client.shows(payment["id"], "hold", "risk_review")
        await desk.say(word, held["operation"]["id"], people)
        taken = word == "approve"
        expected = Expected("CAPTURED", amount) if taken else Expected("FAILED")
        return await outcome_of(client, payment["id"], expected)

    return drive_one


def deny_late(stack: LocalStack, api_key: str, progress: Progress) -> list[Driven]:
    """Holds taken while risk is down, and refused once it is back."""
    made: list[str] = []

    async def hold(client: MerchantClient, number: int) -> Outcome:
        order = order_of(number, "pm_card_visa", capture_method="manual", customer=REFUSED_CUSTOMER)
        payment = await client.post("/payments", order)
        outcome = await outcome_of(client, payment["id"], Expected("AUTHORIZED"))
        made.append(payment["id"])
        return outcome

    async def given_back(client: MerchantClient, number: int) -> Outcome:
        return await ends(client, made[number], Expected("CANCELED"))

    keys = {"alpha": api_key}
    url = stack.url("payment")
    stack.supervisor.stop("risk")
    try:
        down = Scenario("risk is down: small holds go through", LATE_TIMES, hold)
        taken = asyncio.run(drive(url, keys, "demo-down", [down], progress))
    finally:
        stack.supervisor.start("risk")
    eventually(
        lambda: stack.is_ready("risk"), timeout_s=RESTART_S, interval_s=0.2, describe="risk being ready"
    )
    late = Scenario("risk: denied late, the hold is given back", len(made), given_back)
    return [*taken, *asyncio.run(drive(url, keys, "demo-late", [late], progress))]


def _answer(reply: httpx2.Response) -> Body:
    if reply.is_error:
        raise UnexpectedReply(f"{reply.request.method} {reply.request.url}: {reply.status_code} {reply.text}")
    found: dict[str, Any] = reply.json()
    return found
