"""The consumer's handlers and its batch preparation on real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import sqlalchemy as sa

from schemas.generated import AttemptAnsweredV1, FactV1, FeedEventUnrecognisedV1, WebhookFactReceivedV1
from services.payment.domain.facts import Fact
from services.payment.domain.payment import Payment
from services.payment.entrypoints.consumer import ROUTES, lock_batch
from services.payment.entrypoints.worker import wake_due_facts
from services.payment.tests.db.stand import Stand
from services.payment.tests.world import authorized, captured, first_operation, refunded, wish
from shared.kernel.ids import UlidIds
from shared.messaging.envelope import Event
from shared.messaging.routes import check_routes, declared_subscription
from shared.testing.infra import ServiceDatabase

IDS = UlidIds()


@pytest.fixture
def stand(service_database: ServiceDatabase) -> Iterator[Stand]:
    stand = Stand(service_database("payment"))
    yield stand
    stand.close()


def contract(what: Fact, **changes: Any) -> FactV1:
    names = (name for name in Fact.__dataclass_fields__ if name != "object_type")
    values = {name: getattr(what, name) for name in names}
    return FactV1(**(values | {"object_type": what.object_type.value} | changes))


def event(topic: str, kind: str, key: str, data: object) -> Event:
    return Event(
        event_id=IDS.new("evt_"),
        event_type=kind,
        version=1,
        topic=topic,
        key=key,
        stream_version=1,
        time=datetime.now(UTC),
        source="/tieout/test",
        subject=key,
        cause_id="test",
        data_schema="",
        traceparent=None,
        data=data,
        payload_sha256=b"",
    )


def reply(payment: Payment, *facts: Fact, result: str = "done") -> Event:
    data = AttemptAnsweredV1(
        payment_id=payment.payment_id,
        operation_id=first_operation(payment),
        attempt_id=IDS.new("att_"),
        kind="authorize",
        processor="alpha",
        account="acct_alpha",
        result=result,  # type: ignore[arg-type]
        will_retry=False,
        facts=tuple(contract(what) for what in facts),
        answered_at=datetime.now(UTC),
    )
    return event("processor.events", "AttemptAnswered", payment.payment_id, data)


def webhook(what: Fact) -> Event:
    data = WebhookFactReceivedV1(
        delivery_id=IDS.new("whd_"),
        processor="alpha",
        account="acct_alpha",
        processor_event_id="aevt_1",
        fact=contract(what),
        received_at=datetime.now(UTC),
    )
    return event("webhook.events", "WebhookFactReceived", what.payment_id or what.object_id, data)


def consume(stand: Stand, *events: Event) -> None:
    def work(uow: Any) -> None:
        lock_batch(events, uow)
        for one in events:
            ROUTES.handlers[one.topic, one.event_type, 1](one, uow)

    stand.run(work)


def test_the_routes_are_what_the_topic_files_say() -> None:
    check_routes(ROUTES, declared_subscription("payment"))


def test_a_batch_of_many_payments_takes_few_statements(stand: Stand) -> None:
    payments = [stand.create(wish()) for _ in range(20)]
    events = []
    for number, payment in enumerate(payments):
        hold = authorized(payment, object_id=f"auth_{number}")
        taken = captured(payment, object_id=f"cap_{number}", parent_id=f"auth_{number}")
        events += [reply(payment, hold, taken), webhook(taken)]
    statements: list[str] = []

    def count(_c: object, _cur: object, statement: str, *_: object) -> None:
        statements.append(statement)

    sa.event.listen(stand.engine, "before_cursor_execute", count)
    consume(stand, *events)
    sa.event.remove(stand.engine, "before_cursor_execute", count)
    assert len(statements) <= 10
    assert {stand.payment(payment.payment_id).status.value for payment in payments} == {"CAPTURED"}


def test_the_webhook_before_the_reply_changes_nothing(stand: Stand) -> None:
    payment = stand.create(wish())
    taken = captured(payment)
    consume(stand, webhook(taken))
    assert stand.payment(payment.payment_id).status == "CAPTURED"
    before = stand.net(payment.payment_id)
    consume(stand, reply(payment, authorized(payment), taken), webhook(taken))
    assert stand.net(payment.payment_id) == before
    kinds = [row[0] for row in stand.rows("SELECT event_type FROM outbox WHERE topic = 'processor.commands'")]
    assert sorted(kinds) == ["AuthorizePayment.v1", "OperationDecided.v1"]


@pytest.mark.parametrize("processor", ["alpha", "beta"])
def test_what_an_unreadable_event_of_a_feed_names_is_looked_up_and_shown_to_a_person(
    stand: Stand, processor: str
) -> None:
    account = f"acct_{processor}"
    payment = stand.create(wish(processor=processor, account=account))
    for what in (authorized(payment), captured(payment)):
        stand.tell(what)
    # It names the capture and nothing of ours: whose it is says the object.
    data = FeedEventUnrecognisedV1(
        processor=processor,
        account=account,
        processor_event_id="aevt_7",
        object_id="cap_1",
        reason="object_unknown",
        cursor="c7",
        observed_at=datetime.now(UTC),
        digest="0" * 64,
    )
    unread = event("processor.events", "FeedEventUnrecognised", "cap_1", data)
    consume(stand, unread)
    asked = stand.rows(
        "SELECT convert_from(payload, 'UTF8')::jsonb ->> 'operation_id' FROM outbox"
        " WHERE event_type = 'LookUpOperation.v1'"
    )
    assert asked == [(first_operation(payment),)]
    assert stand.rows("SELECT reason, subject FROM cases") == [("webhook_unrecognised", "cap_1")]


def test_an_unreadable_event_of_a_kind_that_no_operation_makes_is_shown_beside_a_doubt(stand: Stand) -> None:
    payment = stand.create(wish())
    data = FeedEventUnrecognisedV1(
        processor=payment.processor,
        account=payment.account,
        processor_event_id="aevt_7",
        processor_event_type="dispute.escalated",
        object_id="dsp_9",
        payment_id=payment.payment_id,
        reason="status_unknown",
        cursor="c7",
        observed_at=datetime.now(UTC),
        digest="0" * 64,
    )
    consume(stand, event("processor.events", "FeedEventUnrecognised", "dsp_9", data))
    assert stand.payment(payment.payment_id).blocking_operation() is not None
    assert stand.rows("SELECT reason, subject FROM cases") == [("webhook_unrecognised", "dsp_9")]


def test_a_fact_about_an_unknown_object_waits_and_is_woken(stand: Stand) -> None:
    payment = stand.create(wish())
    orphan = refunded(payment, "succeeded", 1, payment_id=None, parent_id="cap_1")
    consume(stand, webhook(orphan))
    consume(stand, webhook(orphan))
    assert stand.rows("SELECT count(*) FROM waiting_facts") == [(1,)]
    consume(stand, reply(payment, authorized(payment), captured(payment)))
    assert not wake_due_facts(stand.transactions)
    assert stand.rows("SELECT count(*) FROM waiting_facts") == [(0,)]
    assert stand.payment(payment.payment_id).amounts.refunded_minor == 4_000


def test_creating_a_payment_takes_few_round_trips(stand: Stand) -> None:
    statements: list[str] = []

    def count(_c: object, _cur: object, statement: str, *_: object) -> None:
        statements.append(statement)

    stand.create(wish())
    sa.event.listen(stand.engine, "before_cursor_execute", count)
    stand.create(wish())
    sa.event.remove(stand.engine, "before_cursor_execute", count)
    # The price, all rows, all events.
    assert len(statements) == 3
