"""Settlement lines on real PostgreSQL, through the consumer's handlers and its batch preparation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from schemas.generated import (
    SettlementLineAcceptedV1,
    SettlementLineAmendedV1,
    SettlementLineMatchedV1,
    SettlementLineUnmatchedV1,
    WebhookFactReceivedV1,
)
from services.payment.app.apply_settlement_line import apply_settlement_line
from services.payment.domain.payment import Payment
from services.payment.entrypoints.consumer import ROUTES
from services.payment.tests.db.desk import Desk
from services.payment.tests.db.scenes import astray
from services.payment.tests.db.shop import Shop
from services.payment.tests.db.stand import Stand
from services.payment.tests.db.test_consumer import contract
from services.payment.tests.settlement import line_of
from services.payment.tests.world import captured, wish
from shared.kernel.ids import UlidIds
from shared.messaging.envelope import Event
from shared.testing.infra import ServiceDatabase

TOPIC = {WebhookFactReceivedV1: "webhook.events"}
IDS = UlidIds()
NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def stand(service_database: ServiceDatabase) -> Iterator[Stand]:
    stand = Stand(service_database("payment"))
    yield stand
    stand.close()


def taken(stand: Stand, name: str) -> Payment:
    payment = stand.create(wish(reference=name))
    stand.tell(captured(payment, object_id=f"cap_{name}", parent_id=f"auth_{name}"))
    return stand.payment(payment.payment_id)


def said(payment: Payment | None, name: str, line_id: str = "1", **changes: Any) -> dict[str, Any]:
    of = {"payment_id": None, "merchant_id": None, "object_id": None}
    if payment is not None:
        of = {
            "payment_id": payment.payment_id,
            "merchant_id": payment.merchant_id,
            "object_id": f"cap_{name}",
        }
    return {
        "source": "alpha_payouts", "line_id": line_id, "revision": 1, "processor": "alpha", "account": "acct_alpha",
        "payout_id": "po_1", "category": "charge", **of, "currency": "EUR", "gross_minor": 10_000,
        "fee_currency": "EUR", "fee_minor": 0, "net_currency": "EUR", "net_minor": 10_000, "available_on": NOW,
        "effective_at": NOW,
    } | changes  # fmt: skip


def accepted(
    payment: Payment | None, name: str, line_id: str = "1", **changes: Any
) -> SettlementLineAcceptedV1:
    return SettlementLineAcceptedV1(**said(payment, name, line_id, **changes))


def amended(
    payment: Payment | None, name: str, line_id: str = "1", **changes: Any
) -> SettlementLineAmendedV1:
    return SettlementLineAmendedV1(**{"amended_revision": 1, **said(payment, name, line_id), **changes})


def matched(payment: Payment, name: str) -> SettlementLineMatchedV1:
    line = said(payment, name)
    names = SettlementLineMatchedV1.__struct_fields__
    kept = {field: value for field, value in line.items() if field in names}
    return SettlementLineMatchedV1(**kept, match_number=1, matched_at=NOW)


def unmatched(payment: Payment, name: str) -> SettlementLineUnmatchedV1:
    names = SettlementLineUnmatchedV1.__struct_fields__
    kept = {field: value for field, value in said(payment, name).items() if field in names}
    return SettlementLineUnmatchedV1(**kept, match_number=2, unmatched_at=NOW)


def consume(stand: Stand, *payloads: Any, event_ids: Sequence[str] = ()) -> None:
    named = event_ids or [IDS.new("evt_") for _ in payloads]
    events = [
        Event(
            event_id=event_id, event_type=type(data).__name__.removesuffix("V1"), version=1,
            topic=TOPIC.get(type(data), "reconciliation.events"), key="k", stream_version=1, time=NOW, source="/tieout/test", subject="k",
            cause_id="test", data_schema="", traceparent=None, data=data, payload_sha256=b"",
        )
        for event_id, data in zip(named, payloads, strict=True)
    ]  # fmt: skip

    def work(uow: Any) -> None:
        assert ROUTES.prepare is not None
        ROUTES.prepare(events, uow)
        for one in events:
            ROUTES.handlers[one.topic, one.event_type, 1](one, uow)

    stand.run(work)


def told(stand: Stand, payment: Payment) -> list[str]:
    rows = stand.rows(
        "SELECT event_type FROM outbox WHERE key = :id AND event_type LIKE 'Capture%' ORDER BY position",
        id=payment.payment_id,
    )
    return [row[0] for row in rows]


@pytest.mark.parametrize("same_batch", [True, False])
def test_a_line_that_comes_before_its_capture_settles_it_when_it_counts(
    stand: Stand, same_batch: bool
) -> None:
    one = stand.create(wish(reference="one"))
    fact = captured(one, object_id="cap_one", parent_id="auth_one")
    webhook = WebhookFactReceivedV1(
        delivery_id=IDS.new("dlv_"), processor="alpha", account="acct_alpha", processor_event_id="evt_x",
        fact=contract(fact), received_at=NOW,
    )  # fmt: skip
    story = [accepted(one, "one"), webhook]
    for batch in [story] if same_batch else [[event] for event in story]:
        consume(stand, *batch)
    assert told(stand, one) == ["CaptureSettled.v1"]
    assert stand.payment(one.payment_id).status == "SETTLED"


@pytest.mark.parametrize("same_batch", [True, False])
def test_a_line_settles_amends_and_moves_from_one_payment_to_another(stand: Stand, same_batch: bool) -> None:
    one, two = taken(stand, "one"), taken(stand, "two")
    story = [
        accepted(one, "one"),
        amended(one, "one", revision=2, gross_minor=9_000, net_minor=9_000),
        amended(two, "two", revision=3, amended_revision=2),
    ]
    for batch in [story] if same_batch else [[event] for event in story]:
        consume(stand, *batch)
    consume(stand, *story)
    assert told(stand, one) == ["CaptureSettled.v1", "CaptureUnsettled.v1"]
    assert told(stand, two) == ["CaptureSettled.v1"]
    assert stand.payment(one.payment_id).status == "CAPTURED"
    settled = stand.payment(two.payment_id)
    assert (settled.status, settled.amounts.settled_minor) == ("SETTLED", 10_000)
    assert stand.rows("SELECT revision, payment_id FROM settlement_lines") == [(3, two.payment_id)]


def test_lines_of_one_capture_come_in_batches_of_their_own(stand: Stand) -> None:
    one = taken(stand, "one")
    for number in range(4):
        consume(stand, accepted(one, "one", str(number), gross_minor=2_500, net_minor=2_500))
    assert told(stand, one) == ["CaptureSettled.v1"]
    assert stand.payment(one.payment_id).amounts.settled_minor == 10_000


def test_an_unmatched_line_waits_for_its_match(stand: Stand) -> None:
    one = taken(stand, "one")
    consume(stand, accepted(None, "one"))
    assert told(stand, one) == []
    consume(stand, matched(one, "one"))
    assert told(stand, one) == ["CaptureSettled.v1"]


@pytest.mark.parametrize("same_batch", [True, False])
def test_a_match_that_is_taken_back_settles_nothing_any_more(stand: Stand, same_batch: bool) -> None:
    one = taken(stand, "one")
    story = [accepted(None, "one"), matched(one, "one"), unmatched(one, "one")]
    for batch in [story] if same_batch else [[event] for event in story]:
        consume(stand, *batch)
    consume(stand, *story)
    assert told(stand, one) == ["CaptureSettled.v1", "CaptureUnsettled.v1"]
    after = stand.payment(one.payment_id)
    assert (after.status, after.amounts.settled_minor) == ("CAPTURED", 0)


def test_a_newer_reading_is_never_overwritten(stand: Stand) -> None:
    consume(stand, accepted(None, "one"))
    with (
        psycopg.connect(stand.urls.app) as connection,
        pytest.raises(psycopg.errors.CheckViolation, match="newer reading"),
    ):
        connection.execute("UPDATE settlement_lines SET gross_minor = 1")


def test_only_a_capture_that_counts_can_be_settled(stand: Stand) -> None:
    taken(stand, "one")
    with psycopg.connect(stand.urls.app) as connection, pytest.raises(psycopg.errors.CheckViolation):
        connection.execute("UPDATE processor_objects SET settled = true")


def test_a_stray_that_is_accepted_after_its_line_came_settles_at_once(desk: Desk, shop: Shop) -> None:
    payment_id, stray_id = astray(shop)
    stray = shop.payment(payment_id).strays[stray_id]
    line = line_of(
        shop.payment(payment_id),
        object_id=stray.object_id,
        account=stray.account,
        gross_minor=stray.amount_minor,
    )
    shop.transactions.run(lambda uow: apply_settlement_line(line, "evt_line", uow), name="test")
    assert shop.payment(payment_id).amounts.settled_minor == 0
    assert desk.decided(f"/strays/{stray_id}/decision", action="accept").status == 200
    assert shop.payment(payment_id).amounts.settled_minor == stray.amount_minor
    told = shop.rows("SELECT event_type FROM outbox WHERE event_type LIKE 'Capture%'")
    assert [row[0] for row in told] == ["CaptureSettled.v1"]
