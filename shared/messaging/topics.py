"""Topics own that the cluster has what the topic files say; they are made by a job, never by being written to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from schemas import catalogue
from shared.messaging.broker import Broker

REFILL_RETENTION_MS: Final = 7 * 24 * 60 * 60 * 1000  # a refill is read once, within days
CHECKED_SETTINGS: Final = ("cleanup.policy", "retention.ms", "retention.bytes")


class TopicsWrong(RuntimeError):  # noqa: N818 - a state of the cluster
    """The cluster's topics are not what the topic files say; every difference is in the message."""


@dataclass(frozen=True, slots=True)
class TopicDifference:
    """One way in which a topic is not as declared."""

    topic: str
    what: str


def refill_topic(topic: str, consumer: str) -> str:
    """Name the topic from which one consumer is refilled."""
    return f"{topic}.refill.{consumer}"


def create_topics(
    broker: Broker,
    topics: Mapping[str, catalogue.Topic] = catalogue.TOPICS,
    *,
    replication: int | None = None,
) -> None:
    """Create what is missing. Partition counts of existing topics are never changed: that would move keys."""
    extra = {} if replication is None else {"replication.factor": str(replication)}
    for name, topic in topics.items():
        broker.ensure_topic(name, partitions=topic.partitions, settings={**topic.kafka_config, **extra})


def create_refill_topic(broker: Broker, topic: str, consumer: str, partitions: int) -> str:
    """Create a consumer's refill topic, with as many partitions as the live one, and return its name."""
    name = refill_topic(topic, consumer)
    settings = {"cleanup.policy": "delete", "retention.ms": str(REFILL_RETENTION_MS)}
    broker.ensure_topic(name, partitions=partitions, settings=settings)
    return name


def topic_differences(
    broker: Broker, topics: Mapping[str, catalogue.Topic] = catalogue.TOPICS
) -> list[TopicDifference]:
    """Return every difference between the cluster and the topic files."""
    found: list[TopicDifference] = []
    cluster = broker.describe(topics)
    if cluster.makes_topics_itself:
        # A mistyped name would silently become a topic with the wrong partition count.
        found.append(TopicDifference("the cluster", "has auto.create.topics.enable on: switch it off"))
    for name, topic in topics.items():
        described = cluster.topics.get(name)
        if described is None:
            found.append(TopicDifference(name, "is missing"))
            continue
        partitions, settings = described
        if partitions != topic.partitions:
            found.append(TopicDifference(name, f"has {partitions} partitions, not {topic.partitions}"))
        for setting in CHECKED_SETTINGS:
            wanted = topic.kafka_config[setting]
            if settings.get(setting) != wanted:
                found.append(TopicDifference(name, f"has {setting}={settings.get(setting)}, not {wanted}"))
    return found


def check_topics(broker: Broker, topics: Mapping[str, catalogue.Topic] = catalogue.TOPICS) -> None:
    """Refuse to work with topics that are not as declared."""
    differences = topic_differences(broker, topics)
    if differences:
        raise TopicsWrong("; ".join(f"{each.topic} {each.what}" for each in differences))
