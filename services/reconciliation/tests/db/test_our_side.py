"""Our side as the consumer hears it: through the routes, in any order, told twice, a whole batch at once."""

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from schemas import catalogue
from schemas.generated import JournalPostedV1
from services.reconciliation.domain.our_items import ITEM_ROWS, fold, item_of
from services.reconciliation.entrypoints.consumer import ROUTES
from shared.messaging.routes import check_routes, declared_subscription

EXAMPLES = Path(catalogue.__file__).parent / "examples"
T0 = datetime(2026, 11, 2, 9, tzinfo=UTC)
REFUND = "re_" + "1" * 26
_STORED = (
    "item_key", "kind", "category", "standing", "event_id", "payment_id", "operation_id", "business_id", "processor",
    "account", "object_id", "amount_minor", "currency", "occurred_at",
)  # fmt: skip


def event(number, event_type, topic="payment.events", **changes):
    """An event as the consumer gets it, from its contract's example."""
    paths = sorted((EXAMPLES / topic / f"{event_type}.v1").glob("*.json"))
    fields = json.loads(paths[0].read_text()) | changes
    payload = json.dumps(fields).encode()
    data = catalogue.decode(topic, f"{event_type}.v1", payload)
    return SimpleNamespace(
        topic=topic, event_type=event_type, event_id=f"evt_{number:026d}", time=T0, data=data
    )


def deliver(desk, events):
    def work(uow):
        for each in events:
            ROUTES.handlers[each.topic, each.event_type, 1](each, uow)

    desk.run(work)


def life(*, apart=True):
    """One event of every type that makes an item, and a refund that failed later; each of an object of its own."""
    failed = event(1, "RefundFailed", refund_id=REFUND, was_succeeded=True, outcome="failed_later")
    made = [failed]
    for number, (event_type, rows) in enumerate(sorted(ITEM_ROWS.items()), start=2):
        changes = dict([rows[0].when]) if rows[0].when else {}
        if event_type == "RefundSucceeded":
            changes["refund_id"] = REFUND
        if event_type != "RefundFailed":
            changes |= {"amount_minor": 100 * number}
            made.append(event(number, event_type, **changes | _names(event_type, number, apart=apart)))
    return made


def _names(event_type, number, *, apart):
    fields = json.loads(next((EXAMPLES / "payment.events" / f"{event_type}.v1").glob("*.json")).read_text())
    return {name: f"{name}_{number}" for name in ("object_id", "fact_key") if apart and name in fields}


def stored(desk):
    with desk.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"SELECT {', '.join(_STORED)} FROM our_items").mappings()
        return {row["item_key"]: dict(row) for row in rows}


def expected(events):
    from msgspec.structs import asdict as fields_of

    made = [
        item_of(each.event_type, fields_of(each.data), event_id=each.event_id, told_at=each.time)
        for each in events
    ]
    items = fold(item for item in made if item is not None)
    return {key: {name: item._asdict()[name] for name in _STORED} for key, item in items.items()}


def test_the_routes_are_what_the_topic_files_declare():
    check_routes(ROUTES, declared_subscription("reconciliation"))


@pytest.mark.parametrize("seed", range(4))
def test_in_any_order_and_pieces_the_database_holds_what_the_domain_says(desk, seed):
    dice = random.Random(seed)  # noqa: S311 - a seed must replay
    everything = life(apart=seed % 2 == 0)
    events = everything + dice.sample(everything, 5)
    dice.shuffle(events)
    cut = dice.randrange(len(events))
    for batch in (events[:cut], events[cut:]):
        deliver(desk, batch)
    assert stored(desk) == expected(everything)
    assert len(stored(desk)) == (14 if seed % 2 == 0 else 9)


def test_every_event_that_the_ledger_books_is_remembered_once_and_every_journal(desk):
    captured = event(1, "PaymentCaptured")
    doubt = event(2, "OperationUncertain", direction="none", amount_minor=0)
    journal = event(3, "JournalPosted", topic="ledger.events")
    deliver(desk, [captured, doubt, journal, captured])
    deliver(desk, [captured, journal])
    assert desk.rows("SELECT event_id, event_type FROM told_facts") == [
        (captured.event_id, "PaymentCaptured")
    ]
    said: JournalPostedV1 = journal.data
    assert desk.rows("SELECT journal_id, cause_event_id FROM journal_facts") == [
        (said.journal_id, said.cause_event_id)
    ]


def test_what_was_heard_is_never_removed(desk, app_sql):
    import psycopg

    deliver(desk, [event(1, "PaymentCaptured"), event(2, "JournalPosted", topic="ledger.events")])
    for table in ("our_items", "told_facts", "journal_facts"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            app_sql.execute(f"DELETE FROM {table}")
        app_sql.rollback()
