"""First and next offsets of a topic's partitions, as their leaders know them."""

from collections.abc import Iterable
from typing import Final

import stamina
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from shared.messaging.broker import BrokerError
from shared.messaging.kafka_admin import ADMIN_TIMEOUT_S

LEADER_ON_THE_MOVE: Final = (
    frozenset(  # just made, or handed over: the same question is answered a moment later
        {
            KafkaError.NOT_LEADER_FOR_PARTITION,
            KafkaError.LEADER_NOT_AVAILABLE,
            KafkaError.UNKNOWN_TOPIC_OR_PART,
            KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001 - librdkafka's own codes have no other name
        }
    )
)
FIRST_WAIT_S: Final = 0.02
LONGEST_WAIT_S: Final = 0.5


def watermarks(client: Consumer, places: Iterable[TopicPartition]) -> dict[int, tuple[int, int]]:
    """Each partition's first and next offset; raises ``BrokerError`` if a leader does not answer in time."""
    try:
        return {place.partition: _of_leader(client, place) for place in places}
    except KafkaException as error:
        raise BrokerError(f"cannot read offsets: {error.args[0].str()}") from error


def _leader_moves(error: Exception) -> bool:
    return isinstance(error, KafkaException) and error.args[0].code() in LEADER_ON_THE_MOVE


@stamina.retry(
    on=_leader_moves,
    attempts=None,
    timeout=ADMIN_TIMEOUT_S,
    wait_initial=FIRST_WAIT_S,
    wait_max=LONGEST_WAIT_S,
    wait_jitter=FIRST_WAIT_S,
)
def _of_leader(client: Consumer, place: TopicPartition) -> tuple[int, int]:
    """A leader is asked once by librdkafka, and not again when it has just changed."""
    span: tuple[int, int] = client.get_watermark_offsets(place, timeout=ADMIN_TIMEOUT_S)
    return span
