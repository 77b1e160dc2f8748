"""The relay on a real outbox: order, marks, leases and failures, against a broker that can be told to fail."""

import pytest
import sqlalchemy as sa

from shared.kernel.errors import LeaseLost
from shared.messaging.broker import DeliveryFailed
from shared.messaging.memory import MemoryBroker, MemoryProducer
from shared.messaging.relay_store import WakeUps
from shared.persistence.notifier import OUTBOX_CHANNEL
from shared.persistence.statements import commit
from shared.testing.messaging_bench import FACTS, Moved, first_versions, messaging_bench
from shared.testing.waiting import eventually


@pytest.fixture
def bench(postgres_admin_url):
    with messaging_bench(postgres_admin_url, MemoryBroker()) as made:
        yield made


def unsent(bench):
    return bench.rows("SELECT count(*) AS n FROM outbox WHERE sent_at IS NULL")[0]["n"]


def drain(relay, bench, turns=50):
    for _ in range(turns):
        relay.turn(0)
        if unsent(bench) == 0:
            return
    raise AssertionError(f"{unsent(bench)} rows left")


def expire(bench):
    """End every lease at the database, as time would."""
    with bench.relay_engine.begin() as connection:
        connection.execute(sa.text("UPDATE relay_leases SET expires_at = now() - interval '1 s'"))


def test_rows_are_published_in_version_order_with_the_stored_bytes(bench):
    for number in range(1, 21):
        bench.append("a" if number % 2 else "b", [number])
    drain(bench.relay("one"), bench)
    records = bench.broker.records(FACTS)
    assert first_versions(records) == {"a": list(range(1, 11)), "b": list(range(1, 11))}
    stored = {
        row["event_id"]: bytes(row["payload"]) for row in bench.rows("SELECT event_id, payload FROM outbox")
    }
    assert {dict(r.headers)["ce_id"].decode(): r.value for r in records} == stored


def test_a_slow_writer_that_commits_late_is_not_skipped(bench):
    relay = bench.relay("one")
    with bench.engine.connect() as slow:
        uow = bench.transactions._new_unit(slow)
        uow.outbox.append(FACTS, Moved(number=1), key="slow", cause_id="test")
        uow.outbox.flush()
        for number in range(1, 6):
            bench.append("fast", [number])
        drain(relay, bench)
        commit(slow)
    drain(relay, bench)
    assert first_versions(bench.broker.records(FACTS)) == {"fast": [1, 2, 3, 4, 5], "slow": [1]}


def test_a_row_is_not_marked_before_its_delivery_report(bench):
    relay = bench.relay("one")
    bench.append("a", [1])
    bench.broker.accepting = False
    for _ in range(3):
        relay.turn(0)
    assert unsent(bench) == 1
    bench.broker.accepting = True
    drain(relay, bench)
    assert len(bench.broker.records(FACTS)) == 1  # nor is it produced again while its report is awaited


def test_rows_are_marked_together_when_it_is_time(bench, monkeypatch):
    """Three rows come one after the other; the marks of all three are one statement."""
    relay, marks = bench.relay("one", mark_every_s=0.3), []

    def hear(_connection, _cursor, statement, *_rest):
        if "UPDATE outbox o" in statement:
            marks.append(statement)

    sa.event.listen(bench.relay_engine, "before_cursor_execute", hear)
    for number in (1, 2, 3):
        bench.append("a", [number])
        eventually(lambda: relay.turn(0) == 1)
        relay.turn(0)
    assert (len(bench.broker.records(FACTS)), unsent(bench), marks) == (3, 3, [])
    rested = []
    monkeypatch.setattr(WakeUps, "wait", lambda _self, timeout_s: rested.append(timeout_s))
    relay.turn(5.0)
    assert 0 < rested[-1] <= 0.3, "no longer than until the marks are due"
    monkeypatch.undo()
    eventually(lambda: relay.turn(0) == 0 and unsent(bench) == 0)
    assert len(marks) == 1
    assert first_versions(bench.broker.records(FACTS)) == {"a": [1, 2, 3]}
    assert len(bench.broker.records(FACTS)) == 3


def test_what_was_published_and_not_yet_marked_is_published_again_by_the_next(bench):
    dying = bench.relay("one", mark_every_s=60.0)
    bench.append("a", [1, 2])
    dying.turn(0)
    dying.turn(0)
    assert (len(bench.broker.records(FACTS)), unsent(bench)) == (2, 2)
    dying.abandon()
    expire(bench)
    drain(bench.relay("two"), bench)
    assert first_versions(bench.broker.records(FACTS)) == {"a": [1, 2]}
    assert len(bench.broker.records(FACTS)) == 4


def test_many_acknowledged_rows_are_marked_before_their_time(bench, monkeypatch):
    monkeypatch.setattr("shared.messaging.relay.MARK_ROWS_MAX", 3)
    relay = bench.relay("one", mark_every_s=60.0)
    bench.append("a", [1, 2])
    relay.turn(0)
    relay.turn(0)
    assert unsent(bench) == 2
    bench.append("a", [3])
    eventually(lambda: relay.turn(0) == 1)
    eventually(lambda: relay.turn(0) == 0 and unsent(bench) == 0)


