"""A database takes over what another one told: the same events in the same places, sent once, and the next place is next."""

import dataclasses

import pytest

from shared.kernel.errors import Rejected
from shared.messaging.envelope import is_refill_unsent
from shared.messaging.memory import MemoryBroker
from shared.messaging.refill import RefillWriter
from shared.messaging.topics import refill_topic
from shared.persistence.outbox_takeover import ToldRow, take_over
from shared.testing.messaging_bench import CONSUMER, FACTS, messaging_bench

COLUMNS = ", ".join(field.name for field in dataclasses.fields(ToldRow) if field.name != "sent")
TOLD = f"SELECT {COLUMNS}, sent_at IS NOT NULL AS sent FROM outbox ORDER BY position"


@pytest.fixture
def old(postgres_admin_url):
    with messaging_bench(postgres_admin_url, MemoryBroker()) as made:
        yield made


@pytest.fixture
def new(postgres_admin_url):
    with messaging_bench(postgres_admin_url, MemoryBroker()) as made:
        yield made


def told(bench):
    return [ToldRow(**row) for row in bench.rows(TOLD)]


def taken(bench, rows):
    with bench.owner_engine.begin() as connection:
        return take_over(connection, FACTS, rows)


def send(bench, relay):
    while bench.rows("SELECT 1 FROM outbox WHERE sent_at IS NULL"):
        relay.turn(0)


def test_what_was_told_is_taken_over_and_what_was_not_sent_is(old, new):
    old.append("a", [1, 2])
    old.append("b", [1])
    send(old, old.relay("one"))
    old.append("a", [3])
    archive = told(old)
    assert [row.sent for row in archive] == [True, True, True, False]
    assert taken(new, archive) == archive
    assert told(new) == archive
    new.append("a", [4])
    send(new, new.relay("two"))
    assert [(row.key, row.stream_version) for row in told(new)][-1] == ("a", 4)
    sent = [record.key for log in new.broker.logs.values() for record in log]
    assert sent == [b"a", b"a"]


def test_taken_over_twice_it_is_there_once(old, new):
    old.append("a", [1, 2])
    old.append("b", [1])
    archive = told(old)
    assert taken(new, [*archive[:2], *archive[:2]]) == archive[:2]
    assert taken(new, archive) == archive[2:]
    assert taken(new, archive) == []
    assert told(new) == archive


@pytest.mark.parametrize("lost", [0, 1])
def test_a_stream_that_lacks_something_is_refused_whole(old, new, lost):
    old.append("b", [1])
    old.append("a", [1, 2, 3])
    archive = told(old)
    del archive[1 + lost]
    with pytest.raises(Rejected, match=f"of a the archive lacks version {lost + 1}"):
        taken(new, archive)
    assert told(new) == []


def test_another_event_in_the_same_place_is_refused(old, new):
    old.append("a", [1])
    new.append("a", [1])
    with pytest.raises(Rejected, match="version 1 of a is evt_"):
        taken(new, told(old))
    (row,) = told(old)
    with pytest.raises(Rejected, match="version 1 of c is evt_"):
        taken(new, [dataclasses.replace(row, key="c", event_id=name) for name in ("evt_1", "evt_2")])


def test_a_refill_names_what_was_not_sent(old, tmp_path):
    old.append("a", [1])
    send(old, old.relay("one"))
    old.append("a", [2])
    RefillWriter(old.owner_engine, old.broker, tmp_path).write(FACTS, CONSUMER)
    refill = refill_topic(FACTS, CONSUMER)
    records = [record for at, log in old.broker.logs.items() if at.topic == refill for record in log]
    assert [is_refill_unsent(record) for record in records if record.key == b"a"] == [False, True]
