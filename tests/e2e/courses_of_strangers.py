"""Webhooks of strangers, of nobody and without sense; a key that is forgotten, a hold that runs out before anybody says so."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import httpx2
import pytest

from shared.kernel.clock import SystemClock
from shared.testing.waiting import eventually
from tests.e2e.everybody import AMOUNT, World
from tests.e2e.odd_answers import asked, given_back, took_effect_twice
from tests.e2e.oracle import NOBODYS
from tests.e2e.shop import SETTLE_S

OUR_CAPTURE: Final = "capture"
SHORT_HOLD: Final = "pm_card_shortHold"


def told_without_a_signature(world: World) -> None:
    """Refused as any other stranger's, and the very same bytes count as soon as they come with a signature."""
    payment_id = world.sold("pm_fault_webhook_unsigned")
    (capture_id,) = world.books.captures(payment_id)

    def refused() -> int:
        return world.books.count(
            "webhook_ingest",
            "SELECT count(*) FROM refused_deliveries WHERE encode(first_bytes, 'escape') LIKE '%%' || %s || '%%'",
            capture_id,
        )

    eventually(refused, timeout_s=SETTLE_S, describe=f"the one without a signature about {capture_id}")
    _delivered_once(world, capture_id)
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT, in_doubt=0, stray=0)
    world.cases(payment_id)
    assert world.books.charges(payment_id) == [(1, AMOUNT, "EUR")]


def _delivered_once(world: World, object_id: str) -> None:
    eventually(
        lambda: (
            world.books.count(
                "webhook_ingest",
                "SELECT count(*) FROM deliveries WHERE object_id = %s AND verdict = 'accepted'",
                object_id,
            )
            == 1
        ),
        timeout_s=SETTLE_S,
        describe=f"one delivery about {object_id} that counts",
    )


def told_about_nobodys_objects(world: World) -> None:
    """Rightly signed, and nobody's: it waits with its age where operators look, and moves nothing."""
    payment_id = world.sold("pm_fault_webhook_nobodys")
    (capture_id,) = world.books.captures(payment_id)

    def waiting() -> list[dict[str, Any]]:
        found = world.desk.get("/waiting-facts?limit=1000")
        return [row for row in found if row["object_id"] == NOBODYS + capture_id]

    (fact,) = eventually(waiting, timeout_s=SETTLE_S, describe=f"a fact that waits beside {capture_id}") or [
        {}
    ]
    assert (fact["processor"], fact["payment_id"], fact["stuck"]) == (world.processor, None, False)
    assert (fact["amount_minor"], fact["source"]) == (AMOUNT, "webhook")
    eventually(
        lambda: any(
            now["age_s"] > fact["age_s"] >= 0 and now["checks"] > fact["checks"] for now in waiting()
        ),
        timeout_s=SETTLE_S,
        describe=lambda: f"it grows older and is looked at again: {waiting()}",
    )
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT, in_doubt=0, stray=0)
    world.cases(payment_id)
    assert world.books.charges(payment_id) == [(1, AMOUNT, "EUR")]


def told_what_nobody_can_read(world: World) -> None:
    """About a capture in doubt it is a reason to look, and what the look-up finds decides it."""
    payment_id = world.held()
    world.script.add(
        world.processor, operation=OUR_CAPTURE, payment=payment_id, reply="timeout_after", webhooks="garbled"
    )
    world.shop.post(f"/payments/{payment_id}/capture", {}, wait_s=30)
    eventually(
        lambda: world.books.count(
            "payment",
            "SELECT count(*) FROM outbox WHERE topic = 'processor.commands' AND key = %s"
            " AND event_type = 'LookUpOperation.v1'"
            " AND encode(payload, 'escape') LIKE '%%webhook_unrecognised%%'",
            payment_id,
        ),
        timeout_s=SETTLE_S,
        describe=f"a look-up because of what could not be read about {payment_id}",
    )
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT, capturable=0, in_doubt=0)
    world.cases(payment_id)
    assert world.books.charges(payment_id) == [(1, AMOUNT, "EUR")]


def charged_again_under_a_forgotten_key(world: World) -> None:
    """A processor that forgets keys sooner than agreed does a second send again; the first turns up and goes back.

    Where there are no keys, none can be forgotten: the rule is refused, and nothing is ever sent twice.
    """
    if world.processor == "beta":
        with pytest.raises(httpx2.HTTPStatusError) as refused:
            world.script.add("beta", operation="authorization", key_life_s=1)
        assert refused.value.response.json()["error"]["param"] == "key_life_s"
        return
    payment_id = asked(world, "pm_fault_key_forgotten_on_authorization")
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT, in_doubt=0)
    took_effect_twice(world, payment_id)
    given_back(world, payment_id, "money", AMOUNT)
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT, stray=0, refunded=0)
    world.at_processor(payment_id, captured_minor=2 * AMOUNT, refunded_minor=AMOUNT, refunds=1)
    world.cases(payment_id)


def hold_past_its_time(world: World) -> None:
    """After ``capture_before`` a capture is refused and the processor asked; only its own word gives the hold back."""
    payment_id = world.held(SHORT_HOLD)
    until = datetime.fromisoformat(world.shop.payment(payment_id)["capture_before"])
    eventually(lambda: SystemClock().now() > until, timeout_s=SETTLE_S, describe=f"it is after {until}")
    late = world.shop.post(f"/payments/{payment_id}/capture", {})
    assert (late.status, late.code) == (409, "authorization_expired"), late
    eventually(
        lambda: world.books.count(
            "payment",
            "SELECT count(*) FROM outbox WHERE topic = 'processor.commands' AND key = %s"
            " AND event_type = 'LookUpOperation.v1'",
            payment_id,
        ),
        timeout_s=SETTLE_S,
        describe=f"a look-up of the hold of {payment_id}",
    )
    payment = world.shop.payment(payment_id)
    assert (payment["status"], payment["amount_capturable"]) == ("AUTHORIZED", AMOUNT), (
        "our clock releases it"
    )
    world.becomes(payment_id, "CANCELED", captured=0, capturable=0)
    world.at_processor(payment_id, captured_minor=0)
    world.cases(payment_id)
