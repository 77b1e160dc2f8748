"""A capture that nobody will ever say anything about, at both processors: a case, and nothing twice until people decide.

The look-up ladder has seconds here where production has a day; the rules are the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.desk import Desk
from tests.e2e.doubts import AMOUNT, FOR_EVER_S, LOST_S, authorized, captured_once
from tests.e2e.other_settings import other_settings
from tests.e2e.shop import Shop
from tools.demo.sandbox_script import SandboxScript
from tools.local_stack.stack import LocalStack

IMPATIENT = {
    "ALPHA_TIMEOUT_S": "1",
    "BETA_TIMEOUT_S": "1",
    "LOOK_UP_LADDER_S": "0.5,0.5,1,1,1",
    "LOOK_UP_LADDERS_S": "beta=0.5,1,1,1",
}


@pytest.fixture(scope="module")
def _impatient_processor(stack: LocalStack) -> Iterator[None]:
    with other_settings(stack, "processor", **IMPATIENT):
        yield


@pytest.mark.usefixtures("_impatient_processor")
def test_with_all_evidence_lost_there_is_a_case_and_no_second_capture_until_an_operator_decides(
    shop_there: Shop, books: Books, script: SandboxScript, desk: Desk, processor: str
) -> None:
    payment_id = authorized(shop_there)
    script.add(
        processor, operation="capture", payment=payment_id, calls=None, reply="timeout_after",
        not_found_s=FOR_EVER_S, webhooks="lost", feed="garbled",
    )  # fmt: skip
    told = shop_there.post(f"/payments/{payment_id}/capture", {}, wait_s=30)
    assert told.document["certainty"] == "uncertain", told

    (case,) = eventually(
        lambda: desk.of("cases", payment_id), timeout_s=LOST_S, describe="a case about the capture"
    )
    assert (case["reason"], case["exposure_minor"], case["currency"]) == ("ladder_exhausted", AMOUNT, "EUR")
    (doubt,) = desk.of("doubts", payment_id)
    exposed = {(row["processor"], row["currency"]): row for row in desk.get("/exposure")}[processor, "EUR"]
    assert exposed["amount_minor"] >= AMOUNT
    payment = shop_there.payment(payment_id)
    assert (payment["operation"]["state"], payment["amount_in_doubt"]) == ("IN_REVIEW", AMOUNT)
    again = shop_there.post(f"/payments/{payment_id}/capture", {})
    assert (again.status, again.document["code"]) == (409, "operation_in_doubt")

    (taken,) = books.rows(
        "sandbox",
        "SELECT id FROM alpha_objects WHERE kind = 'capture' AND payment_id = %s"
        " UNION ALL SELECT id FROM beta_objects WHERE kind = 'capture' AND payment_id = %s",
        payment_id,
        payment_id,
    )
    desk.decide(
        f"/operations/{doubt['operation_id']}/decision",
        outcome="succeeded", evidence="the processor's dashboard", object_id=taken["id"],
    )  # fmt: skip
    captured_once(shop_there, books, payment_id)
    late = shop_there.post(f"/payments/{payment_id}/capture", {})
    assert late.status == 409, late
    script.release(payment_id)  # The evidence comes after all, and says what the operator said.
    eventually(
        lambda: books.count(
            "payment",
            "SELECT count(*) FROM evidence WHERE payment_id = %s AND object_type = 'capture' AND source = 'webhook'",
            payment_id,
        ),
        timeout_s=LOST_S,
        describe="the webhook that was kept back",
    )
    captured_once(shop_there, books, payment_id)
