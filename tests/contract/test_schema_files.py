"""Owns what must hold of every schema file: closed, bounded, described, and readable by the generated classes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from schemas.catalogue import ROOT
from tools.check_compatibility import load

FILES = sorted(ROOT.glob("events/*/*.json"))
EVENTS = {f"{topic} {event_type}": schema for (topic, event_type), schema in load(ROOT).schemas.items()}
LARGEST_EXACT_INTEGER = 2**53 - 1
OTHERS_STATEMENTS = {event for event in EVENTS if event.startswith("reconciliation.events ")}


def fields(schema: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field of an event, those of nested objects included, by dotted path."""
    for name, prop in schema.get("properties", {}).items():
        yield f"{path}{name}", prop
        yield from fields(prop, f"{path}{name}.")
        yield from fields(prop.get("items", {}), f"{path}{name}[].")


EVERY_EVENT = pytest.mark.parametrize("event", EVENTS)


def kinds(prop: dict[str, Any]) -> set[str]:
    return {prop["type"]} if isinstance(prop["type"], str) else set(prop["type"])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_file_is_a_valid_schema_of_the_2020_draft_named_by_its_path(file: Path) -> None:
    schema = json.loads(file.read_text())
    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"/schemas/{file.relative_to(ROOT)}"
    assert schema["title"] == file.name[: -len(".json")]
    assert schema["description"]


def objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The event itself and every object with named fields inside it."""
    yield schema
    for _, prop in fields(schema):
        nested = prop.get("items", prop)
        if "properties" in nested:
            yield nested


@EVERY_EVENT
def test_a_writer_can_add_nothing_that_the_schema_does_not_name(event: str) -> None:
    assert all(each["additionalProperties"] is False for each in objects(EVENTS[event]))


@EVERY_EVENT
def test_every_field_is_described_and_bounded(event: str) -> None:
    for path, prop in fields(EVENTS[event]):
        assert prop["description"].strip(), path
        kind = kinds(prop)
        assert "number" not in kind, f"{path}: no fractions, amounts are minor units"
        if "string" in kind:
            assert {"enum", "pattern", "maxLength"} & prop.keys(), path
            assert "*" not in prop.get("pattern", ""), path
            assert "+" not in prop.get("pattern", ""), path
        if "integer" in kind:
            # Only what somebody else's statement says of money may be of either sign.
            least = -LARGEST_EXACT_INTEGER if path.endswith("_minor") and event in OTHERS_STATEMENTS else 0
            assert prop["minimum"] >= least, path
            assert prop["maximum"] <= LARGEST_EXACT_INTEGER, path
        if "array" in kind:
            assert prop["maxItems"] > 0, path


@EVERY_EVENT
def test_a_field_is_either_required_or_may_be_null(event: str) -> None:
    for each in objects(EVENTS[event]):
        for name, prop in each["properties"].items():
            assert (name in each["required"]) is ("null" not in kinds(prop)), name
            assert name in each["required"] or None in prop.get("enum", [None]), name


@EVERY_EVENT
def test_units_and_formats_follow_the_field_names(event: str) -> None:
    for path, prop in fields(EVENTS[event]):
        name = path.rsplit(".", maxsplit=1)[-1]
        if name.endswith("_minor"):
            assert kinds(prop) <= {"integer", "null"}, path
        if name.endswith("_at"):
            assert prop["format"] == "date-time", path
        if name == "currency":
            assert prop["pattern"] == "^[A-Z]{3}$", path


@EVERY_EVENT
def test_an_amount_never_stands_without_its_currency(event: str) -> None:
    for each in objects(EVENTS[event]):
        names = each["properties"].keys()
        assert "currency" in names or not any(name.endswith("_minor") for name in names)
