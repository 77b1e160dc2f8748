"""One consumer on a real database, fed by a broker in memory: what is applied, parked, quarantined, redriven."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from shared.kernel.errors import Poison, Rejected
from shared.messaging import processing
from shared.messaging.discard import approve_discard, propose_discard
from shared.messaging.inbox import Stream
from shared.messaging.memory import MemoryBroker
from shared.messaging.parked import parked_keys
from shared.messaging.redrive import (
    approve_skip,
    propose_skip,
    redrive_served,
    request_redrive,
)
from shared.testing.messaging_bench import CONSUMER, DEAD_FACTS, FACTS, NOTES, messaging_bench


@pytest.fixture
def bench(postgres_admin_url):
    with messaging_bench(postgres_admin_url, MemoryBroker()) as made:
        yield made


@pytest.fixture
def member(bench):
    """A consumer that turns when told to."""
    return Member(bench)


class Member:
    def __init__(self, bench):
        self.loop = bench.loop()
        self.consumer = bench.broker.make_consumer(CONSUMER)
        self.consumer.subscribe(
            self.loop.subscription.topics, on_assign=_none, on_revoke=_none, on_lost=_none
        )

    def settle(self):
        """Turn until nothing comes any more and no redrive is left."""
        self.loop._next_redrive_s = 0.0
        while self.loop.turn(self.consumer, 0.01):
            self.loop._next_redrive_s = 0.0


def _none(_partitions):
    pass


def parked(bench):
    return [
        (row["key"], row["reason"], row["next_version"])
        for row in bench.rows("SELECT * FROM parked_keys ORDER BY key")
    ]


def dead_letters(bench):
    return bench.rows("SELECT * FROM outbox WHERE topic LIKE '%.dlq.%' ORDER BY position")


def test_events_are_applied_once_and_in_order(bench, member):
    for version in (1, 2, 3, 2, 1, 3):
        bench.send("a", version)
    member.settle()
    assert bench.effects("a") == [1, 2, 3]
    assert bench.told.count("duplicate") == 3
    assert bench.rows("SELECT last_version FROM inbox_versions") == [{"last_version": 3}]


def test_deleted_group_offsets_replay_everything_without_effect(bench, member):
    for version in (1, 2, 3):
        bench.send("a", version)
    member.settle()
    member.consumer.close()
    bench.broker.forget_offsets(CONSUMER)
    again = Member(bench)
    again.settle()
    assert bench.effects("a") == [1, 2, 3]
    assert bench.told.count("duplicate") == 3


def test_offsets_are_committed_only_after_the_database(bench, member):
    bench.send("a", 1)
    bench.refuse = _raise(RuntimeError("handler is broken"))
    with pytest.raises(RuntimeError):
        member.settle()
    assert bench.broker.group(CONSUMER).committed == {}
    assert bench.effects() == []
    member.consumer.close()
    bench.refuse = lambda _event: None
    Member(bench).settle()
    assert bench.effects() == [1]


def _raise(error):
    def refuse(_event):
        raise error

    return refuse


def test_the_same_id_with_other_bytes_is_quarantined_and_changes_nothing(bench, member):
    bench.send("a", 1)
    bench.send("a", 1, number=99)
    bench.send("a", 2)
    member.settle()
    assert bench.effects("a") == [1, 2]
    assert [row["reason"] for row in bench.rows("SELECT reason FROM quarantined_records")] == [
        "payload_mismatch"
    ]
    assert ("quarantined", FACTS, "a", "evt_a_1", "payload_mismatch") in bench.told.lines


def test_another_event_under_an_applied_version_is_a_conflict(bench, member):
    bench.send("a", 1)
    bench.send("a", 1, event_id="evt_other", number=7)
    member.settle()
    assert bench.effects("a") == [1]
    assert bench.told.count("quarantined") == 1


def test_a_new_key_stands_where_it_is_when_its_first_record_is_refused(bench, member):
    bench.send("a", 1)
    member.settle()
    bench.send("b", 1, event_id="evt_a_1", number=7)
    bench.send("c", 1)
    bench.send("c", 3)
    member.settle()
    found = bench.rows("SELECT key, last_version FROM inbox_versions ORDER BY key")
    assert [(row["key"], row["last_version"]) for row in found] == [("a", 1), ("b", 0), ("c", 1)]
    bench.send("b", 1)
    member.settle()
    assert bench.effects("b") == [1]


def test_an_unknown_id_older_than_the_inbox_horizon_is_a_duplicate(bench, member):
    bench.send("a", 1)
    member.settle()
    with bench.owner_engine.begin() as connection:
        connection.execute(
            sa.text("INSERT INTO inbox_horizons (consumer, horizon) VALUES (:c, :h)"),
            {"c": CONSUMER, "h": datetime.now(UTC) - timedelta(days=40)},
        )
    bench.send("a", 1, event_id="evt_pruned", event_time=datetime.now(UTC) - timedelta(days=41))
    member.settle()
    assert bench.told.count("quarantined") == 0
    assert bench.told.count("duplicate") == 1


def test_a_gap_waits_and_heals_in_order_when_the_missing_version_comes(bench, member):
    for version in (1, 3, 5, 4):
        bench.send("a", version)
    bench.send("b", 1)
    member.settle()
    assert bench.effects("a") == [1]
    assert bench.effects("b") == [1]
    assert parked(bench) == [("a", "gap", 2)]
    bench.send("a", 2)
    member.settle()
    assert bench.effects("a") == [1, 2, 3, 4, 5]
    assert parked(bench) == []
    assert bench.rows("SELECT 1 FROM parked_records") == []
    assert dead_letters(bench) == []


def test_poison_parks_only_its_key_and_tells_of_it_once(bench, member):
    bench.send("a", 1)
    bench.send("a", 2, poison=True)
    bench.send("a", 3)
    bench.send("b", 1)
    bench.send("b", 2)
    member.settle()
    assert bench.effects("a") == [1]
    assert bench.effects("b") == [1, 2]
    assert parked(bench) == [("a", "poison", 2)]
    letters = dead_letters(bench)
    assert [(row["topic"], row["key"], row["cause_id"]) for row in letters] == [(DEAD_FACTS, "a", "evt_a_2")]
    assert {row["event_id"] for row in bench.rows("SELECT event_id FROM parked_records")} == {
        "evt_a_2",
        "evt_a_3",
    }
    assert bench.rows("SELECT 1 FROM inbox WHERE event_id IN ('evt_a_2', 'evt_a_3')") == []


def test_an_undeclared_type_parks_its_key(bench, member):
    bench.send("a", 1, event_type="Unheard.v1")
    bench.send("a", 2)
    member.settle()
    assert bench.effects("a") == []
    assert parked(bench) == [("a", "poison", 1)]


def test_an_undeclared_version_of_a_known_type_parks_its_key(bench, member):
    bench.send("a", 1, event_type="Moved.v2")
    member.settle()
    assert parked(bench) == [("a", "poison", 1)]


def test_an_ignored_type_counts_as_applied_without_an_effect(bench, member):
    bench.send("a", 1, event_type="Dusted.v1")
    bench.send("a", 2)
    member.settle()
    assert bench.effects("a") == [2]
    assert [row["outcome"] for row in bench.rows("SELECT outcome FROM inbox ORDER BY stream_version")] == [
        "ignored",
        "applied",
    ]


def test_an_unreadable_envelope_is_parked_by_its_place_and_the_rest_goes_on(bench, member):
    bench.send_raw(FACTS, b"a", b"\xff", [("ce_id", b"\xff\xfe")])
    bench.send("a", 1)
    member.settle()
    assert bench.effects("a") == [1]
    (held,) = bench.rows("SELECT event_id, headers FROM parked_records")
    assert held["event_id"].startswith(f"raw:{FACTS}:")
    assert held["headers"]["ce_id"].startswith("base64:")
    assert len(dead_letters(bench)) == 1


def test_redrive_applies_the_queue_in_order_once_the_reason_is_gone(bench, member):
    broken = {"still": True}

    def refuse(event):
        if broken["still"] and event.data.number == 2:
            raise Poison("not yet understood")

    bench.refuse = refuse
    for version in (1, 2, 3):
        bench.send("a", version)
    member.settle()
    _redrive(bench, "a")
    member.settle()
    assert bench.effects("a") == [1]
    assert len(dead_letters(bench)) == 1  # a redrive that fails again is no second dead letter
    assert bench.rows("SELECT redrive_requested_at FROM parked_keys") == [{"redrive_requested_at": None}]
    broken["still"] = False
    _redrive(bench, "a")
    bench.send("a", 4)
    member.settle()
    assert bench.effects("a") == [1, 2, 3, 4]
    assert parked(bench) == []
    assert _redrive(bench, "a") is False
    member.settle()
    assert bench.effects("a") == [1, 2, 3, 4]


def test_a_redrive_finds_more_poison_than_a_turn_takes_and_goes_on_behind_it(bench, member, monkeypatch):
    """Ended the process, again after each start: the request stayed and nothing was tried any further."""
    monkeypatch.setattr(processing, "POISONED_PER_TURN_MAX", 3)
    broken = set(range(1, 10))

    def refuse(event):
        if event.data.number in broken:
            raise Poison("not yet understood")

    bench.refuse = refuse
    for number in sorted(broken):
        bench.send("n", number, topic=NOTES)
    member.settle()
    broken.remove(9)
    assert _redrive(bench, "n", NOTES)
    for _ in range(3):  # three of them are found in each
        member.settle()
    assert bench.effects("n", NOTES) == [9]
    assert bench.rows("SELECT redrive_requested_at FROM parked_keys") == [{"redrive_requested_at": None}]
    broken.clear()  # and what was poison then is tried anew when somebody asks again
    assert _redrive(bench, "n", NOTES)
    member.settle()
    assert sorted(bench.effects("n", NOTES)) == list(range(1, 10))
    assert (parked(bench), len(dead_letters(bench))) == ([], 9)


def test_what_a_turn_found_to_be_poison_is_forgotten_once_nobody_asks_any_more(bench, member, monkeypatch):
    """Another member may have come to the end of the list; what is asked for later is a try of everything."""
    monkeypatch.setattr(processing, "POISONED_PER_TURN_MAX", 3)
    broken = {1, 2, 3, 4}

    def refuse(event):
        if event.data.number in broken:
            raise Poison("not yet understood")

    bench.refuse = refuse
    for number in sorted(broken):
        bench.send("n", number, topic=NOTES)
    member.settle()
    _redrive(bench, "n", NOTES)
    member.settle()
    bench.transactions.run(
        lambda uow: redrive_served(uow.connection, CONSUMER, Stream(NOTES, "n")), name="served elsewhere"
    )
    member.settle()
    broken.clear()
    _redrive(bench, "n", NOTES)
    member.settle()
    assert sorted(bench.effects("n", NOTES)) == [1, 2, 3, 4]


def _listed(bench):
    return bench.transactions.read(
        lambda uow: parked_keys(uow.connection, CONSUMER, limit=10), name="list"
    ).keys


def _redrive(bench, key, topic=FACTS):
    return bench.transactions.run(
        lambda uow: request_redrive(uow.connection, CONSUMER, Stream(topic, key)), name="redrive"
    )


@pytest.mark.parametrize("flag", ["poison_at_flush", "untold_at_flush", "untold"])
def test_poison_found_while_the_batch_is_written_parks_its_own_key_only(bench, member, flag):
    """So does what makes its consumer announce something that no contract allows."""
    bench.send("a", 1)
    bench.send("a", 2, **{flag: True})
    bench.send("a", 3)
    bench.send("b", 1)
    member.settle()
    assert bench.effects("a") == [1]
    assert bench.effects("b") == [1]
    assert parked(bench) == [("a", "poison", 2)]
    assert [row["cause_id"] for row in dead_letters(bench)] == ["evt_a_2"]


def test_poison_found_while_a_healed_queue_is_written_is_blamed_on_the_right_record(bench, member):
    for version in (2, 3, 5):
        bench.send("a", version)
    bench.send("a", 4, poison_at_flush=True)
    member.settle()
    bench.send("a", 1)
    for _ in range(8):  # the queue goes on record by record, each in a turn of its own
        member.settle()
    assert bench.effects("a") == [1, 2, 3]
    assert parked(bench) == [("a", "poison", 4)]
    assert [row["cause_id"] for row in dead_letters(bench)] == ["evt_a_4"]
    bench.send("a", 6)
    _skip(bench, "a", 4)
    member.settle()
    assert bench.effects("a") == [1, 2, 3, 5, 6]
    assert parked(bench) == []


def _skip(bench, key, version):
    stream = Stream(FACTS, key)
    bench.transactions.run(
        lambda uow: propose_skip(
            uow.connection, CONSUMER, stream, version=version, reason="known bad", proposed_by="ann"
        ),
        name="propose",
    )
    bench.transactions.run(
        lambda uow: approve_skip(uow.connection, CONSUMER, stream, version=version, approved_by="bob"),
        name="approve",
    )


def _discard(bench, event_id, *, by):
    def work(uow):
        propose_discard(uow.connection, CONSUMER, event_id, reason="line noise", proposed_by="ann")

    bench.transactions.run(work, name="propose")
    for _ in range(2):  # the second approval is a no-op
        bench.transactions.run(
            lambda uow: approve_discard(uow.connection, CONSUMER, event_id, approved_by=by), name="approve"
        )


def test_an_unreadable_record_is_listed_and_discarded_by_two_people_for_good(bench, member):
    bench.send_raw(FACTS, b"a", b"\xff", [("ce_id", b"\xff\xfe")])
    member.settle()
    (row,) = _listed(bench)
    assert (row.reason, row.records) == ("unreadable", 1)
    with pytest.raises(Rejected, match="same_person"):
        _discard(bench, row.key, by="ann")
    with pytest.raises(Rejected, match="already_proposed"):
        _discard(bench, row.key, by="bob")
    bench.transactions.run(
        lambda uow: approve_discard(uow.connection, CONSUMER, row.key, approved_by="bob"), name="approve"
    )
    assert bench.rows("SELECT 1 FROM parked_records") == []
    bench.broker.forget_offsets(CONSUMER)
    member.consumer.close()
    Member(bench).settle()
    assert bench.rows("SELECT 1 FROM parked_records") == []
    assert len(dead_letters(bench)) == 1


def test_a_poison_record_without_order_is_discarded_and_its_key_is_free(bench, member):
    event_id = bench.send("n", 1, topic=NOTES, poison=True)
    member.settle()
    _discard(bench, event_id, by="bob")
    assert parked(bench) == []
    assert bench.rows("SELECT outcome FROM inbox") == [{"outcome": "skipped"}]


def test_a_record_with_a_version_is_skipped_not_discarded(bench, member):
    event_id = bench.send("a", 1, poison=True)
    member.settle()
    with pytest.raises(Rejected, match="not_parked"):
        _discard(bench, event_id, by="bob")


def test_what_waits_at_the_broker_is_told_once_a_second(bench, member):
    member.loop._batch_records = 2
    for version in (1, 2, 3, 4, 5):
        bench.send("a", version)
    member.loop.turn(member.consumer, 0.01)
    member.loop.turn(member.consumer, 0.01)
    assert [line for line in bench.told.lines if line[0] == "lag"] == [("lag", FACTS, 3), ("lag", NOTES, 0)]


def test_a_skip_needs_two_people_and_counts_the_version_as_applied(bench, member):
    for version, poison in ((1, False), (2, True), (3, False)):
        bench.send("a", version, poison=poison)
    member.settle()
    stream = Stream(FACTS, "a")

    def propose(uow):
        propose_skip(uow.connection, CONSUMER, stream, version=2, reason="known bad", proposed_by="ann")

    def approve(person):
        return lambda uow: approve_skip(uow.connection, CONSUMER, stream, version=2, approved_by=person)

    bench.transactions.run(propose, name="propose")
    with pytest.raises(Rejected, match="same_person"):
        bench.transactions.run(approve("ann"), name="approve")
    bench.transactions.run(approve("bob"), name="approve")
    bench.transactions.run(approve("bob"), name="approve")
    member.settle()
    assert bench.effects("a") == [1, 3]
    assert parked(bench) == []
    assert bench.rows("SELECT outcome FROM inbox WHERE stream_version = 2") == [{"outcome": "skipped"}]
    bench.send("a", 2, poison=True)
    member.settle()
    assert bench.effects("a") == [1, 3]


def test_only_the_next_version_of_a_parked_key_can_be_skipped(bench, member):
    bench.send("a", 1)
    bench.send("a", 3)
    member.settle()
    with pytest.raises(Rejected, match="not_next"):
        bench.transactions.run(
            lambda uow: propose_skip(
                uow.connection, CONSUMER, Stream(FACTS, "a"), version=3, reason="r", proposed_by="ann"
            ),
            name="propose",
        )


def test_without_order_a_record_has_one_effect_in_one_batch_and_across_batches(bench, member):
    bench.send("n", 5, topic=NOTES)
    bench.send("n", 5, topic=NOTES)
    member.settle()
    assert bench.effects("n", NOTES) == [5]
    bench.send("n", 5, topic=NOTES)
    member.settle()
    assert bench.effects("n", NOTES) == [5]
    assert bench.told.count("duplicate") == 2


def test_without_order_only_the_poison_record_is_parked(bench, member):
    bench.send("n", 5, topic=NOTES)
    bench.send("n", 3, topic=NOTES, poison=True)
    bench.send("n", 9, topic=NOTES)
    bench.send("n", 5, topic=NOTES)
    member.settle()
    assert bench.effects("n", NOTES) == [5, 9]
    assert [row["event_id"] for row in bench.rows("SELECT event_id FROM parked_records")] == ["evt_n_3"]
    assert len(dead_letters(bench)) == 1
    assert bench.rows("SELECT 1 FROM inbox_versions") == []


def test_a_failing_batch_is_replayed_one_by_one_so_that_good_records_are_kept(bench, member):
    def refuse(event):
        if event.key == "bad":
            raise RuntimeError("broken for this key only")

    bench.refuse = refuse
    bench.send("a", 1)
    bench.send("bad", 1)
    with pytest.raises(RuntimeError):
        member.settle()
    # Whatever came before the bad record in the batch is committed, and so are its offsets.
    applied = bench.effects("a")
    committed = sum(bench.broker.group(CONSUMER).committed.values())
    assert len(applied) == committed


def test_records_wait_paused_while_the_database_is_away(bench, member, monkeypatch):
    bench.send("a", 1)
    real, failures = bench.transactions.run, []

    def run(work, *, name):
        if len(failures) < 3:
            failures.append(name)
            raise sa.exc.OperationalError("SELECT", {}, Exception("gone"))
        return real(work, name=name)

    monkeypatch.setattr(bench.transactions, "run", run)
    for _ in range(8):
        member.loop.turn(member.consumer, 0.01)
    assert len(failures) == 3
    assert bench.effects("a") == [1]
    assert bench.told.count("disturbed") == 3


def test_a_key_that_a_stopped_process_holds_is_waited_for(postgres_admin_url):
    with messaging_bench(postgres_admin_url, MemoryBroker(), lock_timeout_ms=50) as bench:
        member = Member(bench)
        bench.send("a", 1)
        member.settle()
        bench.send("a", 2)
        bench.send("b", 1)
        with bench.owner_engine.connect() as stopped:
            stopped.exec_driver_sql("SELECT FROM inbox_versions FOR UPDATE")
            for _ in range(5):
                assert member.loop.turn(member.consumer, 0.01) == 0
        assert bench.told.count("disturbed") == 5
        member.settle()
        assert (bench.effects("a"), bench.effects("b")) == ([1, 2], [1])


def test_parked_keys_are_listed_with_what_waits_behind_them(bench, member):
    bench.send("a", 2)
    bench.send("a", 3)
    member.settle()
    (row,) = _listed(bench)
    assert (row.key, row.reason, row.next_version, row.records) == ("a", "gap", 1, 2)
