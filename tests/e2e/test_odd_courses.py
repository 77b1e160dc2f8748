"""What processors, issuers, clerks and clients do beside the straight road, at both processors, through the whole stack.

Each course ends with the merchant's view, the open cases and the processor's own book; the one oracle reads all books
afterwards (``test_one_oracle.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

import pytest

from shared.testing.serving import Answer
from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.desk import Desk
from tests.e2e.everybody import AMOUNT, World, everybody_at
from tests.e2e.oracle import Course
from tests.e2e.shop import SETTLE_S, Shop, order
from tests.e2e.side_by_side import side_by_side
from tools.demo.sandbox_script import SandboxScript
from tools.local_stack.stack import LocalStack

REFUND: Final = 6_000
SMALLER: Final = 5_000
NOTHING_LEFT: Final = AMOUNT - SMALLER
OUR_REFUND: Final = "refund"
OUR_CAPTURE: Final = "capture"


@pytest.fixture
def world(
    stack: LocalStack,
    processor: str,
    shop_there: Shop,
    books: Books,
    desk: Desk,
    script: SandboxScript,
    course: Course,
) -> Iterator[World]:
    with everybody_at(processor, stack, shop_there, books, desk, script, course) as found:
        yield found


# -- holds and captures ------------------------------------------------------------------------------------------------


def hold_runs_out(world: World) -> None:
    payment_id = world.held()
    (hold_id,) = world.books.holds(payment_id)
    world.others("authorizations", hold_id, "expire")
    world.becomes(payment_id, "CANCELED", capturable=0, captured=0)
    late = world.shop.post(f"/payments/{payment_id}/capture", {})
    assert (late.status, late.code) == (409, "payment_wrong_status")


def rest_of_a_hold_runs_out(world: World) -> None:
    """Only where a hold is captured several times can there be a rest."""
    payment_id = world.held()
    part = {"amount": SMALLER} | ({"final": False} if world.processor == "alpha" else {})
    assert world.shop.post(f"/payments/{payment_id}/capture", part, wait_s=30).status == 200
    (hold_id,) = world.books.holds(payment_id)
    if world.processor == "alpha":
        world.becomes(payment_id, "CAPTURED", captured=SMALLER, capturable=NOTHING_LEFT)
        world.others("authorizations", hold_id, "expire")
    world.becomes(payment_id, "CAPTURED", captured=SMALLER, capturable=0)


def capture_declined(world: World) -> None:
    payment_id = world.held()
    world.script.add(world.processor, operation=OUR_CAPTURE, payment=payment_id, reply="refused")
    told = world.shop.post(f"/payments/{payment_id}/capture", {}, wait_s=30)
    assert told.status == 200, told
    world.becomes(payment_id, "AUTHORIZED", captured=0, capturable=AMOUNT)
    payment = world.shop.payment(payment_id)
    assert payment["operation"]["state"] == "DECLINED"
    assert payment["last_error"]["message"]
    assert world.shop.post(f"/payments/{payment_id}/capture", {}, wait_s=30).status == 200
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT)
    world.at_processor(payment_id, captured_minor=AMOUNT)


def cancel_races_capture(world: World) -> None:
    payment_id = world.held()
    with ThreadPoolExecutor(2) as both:
        capture, cancel = both.map(
            lambda what: world.shop.post(f"/payments/{payment_id}/{what}", {}, wait_s=30),
            ("capture", "cancel"),
        )
    _one_of_two(capture, cancel)
    if capture.status == 200:
        world.becomes(payment_id, "CAPTURED", captured=AMOUNT)
    else:
        world.becomes(payment_id, "CANCELED", captured=0)
    world.at_processor(payment_id, captured_minor=AMOUNT if capture.status == 200 else 0)


def _one_of_two(*answers: Answer) -> None:
    assert sorted(answer.status for answer in answers) == [200, 409], answers
    refused = next(answer for answer in answers if answer.status == 409)
    assert refused.code in {"operation_in_doubt", "payment_wrong_status"}, refused


def cancel_whose_answer_is_lost(world: World) -> None:
    payment_id = world.held("pm_fault_timeout_after_on_void")
    assert world.shop.post(f"/payments/{payment_id}/cancel", {}, wait_s=30).status == 200
    world.becomes(payment_id, "CANCELED", captured=0, capturable=0)


def hold_nobody_asked_for(world: World) -> None:
    payment_id = world.sold()
    world.elsewhere.holds(payment_id, SMALLER)

    def holds() -> list[dict[str, Any]]:
        return [row for row in world.desk.of("strays", payment_id) if row["kind"] == "hold"]

    (stray,) = eventually(holds, timeout_s=SETTLE_S, describe=f"a hold astray of {payment_id}") or [{}]
    assert stray["amount_minor"] == SMALLER
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT)
    # A void moves no money: one person decides it.
    voided = world.desk.post(
        "ann", f"/strays/{stray['stray_id']}/decision", action="void", reason="nobody's hold"
    )
    assert voided.status == 201, voided
    eventually(lambda: not holds(), timeout_s=SETTLE_S, describe=lambda: f"it was voided: {holds()}")


def chargeback_proves_the_capture(world: World) -> None:
    payment_id = world.held()
    world.silence(payment_id, OUR_CAPTURE)
    told = world.shop.post(f"/payments/{payment_id}/capture", {}, wait_s=30)
    assert told.document["certainty"] == "uncertain", told
    (capture_id,) = eventually(
        lambda: world.books.captures(payment_id), timeout_s=SETTLE_S, describe="the capture over there"
    )
    dispute_id = world.others("captures", capture_id, "dispute", SMALLER)
    world.becomes(payment_id, "DISPUTED", captured=AMOUNT, disputed=SMALLER, in_doubt=0)
    world.others("disputes", dispute_id, "win")
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT, disputed=0, reversed=0)
    world.script.release(payment_id)
    world.at_processor(payment_id, captured_minor=AMOUNT)


# -- cards that misbehave ----------------------------------------------------------------------------------------------


def card_under_which_a_sale_is_taken_once(world: World, card: str) -> None:
    payment_id = world.sold(card)
    world.becomes(payment_id, "CAPTURED", captured=AMOUNT, in_doubt=0, stray=0)
    world.script.release(payment_id)  # What would come days later comes now, and changes nothing.
    world.at_processor(payment_id, captured_minor=AMOUNT)
    assert world.books.charges(payment_id) == [(1, AMOUNT, "EUR")]


def card_that_was_declined_without_a_word(world: World) -> None:
    told = world.shop.post("/payments", order(AMOUNT, method="pm_fault_timeout_after_declined"), wait_s=30)
    payment_id = told.document["id"]
    world.becomes(payment_id, "REQUIRES_PAYMENT_METHOD", captured=0, in_doubt=0)
    payment = world.shop.payment(payment_id)
    assert (payment["operation"]["state"], payment["last_error"]["decline_code"]) == (
        "DECLINED",
        "generic_decline",
    )


CARDS: Final = (
    "pm_fault_malformed",
    "pm_fault_look_up_lies",
    "pm_fault_webhook_days_late",
    "pm_fault_webhook_reversed",
    "pm_fault_webhook_forged",
    "pm_fault_webhook_stale",
)


# -- refunds and disputes ----------------------------------------------------------------------------------------------


def refund_told_before_its_answer(world: World) -> None:
    payment_id = world.sold("pm_fault_webhook_first_on_refund")
    world.refund(payment_id, REFUND)
    world.becomes(payment_id, "CAPTURED", refunded=REFUND)
    world.at_processor(payment_id, refunded_minor=REFUND, refunds=1)


def refund_whose_answer_is_lost(world: World) -> None:
    payment_id = world.sold("pm_fault_timeout_after_on_refund")
    world.refund(payment_id, REFUND)
    world.becomes(payment_id, "CAPTURED", refunded=REFUND)
    world.at_processor(payment_id, refunded_minor=REFUND, refunds=1)


def refund_that_never_arrived(world: World) -> None:
    """A key leads to a second send; without keys it is given up, and gives its room back."""
    payment_id = world.sold("pm_fault_timeout_before_on_refund")
    refund_id = world.refund(payment_id, REFUND)
    given = REFUND if world.processor == "alpha" else 0
    world.becomes(payment_id, "CAPTURED", refunded=given)
    refund = world.shop.get(f"/refunds/{refund_id}").document
    assert (refund["status"], refund["certainty"]) == ("SUCCEEDED" if given else "FAILED", "certain")
    world.at_processor(payment_id, refunded_minor=given)


def refund_that_we_did_not_start(world: World) -> None:
    payment_id = world.sold()
    (capture_id,) = world.books.captures(payment_id)
    world.elsewhere.refunds(capture_id, REFUND)
    world.becomes(payment_id, "CAPTURED", refunded=REFUND)
    world.cases(payment_id, "refund_adopted")
    more = world.shop.post("/refunds", {"payment": payment_id, "amount": AMOUNT - REFUND + 1})
    assert (more.status, more.code) == (409, "refund_exceeds_room")
    world.refund(payment_id, AMOUNT - REFUND)
    world.becomes(payment_id, "REFUNDED", refunded=AMOUNT)
    world.at_processor(payment_id, refunded_minor=AMOUNT, refunds=2)


def adopted_refund_meets_a_reserved_one(world: World) -> None:
    """Ours has not arrived when somebody else's takes its money: it is refused, or given up, and nothing goes twice."""
    payment_id = world.sold()
    (capture_id,) = world.books.captures(payment_id)
    world.script.add(world.processor, operation=OUR_REFUND, payment=payment_id, reply="timeout_before")
    refund_id = world.refund(payment_id, REFUND)
    world.elsewhere.refunds(capture_id, REFUND)
    eventually(
        lambda: {"refunds_exceed_captured", "refund_adopted"} <= every_case(world, payment_id),
        timeout_s=SETTLE_S,
        describe=lambda: f"the case of money promised twice; there were {every_case(world, payment_id)}",
    )
    world.becomes(payment_id, "CAPTURED", refunded=REFUND)
    assert world.shop.get(f"/refunds/{refund_id}").document["status"] == "FAILED"
    world.at_processor(payment_id, refunded_minor=REFUND, refunds=1)


