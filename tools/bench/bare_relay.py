"""The base of the relay: the least that sends an outbox, without lease, streams, or a look at each delivery."""

import time
from typing import Any, Final

from confluent_kafka import Producer

from shared.messaging.kafka_settings import PRODUCER_SETTINGS
from tools.bench.figures import Figure, repeated
from tools.bench.site import Site
from tools.local_stack.layout import StackError

NAME: Final = "bare relay: read, produce, mark by 1,000"
BATCH: Final = 1_000
FLUSH_S: Final = 60.0
_READ: Final = b"SELECT id, key, payload FROM outbox WHERE sent_at IS NULL ORDER BY id LIMIT %d" % BATCH
_MARK: Final = b"UPDATE outbox SET sent_at = now() WHERE id = ANY (%s)"


def measure(site: Site, *, section: str, database: str, topic: str, batches: int) -> Figure:
    """Rows per second of one process: rows that pgbench left unsent, marked once the broker has the batch."""
    site.progress(NAME)
    settings: dict[str, Any] = {
        **PRODUCER_SETTINGS,
        "bootstrap.servers": site.stack.bootstrap,
        "log_level": 0,
    }
    producer = Producer(settings)
    place = site.stack.topic_prefix + topic

    def once() -> float:
        started = time.perf_counter()
        with site.admin(database) as outbox:
            for _ in range(batches):
                rows = outbox.execute(_READ, prepare=True).fetchall()
                if len(rows) < BATCH:
                    raise StackError(f"{NAME}: pgbench left too few rows")
                for _, key, payload in rows:
                    producer.produce(place, payload, key=key)
                if producer.flush(FLUSH_S):
                    raise StackError(f"{NAME}: not delivered within {FLUSH_S:.0f} s")
                outbox.execute(_MARK, ([number for number, _, _ in rows],), prepare=True)
        return batches * BATCH / (time.perf_counter() - started)

    return Figure(section=section, name=NAME, unit="rows/s", samples=repeated(site.repetitions, once))
