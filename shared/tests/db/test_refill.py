"""A consumer that starts from nothing: archive and outbox first, then the live topic, every event once."""

import threading
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from shared.messaging.memory import MemoryBroker
from shared.messaging.refill import RefillLoop, RefillWriter
from shared.messaging.topics import create_refill_topic, refill_topic
from shared.persistence.partitions import archive_due
from shared.runtime.operations import Act, Operations
from shared.runtime.settings import ServiceSettings
from shared.runtime.startup import StartupRefused
from shared.testing.messaging_bench import CONSUMER, FACTS, messaging_bench
from shared.testing.waiting import eventually


@pytest.fixture
def bench(postgres_admin_url):
    with messaging_bench(postgres_admin_url, MemoryBroker()) as made:
        yield made


def publish(bench):
    relay = bench._relays[0] if bench._relays else bench.relay("one")
    while relay.turn(0):
        pass
    for _ in range(3):
        relay.turn(0)


def test_a_new_consumer_is_refilled_and_then_follows_the_live_topic(bench, tmp_path):
    bench.append("a", [1, 2, 3])
    bench.append("b", [1])
    publish(bench)
    bench.append("a", [4, 5])
    publish(bench)
    writer = RefillWriter(bench.owner_engine, bench.broker, tmp_path)
    assert writer.write(FACTS, CONSUMER) == 6
    bench.append("a", [6])
    publish(bench)
    # The group had read on before it lost its database: its offsets stand at the end of the live topic.
    ends = bench.broker.offsets(FACTS)
    bench.broker.group(CONSUMER).committed.update({at: end for at, (_start, end) in ends.items()})
    loop = RefillLoop(bench.broker, bench.loop(), FACTS)
    with bench.running(loop):
        eventually(lambda: len(bench.effects()) == 7, timeout_s=20)
        bench.append("b", [2])
        publish(bench)
        eventually(lambda: len(bench.effects()) == 8, timeout_s=20)
    assert bench.effects("a") == [1, 2, 3, 4, 5, 6]
    assert bench.effects("b") == [1, 2]
    assert {row["topic"] for row in bench.rows("SELECT DISTINCT topic FROM inbox")} == {FACTS}


def test_what_is_archived_and_dropped_is_refilled_from_the_file(bench, tmp_path):
    bench.append("a", [1, 2])
    publish(bench)
    today = datetime.now(UTC).date() + timedelta(days=2)
    archived = archive_due(bench.owner_engine, tmp_path, today=today, keep_days=0)
    assert sum(archive.rows for archive in archived) == 2
    assert bench.rows("SELECT 1 FROM outbox") == []
    assert RefillWriter(bench.owner_engine, bench.broker, tmp_path).write(FACTS, CONSUMER) == 2
    loop = RefillLoop(bench.broker, bench.loop(), FACTS)
    assert loop.read_to_markers(threading.Event())
    assert bench.effects("a") == [1, 2]


def test_the_refill_is_not_over_before_every_partition_showed_its_marker(bench, tmp_path):
    bench.append("a", [1])
    publish(bench)
    RefillWriter(bench.owner_engine, bench.broker, tmp_path).write(FACTS, CONSUMER)
    name = refill_topic(FACTS, CONSUMER)
    for at, log in bench.broker.logs.items():
        if at.topic == name and at.number == 5:
            log.clear()
    loop = RefillLoop(bench.broker, bench.loop(), FACTS)
    stop = threading.Event()
    done = []
    reader = threading.Thread(target=lambda: done.append(loop.read_to_markers(stop)))
    reader.start()
    eventually(lambda: bench.effects("a") == [1], timeout_s=20)
    stop.set()
    reader.join()
    assert done == [False]


def test_a_topic_that_is_refilled_again_is_read_to_its_last_markers(bench, tmp_path):
    keys = [f"key-{number}" for number in range(24)]
    writer = RefillWriter(bench.owner_engine, bench.broker, tmp_path)
    for version in (1, 2):
        for key in keys:
            bench.append(key, [version])
        publish(bench)
        writer.write(FACTS, CONSUMER)
    # One record at a time, so that a first marker is seen before what comes behind it.
    assert RefillLoop(bench.broker, bench.loop(max_records=1), FACTS).read_to_markers(threading.Event())
    assert [bench.effects(key) for key in keys] == [[1, 2]] * len(keys)


def test_rows_of_other_topics_are_not_refilled(bench, tmp_path):
    bench.append("a", [1])
    bench.append("n", [1], topic="things.notes")
    publish(bench)
    with bench.owner_engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM outbox")).scalar() == 2
    assert RefillWriter(bench.owner_engine, bench.broker, tmp_path).write(FACTS, CONSUMER) == 1


@pytest.fixture
def recorded():
    return []


@pytest.fixture
def operations(bench, recorded):
    """What the commands ``refill`` and ``take-refill`` of a service call."""
    return Operations(
        ServiceSettings(database_url=bench.urls.app, owner_database_url=bench.urls.owner),
        bench.transactions,
        consumer=CONSUMER,
        record=lambda _uow, act: recorded.append(act),
        make_broker=lambda: bench.broker,
        loops=lambda: [bench.loop()],
    )


WHO = Act(actor="ada", reason="a new consumer", role="operator")


def test_an_operator_has_a_new_consumer_take_its_refill(bench, operations, recorded, tmp_path):
    bench.append("a", [1, 2])
    bench.append("b", [1])
    publish(bench)
    operations.refill(FACTS, CONSUMER, tmp_path, WHO)
    ends = {at: end for at, (_start, end) in bench.broker.offsets(FACTS).items()}
    bench.broker.group(CONSUMER).committed.update(ends)
    for _ in range(2):  # the second time all is known
        assert operations.take_refill(FACTS, WHO)["taken_from"] == refill_topic(FACTS, CONSUMER)
    assert (bench.effects("a"), bench.effects("b")) == ([1, 2], [1])
    assert {bench.broker.group(CONSUMER).committed[at] for at in ends} == {0}
    assert [(act.actor.name, act.action) for act in recorded][1:] == [("ada", "take_refill")] * 2


def test_a_refill_is_not_taken_beside_members_at_work(bench, operations, recorded, tmp_path):
    bench.append("a", [1])
    publish(bench)
    operations.refill(FACTS, CONSUMER, tmp_path, WHO)
    recorded.clear()
    member = bench.loop().join()
    with pytest.raises(StartupRefused, match="other processes of shelf consume"):
        operations.take_refill(FACTS, WHO)
    assert (bench.effects(), recorded) == ([], [])
    member.close()
    operations.take_refill(FACTS, WHO)
    assert bench.effects() == [1]


def test_what_cannot_be_taken_is_said_in_one_line(bench, operations):
    with pytest.raises(StartupRefused, match=r"shelf does not read 'other\.events'; expected one of things"):
        operations.take_refill("other.events", WHO)
    with pytest.raises(StartupRefused, match=f"is not written: .* by `refill {FACTS} {CONSUMER}`"):
        operations.take_refill(FACTS, WHO)
    create_refill_topic(bench.broker, FACTS, CONSUMER, 6)
    with pytest.raises(StartupRefused, match="is not written"):
        operations.take_refill(FACTS, WHO)
    assert bench.effects() == []
