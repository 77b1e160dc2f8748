"""What is asked of the system: merchants' clients that retry, give up, repeat themselves, change their mind and race.

The workload knows the API and nothing of what is behind it; whether the answers are right is the auditor's business.
"""

import asyncio
import json
import random
from dataclasses import dataclass, field
from typing import Any

from services.sandbox.domain.payment_methods import PAYMENT_METHODS
from tests.simulation.circumstances import CURRENCIES, CUSTOMERS
from tests.simulation.network import ConnectionLost, ConnectionRefused, Reply
from tests.simulation.storage import Merchant
from tests.simulation.world import World

CLIENTS = 3
PAYMENTS_PER_CLIENT = 1
CLIENT_TIMEOUT_S = 40.0
RETRIES_MAX = 12
PLAIN = ("pm_card_visa", "pm_card_mastercard")
ODD = tuple(name for name in PAYMENT_METHODS if name.startswith("pm_card_") and name not in PLAIN)
FAULTY = tuple(name for name in PAYMENT_METHODS if name.startswith("pm_fault_"))
STRANGE = tuple(name for name in FAULTY if name.startswith("pm_fault_webhook_nobodys"))
"""What has webhooks signed about objects that never were: a few of very many cards, drawn more often than one of them."""
REFUSING = ("pm_card_refundFail", "pm_card_refundDeclined")
"""What is given back on these does not arrive."""
OTHERWISE = "pm_fault_wrong_amount"
"""Done otherwise than asked: what leaves strays for operators."""
AGAIN_STATUSES = (401, 409, 429, 500, 503)
"""What a client tries again under the same key, where the code allows it."""
AGAIN_CODES = ("idempotency_key_in_use",)


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who calls a service: a merchant's client, or an operator."""

    name: str
    owner_id: str
    token: str
    service: str = "payment"


@dataclass(slots=True)
class Call:
    """One POST under one key, with everything that the client ever heard of it."""

    key: str
    target: str
    body: dict[str, Any]
    caller: Caller
    """Whose words they are: keys are a caller's own."""
    replies: list[Reply] = field(default_factory=list)
    unanswered: int = 0

    @property
    def final(self) -> list[Reply]:
        """Replies that are kept under the key and must never change."""
        return [reply for reply in self.replies if is_final(reply)]


def is_final(reply: Reply) -> bool:
    """Whether a reply is stored for ever: successes and refusals by state."""
    if reply.status in (200, 201):
        return True
    return reply.status in (409, 422) and code_of(reply) not in (
        *AGAIN_CODES,
        "operation_in_doubt",
        "dispute_in_doubt",
        "decision_open",
        "period_busy",
        "period_not_over",
        "period_not_sealed",
        "idempotency_key_reused",
        "field_invalid",
        "field_unknown",
    )


def _merchants_client(name: str, merchant: Merchant) -> Caller:
    return Caller(name, merchant.merchant_id, merchant.api_key)


def code_of(reply: Reply) -> str:
    """The problem's code, empty for a success."""
    return str(json.loads(reply.body).get("code", "")) if reply.status >= 400 else ""


