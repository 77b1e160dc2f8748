"""Kafka's administration: topics made, waited for and described, in as few requests as the protocol allows."""

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import Any, Final, ParamSpec, TypeVar

import stamina
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from shared.kernel.clock import SystemClock
from shared.messaging.broker import BrokerError, ClusterDescription, CommitFailed, Partition

P = ParamSpec("P")
T = TypeVar("T")

ADMIN_TIMEOUT_S: Final = 30.0
APPEARS_INTERVAL_S: Final = 0.02
LONGEST_WAIT_S: Final = 0.5
AUTO_CREATE: Final = "auto.create.topics.enable"
COORDINATOR_ON_THE_MOVE: Final = frozenset(
    {
        KafkaError.NOT_COORDINATOR,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    }
)


def asked_again(on_the_move: Collection[int]) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Ask again where a broker says by one of these codes that another is the one to ask, or none yet.

    librdkafka asks a leader or a coordinator once, and not again when it has just changed.
    """

    def moves(error: Exception) -> bool:
        return isinstance(error, KafkaException) and error.args[0].code() in on_the_move

    return stamina.retry(
        on=moves,
        attempts=None,
        timeout=ADMIN_TIMEOUT_S,
        wait_initial=APPEARS_INTERVAL_S,
        wait_max=LONGEST_WAIT_S,
        wait_jitter=APPEARS_INTERVAL_S,
    )


class KafkaAdmin:
    """One client for all questions: a dropped client would give up its requests."""

    def __init__(self, common: Mapping[str, Any], prefix: str) -> None:
        self._common = common
        self._prefix = prefix

    @cached_property
    def _client(self) -> AdminClient:
        return AdminClient(dict(self._common))

    def ensure_topic(self, topic: str, *, partitions: int, settings: Mapping[str, str]) -> None:
        """Create the topic unless it exists, and return when the cluster's metadata has it."""
        replication = int(settings.get("replication.factor", "-1"))  # -1: the cluster's own default
        config = {name: value for name, value in settings.items() if name != "replication.factor"}
        name = self._prefix + topic
        wanted = NewTopic(name, num_partitions=partitions, replication_factor=replication, config=config)
        for future in self._client.create_topics([wanted], operation_timeout=ADMIN_TIMEOUT_S).values():
            try:
                future.result(ADMIN_TIMEOUT_S)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise BrokerError(f"cannot create topic {topic}: {error}") from error
        self._await_topic(name)

    def describe(self, topics: Collection[str]) -> ClusterDescription:
        """One metadata request and one for the settings, whatever the number of topics."""
        try:
            cluster = self._client.list_topics(timeout=ADMIN_TIMEOUT_S)
            present = [topic for topic in topics if self._prefix + topic in cluster.topics]
            broker = ConfigResource(ResourceType.BROKER, str(min(cluster.brokers)))
            resources = {topic: ConfigResource(ResourceType.TOPIC, self._prefix + topic) for topic in present}
            answers = self._client.describe_configs([broker, *resources.values()])
            settings = {topic: _values(answers[resource]) for topic, resource in resources.items()}
            own = _values(answers[broker])
        except KafkaException as error:
            raise BrokerError(f"cannot describe the cluster: {error.args[0].str()}") from error
        counts = {topic: len(cluster.topics[self._prefix + topic].partitions) for topic in present}
        return ClusterDescription(
            topics={topic: (counts[topic], settings[topic]) for topic in present},
            makes_topics_itself=own.get(AUTO_CREATE) != "false",
        )

    def set_offsets(self, group: str, offsets: Mapping[Partition, int]) -> None:
        """One request for all partitions; the group's coordinator refuses it while the group has members."""
        name = self._prefix + group
        places = [
            TopicPartition(self._prefix + at.topic, at.number, offset) for at, offset in offsets.items()
        ]
        try:
            self._alter(ConsumerGroupTopicPartitions(name, places))
        except KafkaException as error:
            raise CommitFailed(f"offsets of {group} are not set: {error.args[0].str()}") from error

    @asked_again(COORDINATOR_ON_THE_MOVE)
    def _alter(self, wanted: ConsumerGroupTopicPartitions) -> None:
        answer = self._client.alter_consumer_group_offsets([wanted])[wanted.group_id].result(ADMIN_TIMEOUT_S)
        for place in answer.topic_partitions:
            if place.error is not None:
                raise KafkaException(place.error)

    def _await_topic(self, name: str) -> None:
        """A created topic appears a moment later; whoever asked for it relies on it at once."""
        clock = SystemClock()
        deadline_s = clock.monotonic_s() + ADMIN_TIMEOUT_S
        while name not in self._client.list_topics(timeout=ADMIN_TIMEOUT_S).topics:
            if clock.monotonic_s() >= deadline_s:
                raise BrokerError(f"topic {name} was created and does not appear")
            clock.sleep(APPEARS_INTERVAL_S)


def _values(answer: Any) -> dict[str, str]:
    return {name: str(entry.value) for name, entry in answer.result(ADMIN_TIMEOUT_S).items()}
