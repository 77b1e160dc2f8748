"""Looking again: at a hold whose capture was refused as expired, and at facts that wait, by the running worker."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import psycopg

from services.payment.adapters.probes import _QUERIES, _reader
from services.payment.entrypoints.worker import wake_due_facts
from services.payment.tests.db.scenes import EVIDENCE, open_dispute
from services.payment.tests.db.shop import Shop
from services.payment.tests.world import authorized, captured, disputed, refunded
from shared.runtime.metric_names import WAITING_FACTS_STUCK
from shared.runtime.roles import PeriodicRole
from shared.testing.waiting import eventually


def test_an_expired_hold_is_refused_and_looked_up_and_the_refusal_kept(shop: Shop) -> None:
    payment_id = shop.create(capture_method="manual")["id"]
    past = shop.parts.common.clock.now() - timedelta(seconds=1)
    shop.tell(replace(authorized(shop.payment(payment_id)), capture_before=past))
    for _ in range(2):
        reply = shop.post(f"/payments/{payment_id}/capture", {}, key="the-same")
        assert (reply.status, reply.document["code"]) == (409, "authorization_expired")
    rows = shop.rows("SELECT payload FROM outbox WHERE event_type = 'LookUpOperation.v1'")
    assert [orjson.loads(row[0])["reason"] for row in rows] == ["authorization_expired"]
    assert shop.payment(payment_id).status == "AUTHORIZED"


def asked_for(shop: Shop) -> list[str]:
    rows = shop.rows("SELECT payload FROM outbox WHERE event_type = 'LookUpOperation.v1'")
    return [orjson.loads(row[0])["reason"] for row in rows]


def test_reading_a_doubtful_refund_has_it_looked_up_once(shop: Shop) -> None:
    payment_id = shop.captured()["id"]
    refund = shop.post("/refunds", {"payment": payment_id, "amount": 4_000}).document
    assert shop.get(f"/refunds/{refund['id']}").document["certainty"] == "pending"
    assert asked_for(shop) == []
    shop.answer(payment_id, "unknown")
    shown = [shop.get(f"/refunds/{refund['id']}").document["certainty"] for _ in range(3)]
    assert (shown, asked_for(shop)) == (["uncertain"] * 3, ["payment_read"])


def test_reading_a_dispute_with_a_doubtful_answer_has_that_looked_up_once(shop: Shop) -> None:
    payment_id, dispute = open_dispute(shop)
    path = f"/disputes/{dispute['id']}"
    shop.post(f"{path}/evidence", EVIDENCE)
    shop.answer(payment_id, "unknown")
    shown = [shop.get(path).document["certainty"] for _ in range(3)]
    assert (shown, asked_for(shop)) == (["uncertain"] * 3, ["payment_read"])


def test_a_worker_outlasts_whoever_holds_its_rows(shop: Shop) -> None:
    payment_id = str(shop.create(capture_method="manual")["id"])
    shop.tell(disputed(shop.payment(payment_id), "opened", 1))
    shop.change("UPDATE waiting_facts SET next_check_at = now()")
    transactions = shop.parts.common.transactions
    role = PeriodicRole("work.waiting", 0.02, lambda: wake_due_facts(transactions))
    checks = "SELECT checks FROM waiting_facts"
    with psycopg.connect(shop.parts.settings.database_url.replace("+psycopg", "")) as holder:
        holder.execute("SELECT FROM payments FOR UPDATE")
        assert role.turn() is False, "it goes on living, and comes again"
        assert shop.rows(checks) == [(0,)]
    role.turn()
    assert shop.rows(checks) == [(1,)]


def running(shop: Shop, stop: threading.Event) -> threading.Thread:
    transactions = shop.parts.common.transactions
    role = PeriodicRole("work.waiting", 0.02, lambda: wake_due_facts(transactions))
    thread = threading.Thread(target=role.run, args=(stop,))
    thread.start()
    return thread


def test_the_worker_shows_what_is_stuck_and_applies_it_when_its_object_comes(shop: Shop) -> None:
    payment_id = shop.create(capture_method="manual")["id"]
    shop.authorize(payment_id)
    orphan = refunded(shop.payment(payment_id), "succeeded", 1)
    shop.tell(orphan)
    late = timedelta(days=2)
    shop.parts.common.transactions.run(
        lambda uow: uow.connection.exec_driver_sql(
            "UPDATE waiting_facts SET deadline_at = deadline_at - %(late)s, next_check_at = now()",
            {"late": late},
        ),
        name="test",
    )
    stop = threading.Event()
    thread = running(shop, stop)
    try:
        eventually(lambda: shop.rows("SELECT reason, exposure_minor FROM cases") == [("fact_stuck", 4_000)])
        stuck = _reader(shop.parts.common.engine, _QUERIES[WAITING_FACTS_STUCK])
        assert stuck() == {(): 1.0}

        def found() -> Any:
            return shop.payment(payment_id).amounts.refunded_minor == 4_000

        shop.tell(captured(shop.payment(payment_id), reference=None))
        eventually(found)
        assert stuck() == {(): 0.0}
    finally:
        stop.set()
        thread.join()
