"""What a client does with a payment in a world in which something is arranged, instead of going on as ever."""

import asyncio
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.workload import Caller, Workload

CLAIMED_CARDS = ("pm_card_createDispute", "pm_card_createDisputeLost", "pm_card_createReversal")
ASKS_MAX = 15


async def insist(workload: "Workload", who: "Caller", payment: str, chance: random.Random) -> None:
    """Try another card whenever one came to nothing, as long as the payment may still be paid."""
    for _ in range(ASKS_MAX):
        await asyncio.sleep(chance.uniform(1.0, 3.0))
        shown = await workload.shown(who, f"/payments/{payment}")
        if shown is None:
            continue
        if shown["status"] == "REQUIRES_PAYMENT_METHOD":
            method = {"payment_method": chance.choice(CLAIMED_CARDS)}
            await workload.post(who, f"/payments/{payment}/confirm", method)
        elif shown["amount_captured"] or shown["status"] in ("FAILED", "CANCELED"):
            return


async def try_again_and_wait(
    workload: "Workload", who: "Caller", payment: str, chance: random.Random
) -> None:
    """Try once more whenever it came to nothing, and leave what is held alone for long."""
    for _ in range(ASKS_MAX):
        await asyncio.sleep(chance.uniform(1.0, 3.0))
        shown = await workload.shown(who, f"/payments/{payment}")
        if shown is None or shown["status"] == "CREATED":
            continue
        if shown["status"] != "REQUIRES_PAYMENT_METHOD":
            return
        await workload.post(who, f"/payments/{payment}/confirm", {"payment_method": "pm_card_visa"})


async def take_twice_and_give_back(
    workload: "Workload", who: "Caller", payment: str, chance: random.Random
) -> None:
    """Capture a part, then the rest, and ask for refunds that only one of the two may have room for."""
    target, part_minor = f"/payments/{payment}", 0
    for _ in range(ASKS_MAX):
        await asyncio.sleep(chance.uniform(0.5, 1.5))
        shown = await workload.shown(who, target)
        if shown is not None and shown["amount_capturable"] > 1:
            part_minor = int(shown["amount_capturable"] * chance.uniform(0.3, 0.7))
            break
    if not part_minor:
        return
    await workload.post(who, f"{target}/capture", {"amount": part_minor, "final": False})
    await asyncio.sleep(chance.choice([2.0, 8.0]))
    await workload.post(who, f"{target}/capture", {})
    for _ in range(3):
        await asyncio.sleep(chance.uniform(0.0, 3.0))
        await workload.post(who, "/refunds", {"payment": payment, "amount": chance.randint(1, part_minor)})


async def take_a_part_and_cancel(
    workload: "Workload", who: "Caller", payment: str, chance: random.Random
) -> None:
    """Capture a part, and give the rest back once whatever became of that is decided."""
    target, asked = f"/payments/{payment}", False
    for _ in range(ASKS_MAX):
        await asyncio.sleep(chance.uniform(1.0, 3.0))
        shown = await workload.shown(who, target)
        if shown is None or shown["amount_capturable"] <= 1:
            continue
        if asked:
            await workload.post(who, f"{target}/cancel", {})
        else:
            part = {
                "amount": chance.randint(1, shown["amount_capturable"] - 1),
                "final": chance.random() < 0.2,
            }
            await workload.post(who, f"{target}/capture", part)
        asked = True


async def let_go(workload: "Workload", who: "Caller", payment: str, chance: random.Random) -> None:
    """Cancel it once money is held."""
    for _ in range(ASKS_MAX):
        await asyncio.sleep(chance.uniform(0.5, 1.5))
        shown = await workload.shown(who, f"/payments/{payment}")
        if shown is not None and shown["amount_capturable"]:
            await workload.post(who, f"/payments/{payment}/cancel", {})
            return


async def wait_first(workload: "Workload", who: "Caller", payment: str, chance: random.Random) -> None:
    """Leave it alone for a while, and go on as merchants do."""
    await asyncio.sleep(chance.uniform(6.0, 14.0))
    await workload.go_on(who, payment)


async def give_most_back(workload: "Workload", who: "Caller", payment: str, chance: random.Random) -> None:
    """Refund most of what was taken, once it is."""
    for _ in range(ASKS_MAX):
        await asyncio.sleep(chance.uniform(0.5, 1.5))
        shown = await workload.shown(who, f"/payments/{payment}")
        if shown is not None and shown["amount_captured"]:
            part_minor = int(shown["amount_captured"] * chance.uniform(0.5, 0.9))
            await workload.post(who, "/refunds", {"payment": payment, "amount": part_minor})
            return


async def take_a_part_and_give_back(
    workload: "Workload", who: "Caller", payment: str, chance: random.Random
) -> None:
    """Capture a part, and refund some of it."""
    target, taken = f"/payments/{payment}", False
    for _ in range(ASKS_MAX):
        await asyncio.sleep(chance.uniform(1.0, 3.0))
        shown = await workload.shown(who, target)
        if shown is None:
            continue
        if shown["amount_captured"]:
            part_minor = int(shown["amount_captured"] * chance.uniform(0.1, 0.9)) or 1
            await workload.post(who, "/refunds", {"payment": payment, "amount": part_minor})
            return
        if shown["amount_capturable"] > 1 and not taken:
            part_minor = int(shown["amount_capturable"] * chance.uniform(0.2, 0.8))
            await workload.post(who, f"{target}/capture", {"amount": part_minor, "final": False})
            taken = True


async def take_a_part_as_last(
    workload: "Workload", who: "Caller", payment: str, chance: random.Random
) -> None:
    """Capture a part, and no more after it."""
    target = f"/payments/{payment}"
    for _ in range(ASKS_MAX):
        await asyncio.sleep(chance.uniform(1.0, 3.0))
        shown = await workload.shown(who, target)
        if shown is not None and shown["amount_capturable"] > 1:
            part_minor = int(shown["amount_capturable"] * chance.uniform(0.2, 0.8))
            await workload.post(who, f"{target}/capture", {"amount": part_minor, "final": True})
            return


async def ask_for_the_rest_again(
    workload: "Workload", who: "Caller", payment: str, chance: random.Random
) -> None:
    """Capture a little as soon as something is held, and later half of it, again and again."""
    target, held_minor = f"/payments/{payment}", 0
    for _ in range(ASKS_MAX):
        await asyncio.sleep(chance.uniform(0.2, 0.5))
        shown = await workload.shown(who, target)
        if shown is not None and shown["amount_capturable"] > 1:
            held_minor = shown["amount_capturable"]
            break
    if not held_minor:
        await workload.go_on(who, payment)
        return
    await workload.post(who, f"{target}/capture", {"amount": held_minor // 10, "final": False})
    await asyncio.sleep(chance.uniform(3.0, 5.0))
    for _ in range(ASKS_MAX):
        await workload.post(who, f"{target}/capture", {"amount": held_minor // 2, "final": False})
        await asyncio.sleep(chance.uniform(0.2, 1.5))
