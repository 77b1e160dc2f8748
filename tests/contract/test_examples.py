"""Owns the proof that every example means what its place says: accepted ones pass, rejected ones name the field."""

from pathlib import Path

import msgspec
import pytest

from schemas.catalogue import ROOT, TOPICS, ContractViolation, decode, encode, validate

EXAMPLES = ROOT / "examples"
ACCEPTED = sorted(EXAMPLES.glob("*/*/*.json"))
REJECTED = sorted(EXAMPLES.glob("*/*/invalid/*.json"))
CARRIED = [(topic.name, event_type) for topic in TOPICS.values() for event_type in topic.types]


def short(path: Path) -> str:
    return str(path.relative_to(EXAMPLES))


@pytest.mark.parametrize("path", ACCEPTED, ids=short)
def test_an_accepted_example_is_written_and_read_back_unchanged(path: Path) -> None:
    topic, event_type = path.parts[-3:-1]
    validate(topic, event_type, path.read_bytes())
    event = decode(topic, event_type, path.read_bytes())

    encoded = encode(topic, event)

    assert encoded.event_type == event_type
    assert (ROOT.parent / encoded.data_schema.lstrip("/")).is_file()
    assert decode(topic, event_type, encoded.payload) == event
    written = msgspec.json.decode(encoded.payload)
    example = msgspec.json.decode(path.read_bytes())
    assert written.keys() <= example.keys()
    assert all(written.get(name) == value for name, value in example.items() if not _has_nulls(value))


def _has_nulls(value: object) -> bool:
    """True where a null may be written by leaving the field out."""
    if isinstance(value, dict):
        return any(_has_nulls(inner) for inner in value.values())
    if isinstance(value, list):
        return any(_has_nulls(inner) for inner in value)
    return value is None


@pytest.mark.parametrize("path", REJECTED, ids=short)
def test_a_rejected_example_is_refused_naming_the_field_in_its_file_name(path: Path) -> None:
    topic, event_type = path.parts[-4:-2]

    with pytest.raises(ContractViolation) as refused:
        validate(topic, event_type, path.read_bytes())

    assert refused.value.field == path.stem.split("-")[0]


@pytest.mark.parametrize(("topic", "event_type"), CARRIED)
def test_every_type_of_every_topic_has_accepted_and_rejected_examples(topic: str, event_type: str) -> None:
    folder = EXAMPLES / topic / event_type
    assert list(folder.glob("*.json"))
    assert list(folder.glob("invalid/*.json"))


def test_no_example_stands_for_a_type_that_no_topic_carries() -> None:
    folders = {tuple(path.parts[-2:]) for path in EXAMPLES.glob("*/*")}
    assert folders == set(CARRIED)
