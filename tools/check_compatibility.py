"""Owns the rule of which changes to the contract are safe, and refuses the others against a git ref.

Producers are closed and consumers tolerant. So these are safe while old and new processes run side by side:
a new optional field; a new event type or version that every consumer of the topic declares; a new topic; a
new consumer; a key of their own for new types, said behind the topic's present one; a new enum value where
every consumer that handles the type has declared a default branch for the field, or on a topic that no service
consumes (dead letters). Everything else is refused, loosened bounds too: consumers size their columns and checks
by them.
What must change incompatibly becomes a new version of its type, published next to the old one until no
consumer handles that.

Run `python -m tools.check_compatibility [--base REF]`.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tools.gen_schemas import SCHEMAS, referred

FROZEN_TOPIC_FIELDS = ("ordering", "partitions")
# Lowered, these break a promise already made: how long a record can be fetched, how large one may be.
TOPIC_FIELDS_THAT_ONLY_GROW = ("retention_days", "max_payload_bytes", "max_message_bytes")
PROSE = frozenset({"description", "title", "$id", "$schema"})
COMPARED_BY_RULE = frozenset({"properties", "required", "enum", "items"})

Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Contract:
    """Topic files by name, and the schema of each type that a topic carries, every reference filled in."""

    topics: Mapping[str, Node]
    schemas: Mapping[tuple[str, str], Node]


@dataclass(frozen=True, slots=True)
class Breach:
    """One change that is refused."""

    where: str
    what: str


def compare(before: Contract, after: Contract) -> list[Breach]:
    """Every refused change from `before` to `after`; empty where the change is safe."""
    breaches = [breach for name in after.topics for breach in _incomplete(name, after)]
    for name, topic in before.topics.items():
        if name in after.topics:
            breaches += _topic_changes(name, topic, after.topics[name])
        else:
            breaches.append(Breach(name, "topic removed"))
    for (name, event_type), schema in before.schemas.items():
        if (name, event_type) in after.schemas:
            open_fields = _open_fields(before.topics[name], event_type, schema)
            where = f"{name} {event_type}"
            breaches += _schema_changes(schema, after.schemas[name, event_type], where, open_fields)
    return breaches


def _incomplete(name: str, contract: Contract) -> Iterator[Breach]:
    """Types without a schema, or that some consumer of the topic does not declare."""
    topic = contract.topics[name]
    for event_type in topic["types"]:
        if (name, event_type) not in contract.schemas:
            yield Breach(f"{name} {event_type}", "has no schema file")
        for consumer, told in topic["consumers"].items():
            if event_type not in [*told["handled"], *told["ignored"]]:
                yield Breach(f"{name} {event_type}", f"{consumer} declares it neither handled nor ignored")


def _topic_changes(name: str, before: Node, after: Node) -> Iterator[Breach]:
    for field in FROZEN_TOPIC_FIELDS:
        if before[field] != after[field]:
            yield Breach(name, f"{field} changed from {before[field]!r} to {after[field]!r}")
    # What stands there is where keys of today are found; a new type may only add its own behind it.
    if after["key"] != before["key"] and not after["key"].startswith(f"{before['key']};"):
        yield Breach(name, f"key changed from {before['key']!r} to {after['key']!r}")
    for field in TOPIC_FIELDS_THAT_ONLY_GROW:
        if after[field] < before[field]:
            yield Breach(name, f"{field} lowered from {before[field]} to {after[field]}")
    # A stream is (producer, topic, key): another producer would start every stream again at version 1.
    if before["ordering"] == "versioned" and before["producers"] != after["producers"]:
        yield Breach(name, "producer of a versioned topic changed")
    for event_type in before["types"]:
        if event_type not in after["types"]:
            yield Breach(f"{name} {event_type}", "type removed")
    for consumer, told in before["consumers"].items():
        if consumer in after["consumers"]:
            yield from _consumer_changes(f"{name}, consumer {consumer}", told, after["consumers"][consumer])
        else:
            yield Breach(name, f"consumer {consumer} removed")


def _consumer_changes(where: str, before: Node, after: Node) -> Iterator[Breach]:
    if before["dlq"] != after["dlq"]:
        yield Breach(where, "dead-letter topic changed")
    for event_type, fields in before.get("enum_defaults", {}).items():
        for field in set(fields) - set(after.get("enum_defaults", {}).get(event_type, [])):
            yield Breach(where, f"default branch for {event_type} {field} taken back")


def _open_fields(topic: Node, event_type: str, schema: Node) -> frozenset[str]:
    """Fields that may gain enum values: each consumer that handles the type *now* has a default branch."""
    if not topic["consumers"]:
        # Nobody decodes it. A consumer that ignores the type would.
        return frozenset(schema.get("properties", ()))
    handlers = [told for told in topic["consumers"].values() if event_type in told["handled"]]
    declared = [frozenset(told.get("enum_defaults", {}).get(event_type, ())) for told in handlers]
    return frozenset.intersection(*declared) if declared else frozenset()


def _schema_changes(
    before: Node, after: Node, where: str, open_fields: frozenset[str] = frozenset()
) -> Iterator[Breach]:
    for keyword in sorted((set(before) | set(after)) - PROSE - COMPARED_BY_RULE):
        if before.get(keyword) != after.get(keyword):
            change = f"from {before.get(keyword)!r} to {after.get(keyword)!r}"
            yield Breach(where, f"{keyword} changed {change}")
    yield from _enum_changes(before, after, where)
    if "items" in before or "items" in after:
        yield from _schema_changes(before.get("items", {}), after.get("items", {}), f"{where}[]")
    required_before, required_after = set(before.get("required", ())), set(after.get("required", ()))
    for field in sorted(required_after - required_before):
        yield Breach(f"{where}.{field}", "made required")
    for field in sorted(required_before - required_after):
        yield Breach(f"{where}.{field}", "required no more: consumers rely on it")
    properties_after = after.get("properties", {})
    for field, schema in before.get("properties", {}).items():
        at = f"{where}.{field}"
        if field not in properties_after:
            yield Breach(at, "field removed or renamed")
            continue
        changed = properties_after[field]
        if field in open_fields and set(schema.get("enum", ())) < set(changed.get("enum", ())):
            changed = {**changed, "enum": schema["enum"]}
        yield from _schema_changes(schema, changed, at)


def _enum_changes(before: Node, after: Node, where: str) -> Iterator[Breach]:
    if ("enum" in before) != ("enum" in after):
        yield Breach(where, "enum added or dropped")
        return
    for value in before.get("enum", ()):
        if value not in after["enum"]:
            yield Breach(where, f"enum value {value!r} removed")
    for value in after.get("enum", ()):
        if value not in before["enum"]:
            yield Breach(
                where, f"enum value {value!r} added, and not every consumer declared a default branch"
            )


def load(root: Path) -> Contract:
    """Read the contract from a `schemas` folder."""
    topics = {path.stem: yaml.safe_load(path.read_text()) for path in sorted(root.glob("topics/*.yaml"))}
    schemas: dict[tuple[str, str], Node] = {}
    for name, topic in topics.items():
        for event_type in topic["types"]:
            for folder in (name, "common"):
                file = root / "events" / folder / f"{event_type}.json"
                if file.exists():
                    schemas[name, event_type] = _inlined({"$ref": file.name}, file)
                    break
    return Contract(topics, schemas)


def _inlined(node: Any, file: Path) -> Any:
    """The schema with every reference replaced by what it refers to."""
    if isinstance(node, list):
        return [_inlined(item, file) for item in node]
    if not isinstance(node, dict):
        return node
    inlined = {key: _inlined(value, file) for key, value in node.items() if key != "$ref"}
    if "$ref" not in node:
        return inlined
    target, target_file = referred(node["$ref"], file)
    return {**_inlined(target, target_file), **inlined}


def _git(*arguments: str) -> bytes | None:
    done = subprocess.run(["git", *arguments], cwd=SCHEMAS.parent, capture_output=True, check=False)
    return done.stdout if done.returncode == 0 else None


def default_base() -> str | None:
    """What is already out there: origin/main, else the last tag, else the commit before; never HEAD."""
    head = _git("rev-parse", "HEAD")
    tag = (_git("describe", "--tags", "--abbrev=0") or b"").decode().strip()
    for ref in ("origin/main", tag, "HEAD~1"):
        commit = _git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}") if ref else None
        if commit is not None and commit != head:
            return ref
    return None


def load_ref(ref: str) -> Contract | None:
    """Read the contract as of a git ref; None where the ref has none yet."""
    if _git("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}") is None:
        raise SystemExit(f"check_compatibility: no commit {ref!r} here; fetch it or name another with --base")
    archive = _git("archive", "--format=tar", ref, "schemas/topics", "schemas/events")
    if archive is None:
        return None
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        # Its filter came with 3.11.4; the archive is this repository's own.
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        tar.extractall(folder)  # noqa: S202
        return load(Path(folder) / "schemas")


def main(arguments: list[str] | None = None) -> int:
    """Print every refused change; exit 1 if there is one."""
    parser = argparse.ArgumentParser(prog="check_compatibility", description="Is the contract's change safe?")
    parser.add_argument("--base", help="git ref to compare with (default: origin/main, last tag, HEAD~1)")
    base: str | None = parser.parse_args(arguments).base or default_base()
    before = load_ref(base) if base else None
    after = load(SCHEMAS)
    breaches = compare(before or Contract({}, {}), after)
    for breach in breaches:
        print(f"{breach.where}: {breach.what}", file=sys.stderr)
    compared = (
        f"{len(before.schemas)} schemas of {base}" if before else f"nothing ({base or 'no base'} has none)"
    )
    print(f"contract: {len(after.schemas)} schemas against {compared}: {len(breaches)} refused")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main())
