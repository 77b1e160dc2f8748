"""Every kind of payment that the demo drives, as a table: what it does, how often, and how it must end."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from tools.demo.client import Body, MerchantClient, UnexpectedReply

SETTLE_S: Final = 150.0
"""Generous, for slow machines; a doubt usually ends within seconds."""
POLL_S: Final = 0.5
AMOUNTS: Final = (1999, 500, 12_345, 100, 99_900)
CURRENCIES: Final = ("EUR", "USD", "JPY", "KWD")


@dataclass(frozen=True, slots=True)
class Expected:
    """How a payment must end: its status and amounts in minor units."""

    status: str
    captured: int = 0
    refunded: int = 0
    disputed: int = 0
    reversed: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """One driven payment: what was expected and what the API says at the end."""

    payment_id: str
    expected: Expected
    seen: Expected

    @property
    def as_expected(self) -> bool:
        return self.expected == self.seen


Drive = Callable[[MerchantClient, int], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """One kind of payment."""

    title: str
    times: int
    drive: Drive
    processor: str = "alpha"


def _amount(number: int) -> tuple[int, str]:
    return AMOUNTS[number % len(AMOUNTS)], CURRENCIES[number % len(CURRENCIES)]


def order_of(number: int, method: str, **more: object) -> Body:
    """What the merchant asks for: amounts and currencies by turns."""
    amount, currency = _amount(number)
    return {
        "amount": amount,
        "currency": currency,
        "capture_method": "automatic",
        "payment_method": method,
    } | more


async def outcome_of(client: MerchantClient, payment_id: str, expected: Expected) -> Outcome:
    """The outcome once nothing is in doubt or under way."""
    payment = await client.settled(payment_id, deadline_s=SETTLE_S)
    return Outcome(payment_id, expected, _seen(payment))


def _seen(payment: Body) -> Expected:
    return Expected(
        payment["status"],
        payment["amount_captured"],
        payment["amount_refunded"],
        payment["amount_disputed"],
        payment["amount_reversed"],
    )


def sale(method: str = "pm_card_visa") -> Drive:
    """Authorize and capture in one step; whatever the network does, it is charged once."""

    async def drive(client: MerchantClient, number: int) -> Outcome:
        order = order_of(number, method)
        payment = await client.post("/payments", order)
        return await outcome_of(client, payment["id"], Expected("CAPTURED", order["amount"]))

    return drive


def declined(method: str) -> Drive:
    """Declined at the last attempt."""

    async def drive(client: MerchantClient, number: int) -> Outcome:
        payment = await client.post("/payments", order_of(number, method, max_attempts=1))
        return await outcome_of(client, payment["id"], Expected("FAILED"))

    return drive


async def second_method(client: MerchantClient, number: int) -> Outcome:
    """Declined, then confirmed with a card that works."""
    order = order_of(number, "pm_card_chargeDeclined")
    payment = await client.post("/payments", order)
    await client.post(f"/payments/{payment['id']}/confirm", {"payment_method": "pm_card_visa"})
    return await outcome_of(client, payment["id"], Expected("CAPTURED", order["amount"]))


async def manual_capture(client: MerchantClient, number: int) -> Outcome:
    """Authorize, then capture all of it."""
    order = order_of(number, "pm_card_visa", capture_method="manual")
    payment = await client.post("/payments", order)
    await client.post(f"/payments/{payment['id']}/capture", {})
    return await outcome_of(client, payment["id"], Expected("CAPTURED", order["amount"]))


async def partial_captures(client: MerchantClient, number: int) -> Outcome:
    """Capture twice, release the rest with the last one."""
    order = order_of(number, "pm_card_visa", capture_method="manual")
    payment = await client.post("/payments", order)
    first, second = order["amount"] // 2, order["amount"] // 4
    await client.post(f"/payments/{payment['id']}/capture", {"amount": first, "final": False})
    await client.settled(payment["id"], deadline_s=SETTLE_S)
    await client.post(f"/payments/{payment['id']}/capture", {"amount": second, "final": True})
    return await outcome_of(client, payment["id"], Expected("CAPTURED", first + second))


async def canceled(client: MerchantClient, number: int) -> Outcome:
    """Authorize, then cancel."""
    payment = await client.post("/payments", order_of(number, "pm_card_visa", capture_method="manual"))
    await client.post(f"/payments/{payment['id']}/cancel", {})
    return await outcome_of(client, payment["id"], Expected("CANCELED"))


async def full_refund(client: MerchantClient, number: int) -> Outcome:
    """Sale, then everything back."""
    order = order_of(number, "pm_card_visa")
    payment = await client.post("/payments", order)
    await client.settled(payment["id"], deadline_s=SETTLE_S)
    await client.post("/refunds", {"payment": payment["id"]})
    return await outcome_of(client, payment["id"], Expected("REFUNDED", order["amount"], order["amount"]))


async def partial_refunds(client: MerchantClient, number: int) -> Outcome:
    """Sale, then two partial refunds at the same time."""
    order = order_of(number, "pm_card_visa")
    payment = await client.post("/payments", order)
    await client.settled(payment["id"], deadline_s=SETTLE_S)
    part = order["amount"] // 4
    refund = {"payment": payment["id"], "amount": part}
    await asyncio.gather(client.post("/refunds", refund), client.post("/refunds", refund))
    return await outcome_of(client, payment["id"], Expected("CAPTURED", order["amount"], 2 * part))


async def impatient_client(client: MerchantClient, number: int) -> Outcome:
    """The same request five times at once under one key: one payment, one charge."""
    order, key = order_of(number, "pm_card_visa"), client.new_key()
    replies = await asyncio.gather(*(client.post("/payments", order, key=key) for _ in range(5)))
    payments = {reply["id"] for reply in replies}
    if len(payments) != 1:
        raise UnexpectedReply(f"one key made {len(payments)} payments: {sorted(payments)}")
    return await outcome_of(client, payments.pop(), Expected("CAPTURED", order["amount"]))


def taken_back(method: str, status: str, parts: int = 1) -> Drive:
    """Sale whose money the processor takes back by itself; one of ``parts`` of it, or all."""

    async def drive(client: MerchantClient, number: int) -> Outcome:
        order = order_of(number, method)
        amount = order["amount"]
        payment = await client.post("/payments", order)
        expected = Expected(status, amount, reversed=amount // parts)
        return await ends(client, payment["id"], expected)

    return drive


def given_up_then_paid(method: str) -> Drive:
    """Nothing happened, and without keys nothing is sent twice: proved absent, given up, paid by another attempt."""

    async def drive(client: MerchantClient, number: int) -> Outcome:
        order = order_of(number, method)
        payment = await client.post("/payments", order)
        given_up = await client.settled(payment["id"], deadline_s=SETTLE_S)
        if given_up["status"] != "REQUIRES_PAYMENT_METHOD":
            raise UnexpectedReply(
                f"{payment['id']} is {given_up['status']} after an attempt that never arrived"
            )
        await client.post(f"/payments/{payment['id']}/confirm", {"payment_method": "pm_card_visa"})
        return await outcome_of(client, payment["id"], Expected("CAPTURED", order["amount"]))

    return drive


def disputed(file: str | None, outcome: str, status: str, *, lost: bool) -> Drive:
    """Sale that is disputed; answered with evidence, or accepted."""

    async def drive(client: MerchantClient, number: int) -> Outcome:
        order = order_of(number, "pm_card_createDispute")
        amount = order["amount"]
        payment = await client.post("/payments", order)
        dispute = await _dispute(client, payment["id"], "opened")
        path = f"/disputes/{dispute['id']}"
        if file is None:
            await client.post(f"{path}/accept", {})
        else:
            await client.post(f"{path}/evidence", {"documents": {"receipt": file}})
        await _dispute(client, payment["id"], outcome)
        gone = amount if lost else 0
        return await ends(client, payment["id"], Expected(status, amount, reversed=gone))

    return drive


async def _dispute(client: MerchantClient, payment_id: str, status: str) -> Body:
    """The payment's dispute, once it stands so for certain: not by its money alone, and no answer under way."""

    async def look() -> Body | None:
        found = (await client.get(f"/disputes?payment={payment_id}"))["data"]
        return next((d for d in found if (d["status"], d["certainty"]) == (status, "certain")), None)

    return await _until(look, f"{payment_id} has no dispute that is {status}")