def every_case(world: World, payment_id: str) -> set[str]:
    """The reasons of all its cases, also of those that are closed again."""
    found = world.books.rows("payment", "SELECT reason FROM cases WHERE payment_id = %s", payment_id)
    return {row["reason"] for row in found}


def dispute_while_a_refund_is_under_way(world: World) -> None:
    payment_id = world.sold()
    (capture_id,) = world.books.captures(payment_id)
    world.silence(payment_id, OUR_REFUND)
    refund_id = world.refund(payment_id, REFUND)
    dispute_id = world.others("captures", capture_id, "dispute", SMALLER)
    world.becomes(payment_id, "DISPUTED", certainty="uncertain", disputed=SMALLER, refunded=0)
    assert world.shop.get(f"/refunds/{refund_id}").document["double_return_risk"] is True
    world.script.release(payment_id)
    world.becomes(payment_id, "DISPUTED", disputed=SMALLER, refunded=REFUND)
    world.others("disputes", dispute_id, "lose")
    world.becomes(payment_id, "REVERSED", disputed=0, refunded=REFUND, reversed=SMALLER)
    world.cases(payment_id, "double_return", "refunds_exceed_captured")
    world.at_processor(payment_id, refunded_minor=REFUND, withdrawn_minor=SMALLER)


def dispute_of_what_was_refunded(world: World) -> None:
    payment_id = world.sold()
    (capture_id,) = world.books.captures(payment_id)
    world.refund(payment_id, AMOUNT)
    world.becomes(payment_id, "REFUNDED", refunded=AMOUNT)
    dispute_id = world.others("captures", capture_id, "dispute", SMALLER)
    world.becomes(payment_id, "DISPUTED", disputed=SMALLER, refunded=AMOUNT)
    world.cases(payment_id, "refunds_exceed_captured")
    world.others("disputes", dispute_id, "win")
    world.becomes(payment_id, "REFUNDED", disputed=0, refunded=AMOUNT, reversed=0)
    # Won, the money is no longer in question; it is at risk until its row says that it came back.
    eventually(
        lambda: [case["exposure_minor"] for case in world.desk.of("cases", payment_id)] == [0],
        timeout_s=SETTLE_S,
        describe=lambda: f"nothing at risk, and a person closes it: {world.desk.of('cases', payment_id)}",
    )


COURSES: Final = (
    hold_runs_out,
    rest_of_a_hold_runs_out,
    capture_declined,
    cancel_races_capture,
    cancel_whose_answer_is_lost,
    hold_nobody_asked_for,
    chargeback_proves_the_capture,
    refund_told_before_its_answer,
    refund_whose_answer_is_lost,
    refund_that_never_arrived,
    refund_that_we_did_not_start,
    adopted_refund_meets_a_reserved_one,
    dispute_while_a_refund_is_under_way,
    dispute_of_what_was_refunded,
    card_that_was_declined_without_a_word,
)


def test_every_odd_course_ends_as_the_processor_has_it(world: World) -> None:
    courses: dict[str, Callable[[World], None]] = {course.__name__: course for course in COURSES}
    courses |= {card: partial(card_under_which_a_sale_is_taken_once, card=card) for card in CARDS}
    failed: list[Exception] = []

    def run(name: str) -> None:
        try:
            courses[name](world)
        except Exception as error:  # noqa: BLE001 - one that fails must not hide the others
            error.add_note(f"in the course {name}")
            failed.append(error)

    side_by_side({name: partial(run, name) for name in courses})
    if failed:
        raise ExceptionGroup("courses that ended otherwise", failed)
