"""Versions per stream: without a gap, in order, whatever writers do at the same time."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

STREAM = "SELECT topic, key, stream_version FROM outbox ORDER BY position"


def append(uow, *keys, topic="probe.events"):
    for key in keys:
        uow.outbox.append(topic, f"hello {key}", key=key, cause_id="cause")


@pytest.mark.parametrize("repeats", [1, 4], ids=["few events", "a batch"])
def test_events_of_one_stream_take_consecutive_versions_in_append_order(probe, repeats):
    transactions = probe.transactions()
    for _ in range(2):
        transactions.run(lambda uow: append(uow, *["b", "a", "b"] * repeats), name="append")
    rows = probe.rows(STREAM)
    assert [row[1] for row in rows] == ["b", "a", "b"] * repeats * 2
    for key in "ab":
        versions = [row[2] for row in rows if row[1] == key]
        assert versions == list(range(1, len(versions) + 1))
    assert probe.rows("SELECT key, last_version FROM outbox_streams ORDER BY key") == [
        ("a", 2 * repeats),
        ("b", 4 * repeats),
    ]


def test_a_rolled_back_transaction_leaves_no_gap(probe):
    transactions = probe.transactions()

    def refuse(uow):
        append(uow, "a")
        uow.outbox.flush()
        raise LookupError

    transactions.run(lambda uow: append(uow, "a"), name="first")
    with pytest.raises(LookupError):
        transactions.run(refuse, name="refused")
    transactions.run(lambda uow: append(uow, "a"), name="second")
    assert [row[2] for row in probe.rows(STREAM)] == [1, 2]


def test_a_slow_writer_holds_back_the_next_one_of_its_stream_and_nobody_else(probe):
    transactions = probe.transactions()
    wrote, may_commit = threading.Event(), threading.Event()

    def slow(uow):
        append(uow, "a")
        uow.outbox.flush()
        wrote.set()
        may_commit.wait(10)

    with ThreadPoolExecutor() as pool:
        first = pool.submit(transactions.run, slow, name="slow")
        wrote.wait(10)
        second = pool.submit(transactions.run, lambda uow: append(uow, "a"), name="second")
        transactions.run(lambda uow: append(uow, "b"), name="another stream")
        assert not second.done()
        may_commit.set()
        first.result(10)
        second.result(10)
    assert [row[1:] for row in probe.rows(STREAM) if row[1] == "a"] == [("a", 1), ("a", 2)]


def test_concurrent_writers_of_shared_streams_leave_no_gap_and_keep_position_order(probe):
    transactions = probe.transactions(probe.engine(pool_size=6))

    def writer(number):
        # Every writer appends in an order of its own: sorted locking is what keeps them from deadlocking.
        keys = [f"k{(number + step * (1 if number % 2 else -1)) % 5}" for step in range(7)]
        for _ in range(10):
            transactions.run(lambda uow: append(uow, *keys), name="writer")

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(writer, range(6)))
    rows = probe.rows(STREAM)
    assert len(rows) == 6 * 10 * 7
    for key in {row[1] for row in rows}:
        versions = [row[2] for row in rows if row[1] == key]
        assert versions == list(range(1, len(versions) + 1))


def test_texts_that_arrays_find_difficult_arrive_unchanged(probe):
    keys = ['a"b', "back\\slash", "{},NULL", "NULL", "ünï→", "a,b", " pad "]
    probe.transactions().run(lambda uow: append(uow, *keys), name="odd")
    assert [row[1] for row in probe.rows(STREAM)] == keys
    assert all(
        bytes(payload).decode() == f"hello {key}"
        for key, payload in probe.rows("SELECT key, payload FROM outbox ORDER BY position")
    )


def test_the_stored_row_is_the_event_to_publish(probe):
    def work(uow):
        return uow.outbox.append(
            "probe.events", "hello", key="a", cause_id="cause", subject="s", event_id="evt_1"
        )

    assert probe.transactions().run(work, name="one") == "evt_1"
    assert probe.rows(
        "SELECT shard, event_id, event_type, data_schema, source, subject, cause_id, traceparent, sent_at,"
        " sha256(payload) = payload_sha256, created_on = (now() AT TIME ZONE 'UTC')::date FROM outbox"
    ) == [
        (
            0,
            "evt_1",
            "Said.v1",
            "/schemas/events/probe.events/Said.v1.json",
            "/tieout/probe",
            "s",
            "cause",
            None,
            None,
            True,
            True,
        )
    ]
