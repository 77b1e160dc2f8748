"""What is done outside while something is arranged, once our services and people have come as far as it takes.

What payment knows is looked at only to choose the moment; everything that is done then processors and people do.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.constellations import Constellation

Act = Callable[..., Awaitable[None]]
Seen = Sequence[set[str]]
BY_HAND = "page_"
"""What begins the references under which people charge at the processor's own pages."""
OTHERWISE = "pm_fault_wrong_amount"
DENIED = "pm_fault_refused_after_webhook_lost_on_authorization"
CREATED = 201
LOOKS_EVERY_S = (0.2, 1.0)
FOLLOWS_AFTER_S = (0.1, 0.6)
PATIENCE_S = 340.0
"""So long people are waited for; then the world goes on without what they would have led to."""
FOUND_BY_S = 90.0
"""When what was given up too soon has been found."""
RELEASED_S = (165.0, 330.0)
"""When what had been kept back comes to light: at the earliest when a ladder of look-ups is over."""
REVIEWED_S = (250.0, 330.0)
"""When people have decided what a ladder of look-ups left to them."""
_STANDING = """
SELECT id FROM alpha_objects WHERE kind = 'capture' AND status = 'succeeded' AND payment_method = %s ORDER BY id
"""
_HELD = """
SELECT id, amount_minor, currency FROM beta_objects
 WHERE kind = 'authorization' AND status = 'authorized' AND captured_minor = 0 AND released_minor = 0
   AND amount_minor > 1 ORDER BY id
"""
_HELD_ASTRAY = """
SELECT s.object_id, s.amount_minor FROM strays AS s JOIN payments AS p USING (payment_id)
 WHERE s.kind = 'hold' AND NOT s.released AND s.amount_minor > 1 AND p.status = 'AUTHORIZED' ORDER BY 1
"""
_REFUNDED = """
SELECT DISTINCT parent_id FROM processor_objects
 WHERE object_type = 'refund' AND status = 'succeeded' AND role = 'counted' ORDER BY 1
"""
_SEEN_BY_PEOPLE = """
SELECT r.object_id FROM cases AS c JOIN reversals AS r ON r.payment_id = c.payment_id AND r.capture_id = c.subject
 WHERE c.reason = 'refunds_exceed_captured' AND c.closed_by <> 'evidence' AND r.created_at < c.closed_at ORDER BY 1
"""
_GIVEN_BACK = """
SELECT capture_id FROM reversals WHERE taken_minor > 0 AND given_back_minor = taken_minor ORDER BY 1
"""
_GOES_BACK = """
SELECT s.object_id FROM operations AS o JOIN strays AS s USING (stray_id)
 WHERE o.type = 'stray_return' AND o.state = 'REQUESTED' AND s.object_type = 'capture' ORDER BY 1
"""
_DECIDED = """
SELECT d.object_id, o.type || 's' FROM operator_decisions AS d JOIN operations AS o ON o.operation_id = d.subject_id
 WHERE d.state = 'applied' AND d.outcome = 'succeeded' AND o.type IN ('capture', 'refund') ORDER BY 1
"""
_TAKEN = """
SELECT o.operation_id, b.parent_id, o.amount_minor, p.capturable_minor, o.final FROM operations AS o
  JOIN payments AS p USING (payment_id) JOIN processor_objects AS b USING (operation_id)
 WHERE o.type = 'capture' AND o.state = 'SUCCEEDED' AND b.object_type = 'capture' AND b.role = 'counted'
   AND p.capturable_minor > 1 AND p.payment_method = 'pm_card_visa' ORDER BY 1
"""
_LAST_ASKED = """
SELECT o.operation_id, p.authorization_id, o.amount_minor, p.capturable_minor, o.final FROM operations AS o
  JOIN payments AS p USING (payment_id)
 WHERE o.type = 'capture' AND o.final AND o.state IN ('REQUESTED', 'SENT') AND p.capturable_minor > 1 ORDER BY 1
"""
_DISPUTED = """
SELECT object_id, withdrawn_minor FROM disputes
 WHERE status IN ('opened', 'under_review') AND withdrawn_minor > 0 ORDER BY 1
"""
_MISTYPED = """
SELECT b.object_id FROM cases AS c JOIN processor_objects AS b USING (operation_id)
 WHERE c.reason = 'echo_mismatch' AND c.closed_by <> 'evidence' AND b.object_type = 'capture' AND b.role = 'counted'
 ORDER BY 1
"""


async def release(there: "Constellation") -> None:
    """What nothing has told of for minutes comes to light."""
    await asyncio.sleep(there.chance.uniform(*RELEASED_S))
    await there.release_now()


async def release_again_and_again(there: "Constellation") -> None:
    """What nothing has told of comes to light after the last look that anybody was to take at it, whenever it was done."""
    while True:
        await asyncio.sleep(there.chance.uniform(40.0, 70.0))
        await there.release_now()


async def refuse_some_deliveries(there: "Constellation") -> None:
    """The database refuses some deliveries until the faults end, whatever it is that it does not like."""
    await there.refuse_some_deliveries()


async def fail_what_was_done_otherwise(there: "Constellation") -> None:
    """What was taken in another amount than asked for fails as soon as it was taken."""
    async for (capture,) in _found(there, _STANDING, OTHERWISE):
        await there.say(f"/alpha/v1/script/captures/{capture}", {"do": "fail"})


async def dispute_what_was_denied(there: "Constellation") -> None:
    """Whoever paid what the processor refused, and took, disputes it while the next attempt is under way."""
    disputed = set()
    async for (capture,) in _found(there, _STANDING, DENIED):
        if capture in disputed:
            continue
        disputed.add(capture)
        await asyncio.sleep(there.chance.uniform(1.0, 5.0))
        await there.say(f"/alpha/v1/script/captures/{capture}", {"do": "dispute"})


