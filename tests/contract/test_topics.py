"""Owns what must hold of every topic file, whoever writes the next one."""

from pathlib import Path

import pytest

from schemas.catalogue import ROOT, TOPICS, Topic, UnknownEvent, consumer_declaration, split_event_type

REPOSITORY = ROOT.parent
EVERY_TOPIC = pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
# librdkafka's default batch; a topic that takes less than a full batch would refuse it whole.
PRODUCER_BATCH_BYTES = 1_000_000


def service_folders() -> set[str]:
    return {path.parent.name for path in (REPOSITORY / "services").glob("*/pyproject.toml")}


def is_dead_letter(topic: Topic) -> bool:
    return ".dlq." in topic.name


@EVERY_TOPIC
def test_a_topic_file_is_named_after_its_topic(topic: Topic) -> None:
    assert (ROOT / "topics" / f"{topic.name}.yaml").is_file()


@EVERY_TOPIC
def test_a_topic_has_an_owner_in_codeowners(topic: Topic) -> None:
    lines = (REPOSITORY / "CODEOWNERS").read_text().splitlines()
    rules = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    owners = {rule[0].lstrip("/"): rule[1:] for rule in rules}
    path = f"schemas/topics/{topic.name}.yaml"
    assert path in owners, f"CODEOWNERS has no line /{path}"
    assert [owner.rpartition("/")[2] for owner in owners[path]] == [topic.owner]


@EVERY_TOPIC
def test_producers_and_consumers_are_services_of_this_repository(topic: Topic) -> None:
    assert topic.producers
    assert set(topic.producers) <= service_folders()
    assert set(topic.consumers) <= service_folders()


@EVERY_TOPIC
def test_a_versioned_topic_has_exactly_one_producer(topic: Topic) -> None:
    """Stream versions are counted by the producer: two of them would both start at 1."""
    assert not topic.versioned or len(topic.producers) == 1


@EVERY_TOPIC
def test_every_consumer_declares_every_type_once(topic: Topic) -> None:
    for declaration in topic.consumers.values():
        assert declaration.handled | declaration.ignored == set(topic.types)
        assert not declaration.handled & declaration.ignored


@EVERY_TOPIC
def test_a_default_branch_is_declared_only_for_fields_of_handled_types(topic: Topic) -> None:
    for declaration in topic.consumers.values():
        assert declaration.enum_defaults.keys() <= declaration.handled


@EVERY_TOPIC
def test_every_consumer_has_a_dead_letter_topic_that_only_it_writes(topic: Topic) -> None:
    for consumer, declaration in topic.consumers.items():
        dead_letters = TOPICS[declaration.dead_letter_topic]
        assert dead_letters.name == f"{topic.name}.dlq.{consumer}"
        assert dead_letters.producers == (consumer,)
        assert dead_letters.types[0] == "DeadLettered.v1"
        assert all(event_type.split(".")[0].endswith("DeadLettered") for event_type in dead_letters.types)
        assert not dead_letters.versioned


def test_every_dead_letter_topic_belongs_to_a_consumer() -> None:
    declared = {told.dead_letter_topic for topic in TOPICS.values() for told in topic.consumers.values()}
    assert {topic.name for topic in TOPICS.values() if is_dead_letter(topic)} == declared


@EVERY_TOPIC
def test_types_are_listed_once_and_each_has_its_schema(topic: Topic) -> None:
    assert len(set(topic.types)) == len(topic.types)
    for event_type in topic.types:
        name, version = split_event_type(event_type)
        files = [ROOT / "events" / folder / f"{name}.v{version}.json" for folder in (topic.name, "common")]
        assert sum(file.is_file() for file in files) == 1


@EVERY_TOPIC
def test_a_full_batch_of_the_producer_fits(topic: Topic) -> None:
    assert topic.max_payload_bytes < PRODUCER_BATCH_BYTES < topic.max_message_bytes
    assert topic.kafka_config["max.message.bytes"] == str(topic.max_message_bytes)


@EVERY_TOPIC
def test_thirty_days_are_kept(topic: Topic) -> None:
    assert topic.kafka_config["retention.ms"] == "2592000000"


def test_a_schema_file_that_nothing_carries_is_a_shared_shape() -> None:
    carried = {event_type for topic in TOPICS.values() for event_type in topic.types}
    loose = {
        path.parent.name
        for path in ROOT.glob("events/*/*.v*.json")
        if path.name[: -len(".json")] not in carried
    }
    assert loose <= {"common"}


def test_an_undeclared_consumer_is_refused() -> None:
    with pytest.raises(
        UnknownEvent, match=r"insights declares nothing in schemas/topics/payment\.events\.yaml"
    ):
        consumer_declaration("payment.events", "insights")


def test_the_books_take_every_fact_that_moves_money() -> None:
    told = consumer_declaration("payment.events", "ledger")
    moves_money = {"PaymentCaptured.v1", "RefundRequested.v1", "RefundSucceeded.v1", "RefundFailed.v1"}
    found = {"RefundAdopted.v1", "StrayFound.v1", "OperationUncertain.v1", "OperationResolved.v1"}
    assert moves_money | found <= told.handled


def test_every_topic_folder_of_schemas_is_a_topic() -> None:
    folders = {Path(path).name for path in ROOT.glob("events/*")} - {"common"}
    assert folders <= TOPICS.keys()
