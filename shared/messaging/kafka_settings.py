"""The librdkafka options we rely on, each spelled out even where it is the default."""

from collections.abc import Mapping
from typing import Final

NO_TELEMETRY: Final[Mapping[str, str | int | float | bool]] = {"enable.metrics.push": False}
"""Nobody reads a client's own metrics at the broker; to push the last ones it closes up to a second later."""
PRODUCER_SETTINGS: Final[Mapping[str, str | int | float | bool]] = {
    "acks": "all",
    "enable.idempotence": True,
    "enable.gapless.guarantee": True,  # a lost record kills the producer rather than letting a later one pass
    "max.in.flight.requests.per.connection": 5,
    "message.timeout.ms": 0,  # never: a timed-out record would leave a gap that idempotence does not cover
    "retries": 2147483647,
    "retry.backoff.ms": 50,
    "partitioner": "murmur2_random",  # the same as Java and Faust, so a key has one partition whoever sends
    "linger.ms": 1,
    "batch.num.messages": 10_000,
    "queue.buffering.max.messages": 100_000,
    "queue.buffering.max.kbytes": 32_768,  # bounds the process's memory
    "compression.type": "lz4",
    "message.max.bytes": 1_000_000,  # an outbox payload is at most 256 KiB; the rest is headers
    "socket.nagle.disable": True,
    "socket.keepalive.enable": True,
    "allow.auto.create.topics": False,
}
SESSION_TIMEOUT_S: Final = 45.0
HEARTBEAT_MS: Final = 1_000
"""A member hears at its heartbeat that partitions move; each handing around takes two of them."""
HEARTBEATS_PER_SESSION: Final = 4
CONSUMER_SETTINGS: Final[Mapping[str, str | int | float | bool]] = {
    "group.protocol": "classic",
    "partition.assignment.strategy": "cooperative-sticky",
    "enable.auto.commit": False,  # offsets follow the database, never time
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",  # latest would skip what a new or expired group has not read
    "isolation.level": "read_committed",
    "max.poll.interval.ms": 300_000,
    "fetch.wait.max.ms": 100,
    "fetch.min.bytes": 1,  # answer as soon as there is one record
    "fetch.message.max.bytes": 1_048_576,
    "queued.max.messages.kbytes": 16_384,  # bounds the process's memory
    "queued.min.messages": 5_000,
    "fetch.queue.backoff.ms": 10,
    "check.crcs": True,
    "enable.partition.eof": False,
    "socket.nagle.disable": True,
    "socket.keepalive.enable": True,
    "allow.auto.create.topics": False,
}


def group_settings(session_timeout_s: float) -> Mapping[str, int]:
    """Return when a silent member is taken for dead; three heartbeats may be lost before that."""
    session_ms = round(session_timeout_s * 1000)
    return {
        "session.timeout.ms": session_ms,
        "heartbeat.interval.ms": min(HEARTBEAT_MS, session_ms // HEARTBEATS_PER_SESSION),
    }
