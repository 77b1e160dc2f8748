"""A disputed stray is not returned: refused by the code, by the guarded update and by the table, in either order."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from services.payment.app.apply_attempt_closed import ApplyAttemptClosed, apply_attempt_closed
from services.payment.entrypoints.worker import return_due_strays
from services.payment.tests.db.desk import Desk
from services.payment.tests.db.scenes import astray, told
from services.payment.tests.db.shop import Shop
from services.payment.tests.world import disputed, money_row
from shared.kernel.ids import UlidIds

OF_STRAY = {"parent_id": "cap_2", "amount_minor": 3_000}
CLAIMS = {
    "opened": lambda p: [disputed(p, "opened", 1, **OF_STRAY)],
    "lost": lambda p: [disputed(p, "lost", 1, **OF_STRAY)],
    "only money given back is known of it": lambda p: [
        money_row(p, "dispute", "reinstated", 3_000, "row_2", parent_id="cap_2")
    ],
}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS.keys())
def test_a_claimed_stray_is_not_returned_by_code_nor_by_plain_sql(desk: Desk, shop: Shop, claim: Any) -> None:
    payment_id, stray_id = astray(shop)
    for what in claim(shop.payment(payment_id)):
        shop.tell(what)
    refused = desk.post("ann", f"/strays/{stray_id}/decision", action="return", reason="twice")
    assert (refused.status, refused.document["code"]) == (409, "stray_disputed")
    return_due_strays(shop.transactions, 0.0)
    reserved = shop.transactions.run(lambda uow: uow.payments.reserve_stray(stray_id, 3_000), name="test")
    assert reserved is False
    url = shop.parts.settings.database_url.replace("+psycopg", "")
    with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.CheckViolation) as by_table:
        connection.execute(b"UPDATE strays SET reserved_minor = 1")
    assert by_table.value.diag.constraint_name == "strays_disputed_not_returned"
    assert not told(shop, "RefundPayment.v1")


def test_a_return_is_withdrawn_by_the_dispute_and_not_asked_for_again_until_that_is_won(
    desk: Desk,
    shop: Shop,
) -> None:
    payment_id, stray_id = astray(shop)
    path = f"/strays/{stray_id}/decision"
    assert desk.decided(path, action="return").status == 200
    shop.tell(disputed(shop.payment(payment_id), "opened", 1, **OF_STRAY))
    (asked,) = told(shop, "RefundPayment.v1")
    assert [(c["operation_id"], c["reason"]) for c in told(shop, "WithdrawOperation.v1")] == [
        (asked["operation_id"], "stray_disputed")
    ]
    closed = ApplyAttemptClosed(
        payment_id=payment_id, operation_id=asked["operation_id"], reason="withdrawn", ever_sent=False,
        cause_id=UlidIds().new("evt_"),
    )  # fmt: skip
    shop.transactions.run(lambda uow: apply_attempt_closed(closed, uow), name="test")
    assert shop.rows("SELECT reserved_minor, returned_minor FROM strays") == [(0, 0)]
    refused = desk.post("ann", path, action="return", reason="once more")
    assert refused.document["code"] == "stray_disputed"
    assert desk.get("/decisions") == []
    shop.tell(disputed(shop.payment(payment_id), "won", 2, **OF_STRAY))
    assert desk.decided(path, action="return").status == 200
    assert len(told(shop, "RefundPayment.v1")) == 2
