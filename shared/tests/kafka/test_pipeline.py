"""Outbox to effect on real PostgreSQL and Kafka: two relays, slow writers, zombies, rebalances, redrive in traffic."""

import threading

import sqlalchemy as sa

from shared.kernel.errors import Poison
from shared.messaging.inbox import Stream
from shared.messaging.redrive import request_redrive
from shared.testing.messaging_bench import CONSUMER, FACTS, Moved, first_versions
from shared.testing.waiting import eventually

KEYS = [f"key-{n}" for n in range(8)]


def write(bench, key, count, *, slow=False):
    for number in range(1, count + 1):

        def work(uow, number=number):
            uow.outbox.append(FACTS, Moved(number=number), key=key, cause_id="test")
            if slow:
                uow.connection.execute(sa.text("SELECT pg_sleep(0.02)"))

        bench.transactions.run(work, name="write")


def test_two_relays_slow_writers_and_lost_leases_give_every_stream_from_1_to_n(bench, read_all, all_sent):
    count = 40
    writers = [
        threading.Thread(target=write, args=(bench, key, count), kwargs={"slow": index % 2 == 0})
        for index, key in enumerate(KEYS)
    ]
    relays = [bench.relay(name, lease_ttl_s=1.0) for name in ("one", "two")]
    with bench.running(*relays):
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):  # the lease changes hands all the time
            with bench.owner_engine.begin() as connection:
                connection.execute(sa.text("UPDATE relay_leases SET expires_at = now() - interval '1 s'"))
            writers[0].join(0.3)
            for writer in writers[1:]:
                writer.join(0.01)
        eventually(all_sent, timeout_s=60)
    assert first_versions(read_all()) == {key: list(range(1, count + 1)) for key in KEYS}


def test_events_reach_their_effect_once_while_members_come_and_go(bench):
    count = 30
    with bench.running(bench.relay("one")), bench.running(bench.loop()):
        for key in KEYS:
            bench.append(key, range(1, count + 1))
        eventually(lambda: len(bench.effects()) >= count, timeout_s=60)
        with bench.running(bench.loop()):
            for key in KEYS:
                bench.append(key, range(count + 1, 2 * count + 1))
            eventually(lambda: len(bench.effects()) >= 2 * count * len(KEYS), timeout_s=60)
    for key in KEYS:
        assert bench.effects(key) == list(range(1, 2 * count + 1))


def test_redrive_in_the_middle_of_traffic_keeps_order_and_loses_nothing(bench):
    broken = {"still": True}

    def refuse(event):
        if broken["still"] and event.key == "key-0" and event.data.number == 3:
            raise Poison("not yet understood")

    bench.refuse = refuse
    count = 60
    with bench.running(bench.relay("one"), bench.loop(max_records=5), bench.loop(max_records=5)):
        writers = [threading.Thread(target=write, args=(bench, key, count)) for key in KEYS[:3]]
        for writer in writers:
            writer.start()
        eventually(lambda: bench.rows("SELECT 1 FROM parked_keys"), timeout_s=60)
        broken["still"] = False
        for _ in range(3):
            bench.transactions.run(
                lambda uow: request_redrive(uow.connection, CONSUMER, Stream(FACTS, "key-0")), name="redrive"
            )
        for writer in writers:
            writer.join()
        eventually(lambda: len(bench.effects()) >= count * 3, timeout_s=60)
    for key in KEYS[:3]:
        assert bench.effects(key) == list(range(1, count + 1))
    assert bench.rows("SELECT 1 FROM parked_keys") == []
    assert bench.rows("SELECT 1 FROM parked_records") == []


def test_the_dead_letter_of_a_poison_record_reaches_its_topic(bench, read_all):
    with bench.running(bench.relay("one"), bench.loop()):
        bench.append("a", [1], poison=True)
        eventually(lambda: len(read_all("things.facts.dlq.shelf")) == 1, timeout_s=60)
    (letter,) = read_all("things.facts.dlq.shelf")
    assert letter.key == b"a"
    assert b'"reason":"the thing is poison"' in letter.value
