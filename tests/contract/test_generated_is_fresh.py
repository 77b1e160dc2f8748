"""Owns the proof that the committed classes are those of the committed schemas."""

from pathlib import Path
from shutil import copytree

from schemas import generated
from schemas.catalogue import ROOT, TOPICS
from tools.gen_schemas import main, render


def test_the_committed_classes_are_what_the_generator_writes() -> None:
    assert main(["--check"]) == 0, "run make schemas"


def test_a_changed_schema_is_noticed(tmp_path: Path) -> None:
    copytree(ROOT / "events", tmp_path / "events")
    copytree(ROOT / "topics", tmp_path / "topics")
    assert render(tmp_path) == (ROOT / "generated.py").read_text()
    file = tmp_path / "events/payment.events/PaymentCaptured.v1.json"
    file.write_text(file.read_text().replace('"fee_minor"', '"fee_amount_minor"'))
    assert render(tmp_path) != (ROOT / "generated.py").read_text()


def test_a_field_that_every_reader_has_a_default_for_is_read_as_text(tmp_path: Path) -> None:
    """Else the old process could not read the new value that the compatibility gate lets through."""
    copytree(ROOT / "events", tmp_path / "events")
    copytree(ROOT / "topics", tmp_path / "topics")
    topic = tmp_path / "topics/processor.events.yaml"
    before = render(tmp_path)
    topic.write_text(topic.read_text() + "      LookedUp.v1: [result]\n")
    assert 'result: Literal["found", "not_found", "unreachable"]' in before
    assert 'result: Literal["found", "not_found", "unreachable"]' not in render(tmp_path)


def test_there_is_one_class_for_every_type_that_a_topic_carries() -> None:
    carried = {event_type for topic in TOPICS.values() for event_type in topic.types}
    assert generated.EVENT_CLASSES.keys() == carried
