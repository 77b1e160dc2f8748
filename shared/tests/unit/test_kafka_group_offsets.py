"""Where a group goes on, set from outside by a request to a coordinator that may just have changed."""

from concurrent.futures import Future
from types import SimpleNamespace

import pytest
from confluent_kafka import KafkaError, KafkaException

from shared.messaging.broker import CommitFailed, Partition
from shared.messaging.kafka_admin import COORDINATOR_ON_THE_MOVE, KafkaAdmin

WANTED = {Partition("facts", 0): 7}


class Coordinator:
    """An administration client that answers with these errors first, and then for each place with ``refusal``."""

    def __init__(self, *errors, refusal=None):
        self.errors = list(errors)
        self.refusal = refusal
        self.set = []

    def alter_consumer_group_offsets(self, asked):
        (wanted,) = asked
        answer = Future()
        if self.errors:
            answer.set_exception(KafkaException(KafkaError(self.errors.pop(0))))
        else:
            self.set += [
                (wanted.group_id, place.topic, place.partition, place.offset)
                for place in wanted.topic_partitions
            ]
            error = None if self.refusal is None else KafkaError(self.refusal)
            answer.set_result(SimpleNamespace(topic_partitions=[SimpleNamespace(error=error)]))
        return {wanted.group_id: answer}


def admin_of(coordinator):
    admin = KafkaAdmin({}, "t.")
    admin._client = coordinator
    return admin


@pytest.mark.parametrize("code", sorted(COORDINATOR_ON_THE_MOVE))
def test_a_coordinator_that_moves_is_asked_again(code):
    coordinator = Coordinator(code, code)
    admin_of(coordinator).set_offsets("ledger", WANTED)
    assert coordinator.set == [("t.ledger", "t.facts", 0, 7)]


def test_any_other_error_is_told_at_once():
    coordinator = Coordinator(KafkaError.GROUP_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)
    with pytest.raises(CommitFailed, match="offsets of ledger are not set"):
        admin_of(coordinator).set_offsets("ledger", WANTED)
    assert len(coordinator.errors) == 1


def test_a_place_that_is_refused_is_a_failure():
    with pytest.raises(CommitFailed, match="offsets of ledger are not set"):
        admin_of(Coordinator(refusal=KafkaError.UNKNOWN_MEMBER_ID)).set_offsets("ledger", WANTED)
