"""First and next offsets of a topic's partitions, as their leaders know them."""

from collections.abc import Iterable
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from shared.messaging.broker import BrokerError
from shared.messaging.kafka_admin import ADMIN_TIMEOUT_S, asked_again

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


def watermarks(client: Consumer, places: Iterable[TopicPartition]) -> dict[int, tuple[int, int]]:
    """Each partition's first and next offset; raises ``BrokerError`` if a leader does not answer in time."""
    try:
        return {place.partition: _of_leader(client, place) for place in places}
    except KafkaException as error:
        raise BrokerError(f"cannot read offsets: {error.args[0].str()}") from error


@asked_again(LEADER_ON_THE_MOVE)
def _of_leader(client: Consumer, place: TopicPartition) -> tuple[int, int]:
    span: tuple[int, int] = client.get_watermark_offsets(place, timeout=ADMIN_TIMEOUT_S)
    return span
