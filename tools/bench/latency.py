"""Commit to effect at a steady rate: a writer here, a relay and a consumer as processes of their own."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.persistence.notifier import OutboxNotifier
from shared.persistence.unit_of_work import Transactions
from shared.testing.messaging_bench import FACTS, BenchUnit, MessagingBench, Moved, encode, messaging_bench
from tools.bench import raw_latency
from tools.bench.cpu import resident_mb
from tools.bench.figures import Figure, percentile
from tools.bench.site import STOP_DEADLINE_S, Site
from tools.local_stack.layout import StackError

SECTION: Final = "commit to effect at 200/s"
RATE_PER_S: Final = 200
WARM_UP: Final = 200
P50_AIM_MS: Final = 6.0
P99_AIM_MS: Final = 25.0
RESIDENT_AIM_MB: Final = 150.0
STAGES: Final = (
    "p50, COMMIT to the relay's send",
    "p50, send to received",
    "p50, received to the effect's COMMIT",
)
"""What the whole is made of; the send by Kafka's own stamp, which has milliseconds."""
READ_DEADLINE_S: Final = 30.0


def measure(site: Site) -> list[Figure]:
    """From the return of the writer's COMMIT to the return of the consumer's, through relay and Kafka."""
    count = RATE_PER_S * (3 if site.quick else 8)
    raw = raw_latency.measure(site, section=SECTION, rate_per_s=RATE_PER_S, count=count)
    middle: list[float] = []
    tail: list[float] = []
    resident: list[float] = []
    stages: list[list[float]] = [[] for _ in STAGES]
    for _ in range(site.repetitions):
        site.progress(f"commit to effect, {RATE_PER_S} transactions per second")
        times, resident_relay_mb = _once(site, count)
        delays_ms = [(effect - committed) * 1000 for committed, _, _, effect in times]
        middle.append(percentile(delays_ms, 0.5))
        tail.append(percentile(delays_ms, 0.99))
        for number, samples in enumerate(stages):
            samples.append(percentile([(at[number + 1] - at[number]) * 1000 for at in times], 0.5))
        resident.append(resident_relay_mb)
    return [
        *raw,
        _figure("p50", "ms", middle, P50_AIM_MS),
        _figure("p99", "ms", tail, P99_AIM_MS),
        *(
            replace(_figure(f"{name}, to the raw client", "ms", samples), base=base.as_base())
            for name, samples, base in zip(("p50", "p99"), (middle, tail), raw, strict=True)
        ),
        *(_figure(name, "ms", samples) for name, samples in zip(STAGES, stages, strict=True)),
        _figure("relay resident memory", "MB", resident, RESIDENT_AIM_MB),
    ]


def _figure(name: str, unit: str, samples: list[float], aim: float | None = None) -> Figure:
    return Figure(
        section=SECTION, name=name, unit=unit, samples=tuple(samples), aim=aim, smaller_is_better=True
    )


def _once(site: Site, count: int) -> tuple[list[tuple[float, float, float, float]], float]:
    """When each was committed, sent, received and in effect, in seconds; and what the relay holds, in MB."""
    password = site.stack.secrets.text("database_roles")
    with (
        messaging_bench(site.stack.admin_url, site.broker, password=password) as bench,
        ExitStack() as running,
    ):
        relay = running.enter_context(_role(site, bench, "relay"))
        consumer = running.enter_context(_role(site, bench, "consume"))
        # Joining, connections and plans are over before the clock starts: else their backlog is what is measured.
        committed, effects = _write_and_hear(bench, consumer, range(WARM_UP))
        more, heard = _write_and_hear(bench, consumer, range(WARM_UP, WARM_UP + count))
        committed, effects = committed + more, effects | heard
        resident_relay_mb = resident_mb(relay.pid)
        sent = _sent(site, WARM_UP + count)
    numbers = range(WARM_UP, WARM_UP + count)
    return [(committed[number], sent[number], *effects[number]) for number in numbers], resident_relay_mb


def _write_and_hear(
    bench: MessagingBench, consumer: "subprocess.Popen[str]", numbers: range
) -> tuple[list[float], dict[int, tuple[float, float]]]:
    """Heard all the while: a consumer that has filled its pipe would wait for us, and be measured waiting."""
    with ThreadPoolExecutor(1) as ears:
        effects = ears.submit(_effects, consumer, len(numbers))
        committed = _write(bench, numbers)
        return committed, effects.result()


def _write(bench: MessagingBench, numbers: range) -> list[float]:
    notifier = OutboxNotifier(bench.engine)
    transactions = Transactions(
        bench.engine, BenchUnit, source="/tieout/bench", clock=SystemClock(), ids=UlidIds(), encode=encode,
        on_commit=notifier,
    )  # fmt: skip
    committed = []
    started = time.monotonic()
    for nth, number in enumerate(numbers):
        time.sleep(max(0.0, started + nth / RATE_PER_S - time.monotonic()))
        moved = Moved(number=number)

        def work(uow: BenchUnit, moved: Moved = moved) -> None:
            uow.outbox.append(FACTS, moved, key=f"thing-{moved.number}", cause_id="bench")

        transactions.run(work, name="bench")
        committed.append(time.time())
    notifier.close()
    return committed


def _sent(site: Site, count: int) -> dict[int, float]:
    """When each was handed to the relay's producer last, by the stamps in the topic."""
    reader = Consumer(
        {"bootstrap.servers": site.stack.bootstrap, "group.id": "bench-stamps", "enable.auto.commit": False}
    )
    topic = site.stack.topic_prefix + FACTS
    partitions = reader.list_topics(topic, READ_DEADLINE_S).topics[topic].partitions
    places = [TopicPartition(topic, number, OFFSET_BEGINNING) for number in partitions]
    left = sum(reader.get_watermark_offsets(place, READ_DEADLINE_S)[1] for place in places)
    reader.assign(places)
    sent: dict[int, float] = {}
    while left:
        records = reader.consume(left, READ_DEADLINE_S)
        if not records:
            raise StackError(f"{left} records cannot be read again")
        left -= len(records)
        sent.update(
            {json.loads(record.value() or b"")["number"]: record.timestamp()[1] / 1000 for record in records}
        )
    reader.close()
    if len(sent) < count:
        raise StackError(f"{len(sent)} of {count} were sent")
    return sent


def _effects(consumer: "subprocess.Popen[str]", count: int) -> dict[int, tuple[float, float]]:
    """When each of the next so many was received and in effect."""
    effects: dict[int, tuple[float, float]] = {}
    if consumer.stdout is None:
        raise StackError("the consumer has no output")
    while len(effects) < count:
        line = consumer.stdout.readline()
        if not line:
            raise StackError("the consumer ended early")
        effects.update({int(number): (received, at) for number, (received, at) in json.loads(line).items()})
    return effects


@contextmanager
def _role(site: Site, bench: MessagingBench, role: str) -> "Iterator[subprocess.Popen[str]]":
    words = [sys.executable, "-m", "tools.bench.latency_roles", role]
    order = {
        "app": bench.urls.app,
        "relay": bench.urls.relay,
        "owner": bench.urls.owner,
        "reader": bench.urls.reader,
    }
    order |= {"bootstrap": site.stack.bootstrap, "prefix": site.stack.topic_prefix}
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        if process.stdin is None or process.stdout is None:
            raise StackError("no pipes")
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        if process.stdout.readline().strip() != "ready":
            raise StackError(f"{role} did not start")
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=STOP_DEADLINE_S)