class Workload:
    """The clients of one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._chance = random.Random(f"workload {world.seed}")
        self._numbers = 0
        self.calls: list[Call] = []
        self.misused: list[tuple[Call, Call]] = []
        """A request, and another one that was sent under its key."""

    async def run(self) -> None:
        """All clients, until each has done what it wanted."""
        async with asyncio.TaskGroup() as clients:
            for number in range(CLIENTS):
                merchant = self._chance.choice(self._world.storage.merchants)
                clients.create_task(self._client(_merchants_client(f"client-{number}", merchant)))

    async def _client(self, who: Caller) -> None:
        for _ in range(PAYMENTS_PER_CLIENT):
            await asyncio.sleep(self._chance.uniform(0.0, 4.0))
            await self._payment(who)

    async def _payment(self, who: Caller) -> None:
        call = await self.post(who, "/payments", self._world.constellation.wish() or self._wish())
        created = _document(call)
        if created is None:
            return
        if self._world.constellation.course is not None:
            await self._world.constellation.go(self, who, created["id"])
        else:
            await self.go_on(who, created["id"])

    def _wish(self) -> dict[str, Any]:
        chance = self._chance
        body: dict[str, Any] = {
            "amount": chance.randint(100, 20_000),
            "currency": chance.choice(["EUR", *CURRENCIES]),
            "capture_method": chance.choice(["automatic", "manual"]),
            "max_attempts": chance.randint(1, 3),
        }
        if chance.random() < 0.9:
            body["payment_method"] = self._method()
        if chance.random() < 0.5:
            body["customer"] = chance.choice(CUSTOMERS)
        if chance.random() < 0.3:
            body["reference"] = f"order-{chance.randint(1, 4)}"
        return body

    async def go_on(self, who: Caller, payment: str) -> None:
        """Look at a payment now and then, and do something with it."""
        chance = self._chance
        for _ in range(chance.randint(1, 5)):
            await asyncio.sleep(chance.choice([0.0, 0.2, 2.0, 8.0]) * chance.random())
            shown = await self.shown(who, f"/payments/{payment}")
            if shown is None:
                continue
            await self._next(who, shown)

    async def _next(self, who: Caller, shown: dict[str, Any]) -> None:
        """Do what a merchant might do next; at times what it had better not."""
        chance, payment = self._chance, shown["id"]
        status = shown["status"]
        capturable, captured = shown["amount_capturable"], shown["amount_captured"]
        wild = chance.random() < 0.1
        if status in ("CREATED", "REQUIRES_PAYMENT_METHOD") or (wild and chance.random() < 0.3):
            method = {"payment_method": self._method()}
            await self.post(who, f"/payments/{payment}/confirm", method)
        elif capturable > 0 and chance.random() < 0.8:
            body: dict[str, Any] = {}
            if chance.random() < 0.6:
                body["amount"] = chance.randint(1, capturable + (50 if wild else 0))
            if chance.random() < 0.4:
                body["final"] = chance.random() < 0.5
            await self.post(who, f"/payments/{payment}/capture", body)
        elif shown["amount_disputed"] > 0 and chance.random() < 0.7:
            await self._answer_dispute(who, payment)
        elif captured > 0:
            await self._refund(who, payment, captured, wild=wild)
        else:
            await self.post(who, f"/payments/{payment}/cancel", {})

    async def _refund(self, who: Caller, payment: str, captured: int, *, wild: bool) -> None:
        bodies = []
        for _ in range(self._chance.choice([1, 1, 2, 3])):
            body: dict[str, Any] = {"payment": payment}
            if self._chance.random() < 0.8:
                body["amount"] = self._chance.randint(1, captured * 2 if wild else captured)
            bodies.append(body)
        async with asyncio.TaskGroup() as racing:
            for body in bodies:
                racing.create_task(self.post(who, "/refunds", body))

    async def _answer_dispute(self, who: Caller, payment: str) -> None:
        for dispute in await self.listed(who, f"/disputes?payment={payment}"):
            if self._chance.random() < 0.3:
                await self.post(who, f"/disputes/{dispute['id']}/accept", {})
            else:
                documents = {"documents": {"receipt": f"file_{self._chance.randint(1, 9)}"}}
                await self.post(who, f"/disputes/{dispute['id']}/evidence", documents)

    def _otherwise(self, target: str, body: dict[str, Any]) -> dict[str, Any]:
        """Another wish of the same form."""
        if target.endswith("/confirm"):
            return {"payment_method": body["payment_method"] + "x"}
        if target.endswith(
            (
                "/cancel",
                "/decision",
                "/approve",
                "/reject",
                "/refuse",
                "/routes",
                "/rule-sets",
                "/period-closes",
            )
        ):
            return body | {"reason": "changed my mind"}
        if target.endswith("/accept"):
            return {"nothing": "else"}
        if target.endswith("/evidence"):
            return {"documents": {"receipt": "file_0"}}
        return body | {"amount": body.get("amount", 1) + 1}

    def _method(self) -> str:
        if self._world.circumstances.in_haste and self._chance.random() < 0.15:
            # Where strays as asked for are to be found, giving them back fails at times.
            return self._chance.choice(REFUSING)
        kind = self._chance.random()
        if kind < 0.35:
            return self._chance.choice(PLAIN)
        if kind < 0.55:
            return self._chance.choice(ODD)
        if kind < 0.88:
            return self._chance.choice(FAULTY if kind < 0.85 else STRANGE)
        if kind < 0.95:
            # Each operation of the payment draws a fault of its own: half of them have one.
            return f"pm_random_50_{self._world.seed}_{self._chance.randint(0, 9_999)}"
        return OTHERWISE

    async def post(self, who: Caller, target: str, body: dict[str, Any]) -> Call:
        """One wish of somebody, under a key of its own, asked as often and as oddly as clients do."""
        self._numbers += 1
        call = Call(self._new_key(who), target, body, who)
        self.calls.append(call)
        patience = 0 if self._chance.random() < 0.15 else RETRIES_MAX
        once = self._chance.random()
        if once < 0.15:
            async with asyncio.TaskGroup() as twice:
                twice.create_task(self._try(call, patience))
                twice.create_task(self._try(call, patience))
        else:
            await self._try(call, patience)
        if once > 0.92:
            other = Call(call.key, target, self._otherwise(target, body), who)
            await self._try(other, 3)
            self.misused.append((call, other))
        elif once > 0.8:
            await self._try(call, 3)
        return call

    def _new_key(self, who: Caller) -> str:
        """A key that this caller has never used; at times somebody else has."""
        if self._chance.random() < 0.15:
            theirs = [call.key for call in self.calls if call.caller.owner_id != who.owner_id]
            ours = {call.key for call in self.calls if call.caller.owner_id == who.owner_id}
            found = [key for key in theirs if key not in ours]
            if found:
                self._world.history.count("key of two callers")
                return self._chance.choice(found)
        return f"key-{self._numbers}"

    async def _try(self, call: Call, patience: int) -> None:
        """Ask until the answer is definite or the patience is over."""
        for number in range(patience + 1):
            reply = await self._ask(call)
            if reply is not None and (reply.status not in AGAIN_STATUSES or is_final(reply)):
                return
            await asyncio.sleep(self._chance.uniform(0.2, 1.0) * 2 ** min(number, 4))

    async def _ask(self, call: Call) -> Reply | None:
        wait_s = self._chance.choice([0, 0, 1, 3])
        headers = {
            "content-type": "application/json",
            "idempotency-key": call.key,
            "prefer": f"wait={wait_s}",
        }
        history, name = self._world.history, call.caller.name
        history.tell(name, "asks", key=call.key, target=call.target, body=json.dumps(call.body))
        try:
            async with asyncio.timeout(CLIENT_TIMEOUT_S):
                reply = await self._request(
                    call.caller, "POST", call.target, headers, json.dumps(call.body).encode()
                )
        except (ConnectionLost, ConnectionRefused, TimeoutError) as error:
            call.unanswered += 1
            history.tell(name, "unanswered", key=call.key, why=type(error).__name__)
            return None
        call.replies.append(reply)
        told = code_of(reply) or json.loads(reply.body).get("status", "")
        replayed = "replayed" if "idempotent-replayed" in reply.headers else "first"
        history.tell(name, f"answer:{reply.status}", key=call.key, told=told, seen=replayed)
        if code_of(reply):
            history.count(f"refused:{code_of(reply)}")
        if replayed == "replayed":
            history.count("replayed")
        return reply

    async def _request(
        self, who: Caller, method: str, target: str, headers: dict[str, str], body: bytes
    ) -> Reply:
        """Ask with whichever key the caller shows now."""
        keys = self._world.keys
        token = keys.token_of(who.owner_id, who.token)
        revoked = keys.is_revoked(token)
        headers = {"authorization": f"Bearer {token}", **headers}
        reply = await self._world.request(who.service, method, target, headers, body)
        keys.heard(token, reply.status, f"{method} {target} of {who.name}", revoked_before=revoked)
        return reply

    async def shown(self, who: Caller, target: str) -> dict[str, Any] | None:
        """One payment, as its merchant sees it."""
        shown = await self.read(who, target)
        if shown is not None:
            self._world.history.tell(
                who.name, "sees", payment=shown["id"], status=shown["status"], certainty=shown["certainty"]
            )
        return shown

    async def listed(self, who: Caller, target: str) -> list[dict[str, Any]]:
        """What a list shows; nothing where nobody answers."""
        shown = await self.read(who, target)
        return list(shown["data"]) if shown is not None else []

    async def read(self, who: Caller, target: str) -> dict[str, Any] | None:
        """One document."""
        try:
            async with asyncio.timeout(CLIENT_TIMEOUT_S):
                reply = await self._request(who, "GET", target, {}, b"")
        except (ConnectionLost, ConnectionRefused, TimeoutError):
            return None
        shown: dict[str, Any] = json.loads(reply.body)
        return shown if reply.status == 200 else None


def _document(call: Call) -> dict[str, Any] | None:
    for reply in call.replies:
        if reply.status in (200, 201):
            found: dict[str, Any] = json.loads(reply.body)
            return found
    return None