async def ends(client: MerchantClient, payment_id: str, expected: Expected) -> Outcome:
    """The outcome once it is as expected; what comes by itself comes later."""

    async def look() -> Body | None:
        payment = await client.get(f"/payments/{payment_id}")
        return payment if payment["certainty"] == "certain" and _seen(payment) == expected else None

    try:
        payment = await _until(look, "")
    except UnexpectedReply:
        payment = await client.get(f"/payments/{payment_id}")
    return Outcome(payment_id, expected, _seen(payment))


async def _until(look: Callable[[], Awaitable[Body | None]], missing: str) -> Body:
    until = asyncio.get_running_loop().time() + SETTLE_S
    while (found := await look()) is None:
        if asyncio.get_running_loop().time() > until:
            raise UnexpectedReply(missing)
        await asyncio.sleep(POLL_S)
    return found


async def one_capture(client: MerchantClient, number: int) -> Outcome:
    """Capture a part: a processor that captures once releases the rest with it."""
    order = order_of(number, "pm_card_visa", capture_method="manual")
    payment = await client.post("/payments", order)
    part = order["amount"] // 2
    await client.post(f"/payments/{payment['id']}/capture", {"amount": part})
    return await outcome_of(client, payment["id"], Expected("CAPTURED", part))


SCENARIOS: Final = (
    Scenario("sale", 60, sale()),
    Scenario("authorize, then capture", 20, manual_capture),
    Scenario("two partial captures, rest released", 12, partial_captures),
    Scenario("authorize, then cancel", 12, canceled),
    Scenario("sale, then full refund", 14, full_refund),
    Scenario("sale, then two partial refunds at once", 12, partial_refunds),
    Scenario("declined", 10, declined("pm_card_chargeDeclined")),
    Scenario("declined: insufficient funds", 6, declined("pm_card_visa_chargeDeclinedInsufficientFunds")),
    Scenario("declined, then another card", 10, second_method),
    Scenario("same request five times at once", 10, impatient_client),
    Scenario("disputed, evidence wins", 5, disputed("file_winning_evidence", "won", "CAPTURED", lost=False)),
    Scenario("disputed, evidence loses", 5, disputed("file_losing_evidence", "lost", "REVERSED", lost=True)),
    Scenario("disputed, accepted", 4, disputed(None, "accepted", "REVERSED", lost=True)),
    Scenario("reversed without a dispute", 4, taken_back("pm_card_createReversal", "REVERSED")),
    Scenario("reversed in part", 4, taken_back("pm_card_createPartialReversal", "CAPTURED", 2)),
    Scenario("capture fails later", 3, taken_back("pm_card_captureFail", "REVERSED")),
    Scenario("processor times out before the effect", 6, sale("pm_fault_timeout_before")),
    Scenario("processor times out after the effect", 8, sale("pm_fault_timeout_after")),
    Scenario("processor answers 500 after the effect", 8, sale("pm_fault_500_after")),
    Scenario("webhook before the reply", 8, sale("pm_fault_webhook_first")),
    Scenario("webhook twice", 8, sale("pm_fault_webhook_twice")),
    Scenario("webhook late", 6, sale("pm_fault_webhook_late")),
    Scenario("webhook lost", 6, sale("pm_fault_webhook_lost")),
    Scenario("times out after the effect, webhook lost", 4, sale("pm_fault_timeout_after_webhook_lost")),
    Scenario("beta: sale", 30, sale(), "beta"),
    Scenario("beta: authorize, then capture", 10, manual_capture, "beta"),
    Scenario("beta: its one capture releases the rest", 6, one_capture, "beta"),
    Scenario("beta: authorize, then cancel", 6, canceled, "beta"),
    Scenario("beta: sale, then full refund", 8, full_refund, "beta"),
    Scenario("beta: two partial refunds at once", 6, partial_refunds, "beta"),
    Scenario("beta: declined", 6, declined("pm_card_chargeDeclined"), "beta"),
    Scenario("beta: declined, then another card", 6, second_method, "beta"),
    Scenario(
        "beta: never arrived, given up, paid again", 4, given_up_then_paid("pm_fault_timeout_before"), "beta"
    ),
    Scenario("beta: times out after the effect", 6, sale("pm_fault_timeout_after"), "beta"),
    Scenario("beta: answers 500 after the effect", 6, sale("pm_fault_500_after"), "beta"),
    Scenario("beta: webhook before the reply", 6, sale("pm_fault_webhook_first"), "beta"),
    Scenario("beta: webhook twice", 6, sale("pm_fault_webhook_twice"), "beta"),
    Scenario("beta: webhook lost", 4, sale("pm_fault_webhook_lost"), "beta"),
    Scenario("beta: lost answer, lost webhook", 4, sale("pm_fault_timeout_after_webhook_lost"), "beta"),
)
EVENING: Final = (
    Scenario("evening: sale", 8, sale()),
    Scenario("evening, beta: sale", 8, sale(), "beta"),
)
"""Driven after the day's payouts: the next ones are theirs."""
