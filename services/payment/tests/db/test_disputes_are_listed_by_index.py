"""The list of disputes is read from its index: a merchant's page costs the page, however many disputes others have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from services.payment.adapters.dispute_reads import WantedDisputes, list_disputes
from services.payment.tests.db.scenes import open_dispute
from services.payment.tests.db.shop import Shop, open_shop
from shared.persistence.idempotency import Principal
from shared.persistence.provision import ServiceUrls
from shared.testing.infra import ServiceDatabase

MERCHANTS = 40
DISPUTES_EACH = 100
#: One payment and one dispute that exist, copied for every merchant; a copy is newer than the ones before it.
COPIED_PAYMENTS = """
INSERT INTO payments SELECT made.* FROM payments AS p, generate_series(1, %(merchants)s) AS m,
    jsonb_populate_record(p, jsonb_build_object('payment_id', 'pay_' || m, 'merchant_id', 'mer_' || m,
        'status', 'CREATED', 'status_path', '[]'::jsonb, 'captured_minor', 0, 'reference', NULL)) AS made
"""
COPIED_DISPUTES = """
INSERT INTO disputes SELECT made.* FROM disputes AS d, generate_series(1, %(merchants)s) AS m,
    generate_series(1, %(each)s) AS n, jsonb_populate_record(d, jsonb_build_object(
        'dispute_id', format('dp_%%s_%%s', lpad(n::text, 5, '0'), m), 'payment_id', 'pay_' || m, 'merchant_id', NULL,
        'mode', NULL, 'object_id', format('dsp_%%s_%%s', m, n))) AS made
"""


@pytest.fixture
def urls(service_database: ServiceDatabase) -> ServiceUrls:
    return service_database("payment")


@pytest.fixture
def shop(urls: ServiceUrls) -> Iterator[Shop]:
    with open_shop(urls) as shop:
        open_dispute(shop)
        with psycopg.connect(urls.owner.replace("+psycopg", "")) as connection:
            connection.execute(COPIED_PAYMENTS.encode(), {"merchants": MERCHANTS})
            connection.execute(COPIED_DISPUTES.encode(), {"merchants": MERCHANTS, "each": DISPUTES_EACH})
        with psycopg.connect(urls.owner.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("ANALYZE payments, disputes, operations")
        yield shop


def plan_of(connection: sa.Connection, wanted: WantedDisputes) -> list[dict[str, Any]]:
    """Every node of the plan by which the list's own statement is run."""
    run: list[tuple[str, Any]] = []
    sa.event.listen(
        connection,
        "before_cursor_execute",
        lambda _c, _cursor, statement, parameters, _context, _many: run.append((statement, parameters)),
    )
    found = list_disputes(connection, Principal(owner_id="mer_7", mode="test"), wanted)
    assert [view.id for view in found] == [f"dp_{n:05}_7" for n in range(50, 40, -1)]
    statement, parameters = run[0]
    told = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", parameters).scalar_one()
    return list(_nodes(told[0]["Plan"]))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


@pytest.mark.parametrize("status", [None, "opened"])
def test_a_page_is_read_in_order_from_the_merchants_index(shop: Shop, status: str | None) -> None:
    with shop.parts.common.engine.connect() as connection:
        nodes = plan_of(connection, WantedDisputes(limit=10, before="dp_00051", status=status))
    (read,) = [node for node in nodes if node.get("Relation Name") == "disputes"]
    assert (read["Node Type"], read["Index Name"]) == ("Index Scan", "disputes_list")
    assert "merchant_id" in read["Index Cond"]
    assert "dispute_id" in read["Index Cond"]
    # The one sort there may be is that of the operations of a single dispute.
    sorted_by = [key for node in nodes if node["Node Type"] == "Sort" for key in node["Sort Key"]]
    assert not any("dispute_id" in key for key in sorted_by)


def test_whose_a_dispute_is_follows_from_its_payment_whatever_is_written(shop: Shop) -> None:
    rows = shop.rows(
        "SELECT count(*) FROM disputes AS d JOIN payments AS p USING (payment_id)"
        " WHERE (d.merchant_id, d.mode) IS DISTINCT FROM (p.merchant_id, p.mode)"
    )
    assert rows == [(0,)]
    assert shop.count("disputes") == MERCHANTS * DISPUTES_EACH + 1
