"""What waits for somebody, in pages that leave nothing out whatever comes or goes, and of one payment alone."""

from __future__ import annotations

from typing import Any

import pytest

from services.payment.adapters.operator_lists import QUERIES
from services.payment.tests.db.desk import Desk
from services.payment.tests.db.scenes import astray, exhaust
from services.payment.tests.db.shop import Shop
from services.payment.tests.world import fact
from shared.testing.serving import Answer


def ask(desk: Desk, path: str) -> Answer:
    headers = {"Authorization": f"Bearer {desk.tokens['vera']}"}
    return desk.shop.server.call("GET", f"/operator{path}", headers=headers)


def page(desk: Desk, path: str) -> dict[str, Any]:
    reply = ask(desk, path)
    assert reply.status == 200, reply
    return dict(reply.document)


def wait(shop: Shop, *numbers: int) -> None:
    for number in numbers:
        what = fact(
            object_type="capture", object_id=f"cap_old_{number}", status="succeeded", parent_id="auth_old"
        )
        shop.tell(what)


def test_pages_leave_nothing_out_though_rows_of_one_moment_come_and_go(desk: Desk, shop: Shop) -> None:
    wait(shop, 1, 2, 3, 4, 5)
    shop.change("UPDATE waiting_facts SET received_at = '2026-01-01T00:00:00.000001Z'")
    everything = page(desk, "/waiting-facts?limit=5")["data"]
    first = page(desk, "/waiting-facts?limit=2")
    shop.change("DELETE FROM waiting_facts WHERE waiting_id = :gone", gone=first["data"][1]["waiting_id"])
    wait(shop, 6)
    second = page(desk, f"/waiting-facts?limit=2&cursor={first['next_cursor']}")
    third = page(desk, f"/waiting-facts?limit=3&cursor={second['next_cursor']}")
    shown = [row["object_id"] for part in (first, second, third) for row in part["data"]]
    assert shown == [*(row["object_id"] for row in everything), "cap_old_6"]
    assert third["next_cursor"] is None


# Reviews need a shop that asks risk: test_waiting_for_risk.py.
@pytest.mark.parametrize("name", sorted(QUERIES.keys() - {"risk-reviews"}))
def test_each_list_shows_one_payment_alone_and_goes_on_behind_its_rows(
    desk: Desk, shop: Shop, name: str
) -> None:
    payment_id, stray_id = astray(shop)
    assert shop.post("/refunds", {"payment": payment_id, "amount": 1_000}).status == 201
    exhaust(shop, payment_id)
    assert desk.post("ann", f"/strays/{stray_id}/decision", action="return", reason="r").status == 201
    wait(shop, 1, 2)
    of_it = page(desk, f"/{name}?payment={payment_id}")["data"]
    assert {row["payment_id"] for row in of_it} == ({payment_id} if name != "waiting-facts" else set())
    assert page(desk, f"/{name}?payment=pay_{'0' * 26}")["data"] == []
    whole = page(desk, f"/{name}")
    assert whole["data"], "there is one of each kind"
    walked, behind = [], ""
    while behind is not None:
        part = page(desk, f"/{name}?limit=1{behind}")
        walked += part["data"]
        behind = f"&cursor={part['next_cursor']}" if part["next_cursor"] else None
    assert [next(iter(row.values())) for row in walked] == [next(iter(row.values())) for row in whole["data"]]


@pytest.mark.parametrize("cursor", ["x", "2026-01-01T00:00:00Z_", "2026-13-01T00:00:00Z_evd_" + "0" * 32])
def test_a_cursor_that_no_page_said_is_refused_by_its_name(desk: Desk, cursor: str) -> None:
    reply = ask(desk, f"/cases?cursor={cursor}")
    assert (reply.status, reply.document["code"], reply.document["param"]) == (422, "field_invalid", "cursor")