async def charge_by_hand(there: "Constellation") -> None:
    """Somebody charges a part of a hold at the processor's own pages."""
    charged = 0
    async for hold, amount_minor, currency in _found(there, _HELD):
        await asyncio.sleep(there.chance.uniform(0.0, 3.0))
        charged += 1
        part_minor = there.chance.randint(1, amount_minor - 1)
        value = {"total": f"{part_minor // 100}.{part_minor % 100:02}", "currency_code": currency}
        body = {"merchant_ref": f"{BY_HAND}{charged}", "value": value}
        await there.say(f"/beta/v2/transactions/{hold}/charge", body)


async def charge_what_is_held_astray(there: "Constellation") -> None:
    """Somebody charges a part of a hold that nobody wants any more, while the payment has another one."""

    async def charge(hold: str, amount_minor: int) -> None:
        part_minor = there.chance.randint(1, amount_minor - 1)
        value = {"total": f"{part_minor // 100}.{part_minor % 100:02}", "currency_code": "EUR"}
        body = {"merchant_ref": f"{BY_HAND}{hold}", "value": value}
        await there.say(f"/beta/v2/transactions/{hold}/charge", body)

    await _follow(there, ((_HELD_ASTRAY, charge),), lambda _: there.now_s > FOUND_BY_S)


async def take_give_back_and_take(there: "Constellation") -> None:
    """A capture that was refunded is taken back, given back once a person has closed the case of it, and taken again."""

    async def take(capture: str) -> None:
        await there.say(f"/alpha/v1/script/captures/{capture}", {"do": "reverse"})

    async def give_back(reversal: str) -> None:
        await there.say(f"/alpha/v1/script/reversals/{reversal}", {"do": "give_back"})

    steps = ((_REFUNDED, take), (_SEEN_BY_PEOPLE, give_back), (_GIVEN_BACK, take))
    await _follow(there, steps, lambda seen: not there.raging and len(seen[2]) >= len(seen[0]))


async def dispute_what_goes_back(there: "Constellation") -> None:
    """Whoever paid what went astray disputes it just when it is to be sent back."""

    async def dispute(capture: str) -> None:
        await there.say(f"/alpha/v1/script/captures/{capture}", {"do": "dispute"})

    await _follow(there, ((_GOES_BACK, dispute),), lambda _: False)


async def undo_what_was_done(there: "Constellation") -> None:
    """What people found done at the processor fails there later, and so does what somebody mistook for another thing.

    Somebody captures at the processor's own pages, and types the reference of a capture of ours.
    """

    async def fail(object_id: str, kind: str = "captures") -> None:
        await there.say(f"/alpha/v1/script/{kind}/{object_id}", {"do": "fail"})

    async def capture(*asked: Any) -> None:
        await _capture_by_hand(there, *asked)

    ends_s = there.chance.uniform(*REVIEWED_S)
    steps = ((_DECIDED, fail), (_TAKEN, capture), (_MISTYPED, fail))
    await _follow(there, steps, lambda _: there.now_s > ends_s)
    await there.release_now()


async def take_another_amount(there: "Constellation") -> None:
    """Somebody makes a last capture by hand that has not arrived yet, in another amount and under its reference."""

    async def capture(*asked: Any) -> None:
        await _capture_by_hand(there, *asked)

    await _follow(there, ((_LAST_ASKED, capture),), lambda _: False)


async def give_back_more_than_was_taken(there: "Constellation") -> None:
    """A processor gives more of a dispute back than it took, by mistake, and decides it for the customer then."""

    async def overpay(dispute: str, taken_minor: int) -> None:
        target, more_minor = f"/alpha/v1/script/disputes/{dispute}", there.chance.randint(1, 500)
        await there.say(target, {"do": "overpay", "amount": taken_minor + more_minor})
        await asyncio.sleep(there.chance.uniform(0.0, 4.0))
        await there.say(target, {"do": "lose"})

    await _follow(there, ((_DISPUTED, overpay),), lambda _: False)


async def _capture_by_hand(
    there: "Constellation", reference: str, hold: str, asked_minor: int, left_minor: int, final: bool
) -> None:
    """Somebody captures another amount of a hold at the processor's own pages, and types a reference of ours."""
    part_minor = there.chance.randint(1, left_minor - 1)
    if part_minor == asked_minor:
        return
    body = {"amount": part_minor, "reference": reference, "final": final}
    if await there.say(f"/alpha/v1/authorizations/{hold}/captures", body) == CREATED:
        there.typed.add(reference)


async def _found(there: "Constellation", question: str, *values: object) -> AsyncIterator[tuple[Any, ...]]:
    """What is at a processor again and again, as long as things go wrong."""
    while there.raging:
        await asyncio.sleep(there.chance.uniform(*LOOKS_EVERY_S))
        for row in there.standing_outside(question, *values):
            yield row


async def _follow(
    there: "Constellation", steps: Sequence[tuple[str, Act]], is_over: Callable[[Seen], bool]
) -> None:
    """Do once for whatever a question names first what goes with it, until it is over or patience is."""
    seen: Seen = [set() for _ in steps]
    while there.now_s < PATIENCE_S and not is_over(seen):
        await asyncio.sleep(there.chance.uniform(*FOLLOWS_AFTER_S))
        for (question, act), known in zip(steps, seen, strict=True):
            for row in there.known_to_payment(question):
                if row[0] not in known:
                    known.add(row[0])
                    await act(*row)