def test_while_reports_are_awaited_only_a_wake_up_has_the_outbox_read_again(bench):
    relay, reads = bench.relay("one"), []

    def hear(_connection, _cursor, statement, *_rest):
        if "FROM outbox" in statement:
            reads.append(statement)

    sa.event.listen(bench.relay_engine, "before_cursor_execute", hear)
    bench.append("a", [1])
    bench.broker.accepting = False
    assert [relay.turn(0) for _ in range(3)] == [1, 0, 0]
    assert len(reads) == 1
    bench.append("a", [2])
    with bench.engine.begin() as connection:
        connection.execute(sa.text(f"NOTIFY {OUTBOX_CHANNEL}"))
    eventually(lambda: relay.turn(0) == 1)
    assert len(reads) == 2


def test_a_read_that_came_back_full_is_followed_by_another_without_a_wake_up(bench, monkeypatch):
    monkeypatch.setattr("shared.messaging.relay.READ_ROWS", 2)
    relay = bench.relay("one")
    bench.append("a", [1, 2, 3, 4, 5])
    bench.broker.accepting = False
    assert [relay.turn(0) for _ in range(4)] == [2, 2, 1, 0]


def test_a_failed_delivery_ends_the_relay_and_lets_no_later_version_pass(bench):
    bench.append("a", [1, 2, 3, 4])
    bench.broker.fault = lambda _topic, _key, value: "too large" if b'"number":3' in value else None
    relay = bench.relay("one", lease_ttl_s=5.0)
    with pytest.raises(DeliveryFailed, match="too large"):
        drain(relay, bench)
    relay.abandon()
    assert first_versions(bench.broker.records(FACTS)) == {"a": [1, 2]}
    bench.broker.fault = None
    expire(bench)
    drain(bench.relay("two"), bench)
    assert first_versions(bench.broker.records(FACTS)) == {"a": [1, 2, 3, 4]}


def test_a_failed_delivery_ends_the_relay_also_where_the_client_would_go_on(bench, monkeypatch):
    """The client's gapless guarantee is the first protection; this client has none."""
    deliver = MemoryProducer._deliver

    def without_guarantee(producer, item):
        deliver(producer, item)
        producer._failed = None

    monkeypatch.setattr(MemoryProducer, "_deliver", without_guarantee)
    bench.append("a", [1, 2, 3, 4])
    bench.broker.fault = lambda _topic, _key, value: "too large" if b'"number":3' in value else None
    with pytest.raises(DeliveryFailed, match="too large"):
        drain(bench.relay("one"), bench)
    assert unsent(bench) == 4, "nothing that went out beside the failed row is marked"


def test_two_relays_share_one_shard_by_lease_only(bench):
    one, two = bench.relay("one"), bench.relay("two")
    bench.append("a", [1])
    drain(one, bench)
    bench.append("a", [2])
    for _ in range(3):
        assert two.turn(0) == 0
    assert unsent(bench) == 1
    drain(one, bench)


def test_a_relay_that_lost_its_lease_purges_and_marks_nothing(bench):
    zombie, successor = bench.relay("zombie"), bench.relay("successor")
    bench.append("a", [1, 2])
    bench.broker.accepting = False
    zombie.turn(0)
    expire(bench)
    bench.broker.accepting = True
    drain(successor, bench)
    bench.append("a", [3])
    drain(successor, bench)
    marked = bench.rows("SELECT DISTINCT sent_epoch FROM outbox")
    with pytest.raises(LeaseLost):  # its queue is delivered late: duplicates, which it may not mark
        zombie.turn(0)
    zombie.abandon()
    assert bench.rows("SELECT DISTINCT sent_epoch FROM outbox") == marked == [{"sent_epoch": 2}]
    assert first_versions(bench.broker.records(FACTS)) == {"a": [1, 2, 3]}


@pytest.mark.parametrize("change", ["owner = 'two', epoch = epoch + 1", "epoch = epoch + 1"])
def test_marks_of_an_old_epoch_change_no_row(bench, change):
    relay = bench.relay("one")
    bench.append("a", [1])
    bench.broker.accepting = False
    relay.turn(0)
    with bench.relay_engine.begin() as connection:
        connection.execute(sa.text(f"UPDATE relay_leases SET {change}"))
    bench.broker.accepting = True
    with pytest.raises(LeaseLost):
        relay.turn(0)
    assert unsent(bench) == 1


def test_a_stopped_relay_drains_and_hands_its_shard_over_at_once(bench):
    bench.append("a", list(range(1, 51)))
    with bench.running(bench.relay("one", lease_ttl_s=600.0)):
        eventually(lambda: unsent(bench) == 0)
    bench.append("a", [51])
    drain(bench.relay("two", lease_ttl_s=600.0), bench)
    assert first_versions(bench.broker.records(FACTS)) == {"a": list(range(1, 52))}


def test_shards_divide_streams_and_keep_their_order(bench):
    bench.transactions._shards = 4
    for key in ("a", "b", "c", "d", "e"):
        bench.append(key, [1, 2, 3])
    drain(bench.relay("one", shards=4), bench)
    assert first_versions(bench.broker.records(FACTS)) == {key: [1, 2, 3] for key in "abcde"}


def test_only_what_the_broker_took_is_marked_when_the_process_dies(bench):
    relay = bench.relay("one")
    bench.append("a", [1, 2])
    bench.broker.accepting = False
    relay.turn(0)
    relay._purge()  # the process is gone, its lease is not released
    bench.broker.accepting = True
    assert unsent(bench) == 2
    expire(bench)
    drain(bench.relay("two"), bench)
    assert first_versions(bench.broker.records(FACTS)) == {"a": [1, 2]}
