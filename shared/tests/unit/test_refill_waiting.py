"""A refill whose producer died before its markers: whoever reads it waits, and says once what it waits for."""

import json
import threading
from types import SimpleNamespace

import pytest

from shared.messaging.envelope import REFILL_MARKER
from shared.messaging.memory import MemoryBroker
from shared.messaging.refill import WAITS_LONG_S, RefillLoop
from shared.messaging.topics import create_refill_topic, refill_topic
from shared.runtime.logs import configure_logs
from shared.runtime.operations import tell_of_waiting
from shared.testing.virtual_clock import VirtualClock

TOPIC = "things.facts"
CONSUMER = "shelf"
SOURCE = refill_topic(TOPIC, CONSUMER)
TURN_S = 1.0


class Loop:
    """What a consumer's loop is to a refill: it polls, and each turn takes its time. ``then`` happens at turns."""

    subscription = SimpleNamespace(consumer=CONSUMER)

    def __init__(self, clock):
        self.clock = clock
        self.turns = 0
        self.then = {}

    def turn(self, consumer):
        self.turns += 1
        self.then.get(self.turns, lambda: None)()
        self.clock.advance(TURN_S)
        return len(consumer.poll_batch(500, 0.0))


@pytest.fixture
def clock():
    return VirtualClock()


@pytest.fixture
def loop(clock):
    return Loop(clock)


@pytest.fixture
def broker():
    made = MemoryBroker()
    create_refill_topic(made, TOPIC, CONSUMER, 2)
    return made


def write(broker, partition, *, marker):
    producer = broker.make_producer()
    headers = [(REFILL_MARKER, TOPIC.encode())] if marker else []
    producer.produce(
        SOURCE, key=b"k", value=b"", headers=headers, on_delivery=lambda _: None, partition=partition
    )
    producer.flush(1.0)
    producer.close()


def read(broker, loop, *, said, stop=None):
    refill = RefillLoop(broker, loop, TOPIC, clock=loop.clock, waits_long=said.append)
    return refill.read_to_markers(stop or threading.Event())


def test_a_whole_refill_is_read_without_a_word(broker, loop):
    said = []
    for partition in (0, 1):
        write(broker, partition, marker=False)
        write(broker, partition, marker=True)
    assert read(broker, loop, said=said)
    assert said == []


def test_a_producer_that_died_before_its_markers_is_told_of_once_per_silence_and_waited_for(broker, loop):
    said = []
    write(broker, 0, marker=False)
    write(broker, 0, marker=True)
    write(broker, 1, marker=False)

    def refill_again():
        for partition in (0, 1):
            write(broker, partition, marker=False)
            write(broker, partition, marker=True)

    at_last = round(5 * WAITS_LONG_S / TURN_S)
    loop.then = {at_last // 2: lambda: write(broker, 1, marker=False), at_last: refill_again}
    assert read(broker, loop, said=said)
    assert [(one.source, one.partitions) for one in said] == [(SOURCE, [1])] * 2
    assert all(one.silent_s >= WAITS_LONG_S for one in said)


def test_the_line_says_which_command_to_run_again(capsys, broker, loop):
    said, stop = [], threading.Event()
    write(broker, 0, marker=False)
    write(broker, 1, marker=False)
    loop.then = {round(2 * WAITS_LONG_S / TURN_S): stop.set}
    assert not read(broker, loop, said=said, stop=stop)
    configure_logs(service="shelf")
    tell_of_waiting(said[0])
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert (told["event"], told["source"], told["partitions"]) == ("take_refill_waits", SOURCE, "0, 1")
    assert f"`refill {TOPIC} {CONSUMER}`" in told["detail"]
