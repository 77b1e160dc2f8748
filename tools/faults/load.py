"""The merchants of a plan: every payment from its first request to its last, many at once, retried under one key."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import httpx2
from rich.progress import Progress

from tools.demo.client import Body, MerchantClient, UnexpectedReply
from tools.faults.plan import Kind, Planned

AT_ONCE: Final = 128
WAIT_S: Final = 3
SETTLE_S: Final = 240.0
TIMEOUT_S: Final = 45.0
TRIES: Final = 40
DISPUTE_POLL_S: Final = 1.0
TAKEN: Final = frozenset({"CAPTURED", "DISPUTED"})
WINNING: Final = "file_winning_evidence"


@dataclass(slots=True)
class Driven:
    """What came of the plan."""

    payments: dict[int, str] = field(default_factory=dict)
    """By the plan's number: the payment's id."""
    problems: list[str] = field(default_factory=list)


async def drive(
    base_url: str, api_keys: Mapping[str, str], run: str, planned: Sequence[Planned], progress: Progress
) -> Driven:
    """Drive all of it; what the API should not have answered is collected."""
    driven = Driven()
    task = progress.add_task("payments", total=len(planned))
    queue = iter(planned)
    limits = httpx2.Limits(max_connections=AT_ONCE * 2)
    async with httpx2.AsyncClient(base_url=base_url, timeout=TIMEOUT_S, limits=limits) as http:
        clients = {
            name: MerchantClient(http, key, f"{run}-{name}", wait_s=WAIT_S, tries=TRIES)
            for name, key in api_keys.items()
        }

        async def work() -> None:
            for item in queue:
                try:
                    await _one(clients[item.processor], item, driven)
                except (UnexpectedReply, httpx2.TransportError) as problem:
                    driven.problems.append(f"payment {item.number} ({item.method}): {problem}")
                progress.advance(task)

        await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return driven


async def _one(client: MerchantClient, item: Planned, driven: Driven) -> None:
    two_steps = item.kind in (Kind.CAPTURE, Kind.CANCEL)
    payment = await client.post(
        "/payments",
        {
            "amount": item.amount,
            "currency": "EUR",
            "capture_method": "manual" if two_steps else "automatic",
            "payment_method": item.method,
        },
        key=f"{client.run}-{item.number}",
    )
    driven.payments[item.number] = payment["id"]
    if item.kind in (Kind.SALE, Kind.CLAIM):
        return
    payment = await client.settled(payment["id"], deadline_s=SETTLE_S)
    key = f"{client.run}-{item.number}-then"
    if item.kind is Kind.ANSWER and payment["status"] in TAKEN:
        await _answer(client, payment["id"], item.number, key)
        return
    if item.kind is Kind.REFUND and payment["status"] == "CAPTURED":
        part = {} if item.refunded is None else {"amount": item.refunded}
        await client.post("/refunds", {"payment": payment["id"]} | part, key=key)
    elif two_steps and payment["status"] == "AUTHORIZED":
        await client.post(f"/payments/{payment['id']}/{item.kind}", {}, key=key)
    elif payment["status"] != "REQUIRES_PAYMENT_METHOD":
        # Only where nothing happened and there are no keys: the attempt was given up, and the customer is gone.
        raise UnexpectedReply(_strange(payment))


async def _answer(client: MerchantClient, payment_id: str, number: int, key: str) -> None:
    """Wait for the dispute; every second one is accepted, the others get evidence that wins."""
    loop = asyncio.get_running_loop()
    until = loop.time() + SETTLE_S
    while not (disputes := [d for d in await _disputes(client, payment_id) if d["certainty"] == "certain"]):
        if loop.time() > until:
            raise UnexpectedReply(f"{payment_id} has no dispute that can be answered")
        await asyncio.sleep(DISPUTE_POLL_S)
    path = f"/disputes/{disputes[0]['id']}"
    if number % 2:
        await client.post(f"{path}/accept", {}, key=key)
    else:
        await client.post(f"{path}/evidence", {"documents": {"receipt": WINNING}}, key=key)


async def _disputes(client: MerchantClient, payment_id: str) -> list[Body]:
    found: list[Body] = (await client.get(f"/disputes?payment={payment_id}"))["data"]
    return found


def _strange(payment: Body) -> str:
    return f"{payment['id']} is {payment['status']} before its second step"
