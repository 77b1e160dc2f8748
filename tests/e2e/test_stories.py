"""The two stories that real systems get wrong, told by the sandbox's script, at both processors.

A capture whose answer is lost: found by whatever speaks first, never failed or abandoned on the way
(``test_stories_without_evidence.py``: where nothing ever speaks). And a dead attempt that took the money after all.

Time is shortened where nothing depends on it: what a script keeps back is released instead of waited for.
"""

from __future__ import annotations

import pytest

from shared.testing.waiting import eventually
from tests.e2e.books import Books
from tests.e2e.desk import Desk
from tests.e2e.doubts import AMOUNT, FOR_EVER_S, LOST_S, authorized, captured_once, in_doubt, states_of
from tests.e2e.shop import Shop, order
from tools.demo.sandbox_script import SandboxScript


def test_a_capture_in_doubt_is_settled_by_the_webhook_when_it_comes_at_last(
    shop_there: Shop, books: Books, script: SandboxScript, processor: str
) -> None:
    """It times out after the effect, look-ups find nothing, then the webhook comes.

    Beta's list honestly does not show it yet: two looks fall within its visibility window, and only two behind it, 12
    and 17 s after the call, would prove that nothing was done.
    """
    payment_id = authorized(shop_there)
    script.add(
        processor, operation="capture", payment=payment_id, calls=None, reply="timeout_after",
        not_found_s=FOR_EVER_S, webhooks="lost", feed="lost",
    )  # fmt: skip
    told = shop_there.post(f"/payments/{payment_id}/capture", {}, wait_s=30)
    assert (told.status, told.document["certainty"]) == (200, "uncertain"), told
    doubted = in_doubt(shop_there, books, payment_id, looks=2)
    assert doubted["amount_in_doubt"] == AMOUNT

    released = script.release(payment_id)

    assert released["webhooks"] >= 1
    captured_once(shop_there, books, payment_id)
    assert not states_of(books, payment_id) & {"FAILED", "ABANDONED", "DECLINED"}


@pytest.mark.parametrize("finder", ["ladder", "feed"])
def test_with_every_webhook_lost_the_ladder_or_the_feed_finds_the_capture(
    shop_there: Shop, books: Books, script: SandboxScript, processor: str, finder: str
) -> None:
    payment_id = authorized(shop_there)
    hides = {"ladder": {"feed": "lost"}, "feed": {"not_found_s": FOR_EVER_S}}[finder]
    if processor == "beta":
        hides = {}  # Its list is both: ladder and feed read the same pages, and either may be first.
    script.add(
        processor, operation="capture", payment=payment_id, calls=None, reply="timeout_after",
        webhooks="lost", **hides,
    )  # fmt: skip
    told = shop_there.post(f"/payments/{payment_id}/capture", {}, wait_s=30)
    assert told.status == 200, told

    captured_once(shop_there, books, payment_id)

    assert not states_of(books, payment_id) & {"FAILED", "ABANDONED", "DECLINED"}
    sources = {
        row["source"]
        for row in books.rows(
            "payment",
            "SELECT source FROM evidence WHERE payment_id = %s AND object_type = 'capture'",
            payment_id,
        )
    }
    assert sources
    assert "webhook" not in sources
    if processor == "alpha":
        assert {"ladder": "poll", "feed": "feed"}[finder] in sources


def test_a_dead_attempt_that_took_the_money_is_a_stray_returned_once(
    shop_there: Shop, books: Books, script: SandboxScript, desk: Desk, processor: str
) -> None:
    """Alpha refuses what it did; beta, which keeps no keys, shows nothing of it twice after its window."""
    lie = {"alpha": "refused_after", "beta": "timeout_after"}[processor]
    dead = {"alpha": "DECLINED", "beta": "ABANDONED"}[processor]
    script.add(
        processor, operation="authorization", payment_method="pm_card_mastercard", reply=lie,
        webhooks="lost", feed="lost", not_found_s=FOR_EVER_S,
    )  # fmt: skip
    told = shop_there.post("/payments", order(AMOUNT, method="pm_card_mastercard"), wait_s=30)
    payment_id = told.document["id"]
    payment = shop_there.settled(payment_id)
    assert (payment["status"], payment["operation"]["state"]) == ("REQUIRES_PAYMENT_METHOD", dead)
    again = shop_there.post(f"/payments/{payment_id}/confirm", {"payment_method": "pm_card_visa"}, wait_s=30)
    assert again.status == 200, again
    assert shop_there.settled(payment_id)["amount_captured"] == AMOUNT

    script.release(payment_id)

    (stray,) = eventually(
        lambda: [row for row in desk.of("strays", payment_id) if row["kind"] == "money"],
        timeout_s=LOST_S,
        describe="the stray",
    )
    assert (stray["amount_minor"], stray["mismatch"]) == (AMOUNT, False)
    payment = shop_there.payment(payment_id)
    assert (payment["status"], payment["amount_captured"], payment["amount_stray"]) == (
        "CAPTURED", AMOUNT, AMOUNT,
    )  # fmt: skip
    desk.decide(f"/strays/{stray['stray_id']}/decision", action="return")
    eventually(
        lambda: not [row for row in desk.of("strays", payment_id) if row["kind"] == "money"],
        timeout_s=LOST_S,
        describe="the stray returned",
    )
    again = desk.post("ann", f"/strays/{stray['stray_id']}/decision", action="return", reason="once more")
    assert (again.status, again.document["code"]) == (409, "stray_settled")

    payment = shop_there.settled(payment_id)
    assert (payment["status"], payment["amount_captured"], payment["amount_stray"]) == ("CAPTURED", AMOUNT, 0)
    (book,) = books.rows(
        "sandbox",
        "SELECT captured_minor, refunded_minor, refunds FROM alpha_book_by_payment WHERE payment_id = %s"
        " UNION ALL SELECT captured_minor, refunded_minor, refunds FROM beta_book_by_payment WHERE payment_id = %s",
        payment_id,
        payment_id,
    )
    assert (book["captured_minor"], book["refunded_minor"], book["refunds"]) == (2 * AMOUNT, AMOUNT, 1)
    journals = books.journals(payment_id, rule="stray_return_succeeded")
    assert sorted(journal["rule"] for journal in journals if journal["rule"].startswith("stray")) == [
        "stray_found", "stray_return_requested", "stray_return_succeeded",
    ]  # fmt: skip
    assert books.open_items(stray["stray_id"]) == []


def test_forged_webhooks_are_refused_and_the_signed_ones_settle_the_payment_once(
    shop_there: Shop, books: Books, script: SandboxScript, processor: str
) -> None:
    payment_id = authorized(shop_there)
    script.add(processor, operation="capture", payment=payment_id, reply="timeout_after", webhooks="forged")
    shop_there.post(f"/payments/{payment_id}/capture", {}, wait_s=30)
    captured_once(shop_there, books, payment_id)
    eventually(
        lambda: books.count(
            "webhook_ingest",
            "SELECT count(*) FROM refused_deliveries WHERE encode(first_bytes, 'escape') LIKE %s",
            f"%{payment_id}%",
        ),
        timeout_s=LOST_S,
        describe="the refused forgery",
    )
