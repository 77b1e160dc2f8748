"""Offsets of a topic that was made a moment ago."""

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from shared.messaging.broker import BrokerError
from shared.messaging.kafka_offsets import LEADER_ON_THE_MOVE, watermarks


class Leader:
    """A consumer whose partitions answer with these errors first."""

    def __init__(self, *errors):
        self.errors = list(errors)

    def get_watermark_offsets(self, place, **_options):
        if self.errors:
            raise KafkaException(KafkaError(self.errors.pop(0)))
        return place.partition, 7


@pytest.mark.parametrize("code", sorted(LEADER_ON_THE_MOVE))
def test_a_leader_that_moves_is_asked_again(code):
    places = [TopicPartition("t", 0), TopicPartition("t", 1)]
    assert watermarks(Leader(code, code), places) == {0: (0, 7), 1: (1, 7)}


def test_any_other_error_is_told_at_once():
    leader = Leader(KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED)
    with pytest.raises(BrokerError, match="cannot read offsets"):
        watermarks(leader, [TopicPartition("t", 0)])
    assert len(leader.errors) == 1
