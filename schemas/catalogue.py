"""Owns the reading of this folder: topics, their consumers, and the two ways between event classes and bytes.

Writers are closed: `encode` refuses whatever the JSON Schema does not name. Readers are tolerant: `decode`
ignores fields that it does not know, and is only as strict as the generated types, which bound money alone; and it
refuses text that no database can store. All else here is data.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import jsonschema_rs
import msgspec
import yaml

from schemas.generated import EVENT_CLASSES, Payload

ROOT: Final = Path(__file__).resolve().parent
DAY_MS: Final = 24 * 60 * 60 * 1000

_EVENT_TYPE = re.compile(r"(?P<name>[A-Z][A-Za-z0-9]*)\.v(?P<version>[1-9][0-9]*)")
_ESCAPED_NUL: Final = rb"\u0000"
"""How JSON spells it; also part of an escaped backslash before such digits, so that a hit is looked at once more."""
_BOUND: Final = re.compile(r"Expected `int` (?P<bound>[<>]= -?[0-9]+)")
_OUT_OF_BOUNDS: Final = {">= 1": "amount_not_positive", ">= 0": "amount_negative"}
_TYPE_OF_CLASS: Final[Mapping[type[msgspec.Struct], str]] = {
    cls: event_type for event_type, cls in EVENT_CLASSES.items()
}


class ContractViolation(ValueError):  # noqa: N818  # says what happened
    """A payload is not what its schema says. Names the field, what was expected, and never the value.

    ``code`` is stable, for programs: what people read stands beside it.
    """

    def __init__(
        self, topic: str, event_type: str, field_path: str, expected: str, code: str = "contract_violated"
    ) -> None:
        super().__init__(f"{topic} {event_type}: {field_path}: {expected}")
        self.code = code
        self.topic = topic
        self.event_type = event_type
        self.field = field_path
        self.expected = expected


class UnknownEvent(LookupError):  # noqa: N818  # says what was met
    """A topic or a type of event that the contract does not have."""

    code: Final = "event_unknown"


@dataclass(frozen=True, slots=True)
class ConsumerDeclaration:
    """What one consumer does with each event type of one topic; a type in neither set parks its key."""

    topic: str
    consumer: str
    handled: frozenset[str]
    ignored: frozenset[str]
    dead_letter_topic: str
    enum_defaults: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic file."""

    name: str
    owner: str
    purpose: str
    producers: tuple[str, ...]
    key: str
    ordering: Literal["versioned", "none"]
    partitions: int
    retention_days: int
    max_payload_bytes: int
    max_message_bytes: int
    types: tuple[str, ...]
    consumers: Mapping[str, ConsumerDeclaration]

    @property
    def versioned(self) -> bool:
        """True where every record carries a gap-free stream version."""
        return self.ordering == "versioned"

    @property
    def kafka_config(self) -> dict[str, str]:
        """Topic settings as Kafka takes them; replication belongs to the cluster and is not stated here."""
        return {
            "cleanup.policy": "delete",
            "retention.ms": str(self.retention_days * DAY_MS),
            "retention.bytes": "-1",
            # Kafka applies this to a whole batch: it stays above the producers' batch size.
            "max.message.bytes": str(self.max_message_bytes),
            "message.timestamp.type": "CreateTime",
            "compression.type": "producer",
        }


@dataclass(frozen=True, slots=True)
class Encoded:
    """An event as it is stored and published: the exact bytes, its type and where its schema is."""

    event_type: str
    data_schema: str
    payload: bytes


def split_event_type(event_type: str) -> tuple[str, int]:
    """`PaymentCaptured.v1` -> `("PaymentCaptured", 1)`; UnknownEvent where it is not of that form."""
    match = _EVENT_TYPE.fullmatch(event_type)
    if match is None:
        raise UnknownEvent(f"{event_type!r} is not <Type>.v<version>")
    return match["name"], int(match["version"])


def _read_yaml(path: Path) -> dict[str, Any]:
    loader: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document: dict[str, Any] = yaml.load(path.read_bytes(), Loader=loader)  # noqa: S506 - both are safe loaders
    return document


def _topic(raw: dict[str, Any]) -> Topic:
    consumers = {
        name: ConsumerDeclaration(
            topic=raw["name"],
            consumer=name,
            handled=frozenset(told["handled"]),
            ignored=frozenset(told["ignored"]),
            dead_letter_topic=told["dlq"],
            enum_defaults={key: tuple(fields) for key, fields in told.get("enum_defaults", {}).items()},
        )
        for name, told in raw["consumers"].items()
    }
    lists = {"producers": tuple(raw["producers"]), "types": tuple(raw["types"])}
    return Topic(**{**raw, **lists, "consumers": MappingProxyType(consumers)})


def load_topics(root: Path = ROOT) -> Mapping[str, Topic]:
    """Read every topic file below `root`."""
    topics = (_topic(_read_yaml(path)) for path in sorted(root.glob("topics/*.yaml")))
    return MappingProxyType({topic.name: topic for topic in topics})


TOPICS: Final = load_topics()


def consumer_declaration(topic: str, consumer: str) -> ConsumerDeclaration:
    """What `consumer` declared for `topic`; UnknownEvent where it declared nothing."""
    try:
        return TOPICS[topic].consumers[consumer]
    except KeyError:
        raise UnknownEvent(f"{consumer} declares nothing in schemas/topics/{topic}.yaml") from None


@cache
def schema_path(topic: str, event_type: str) -> str:
    """Path of a type's schema below this folder: the topic's own folder, else the shared one."""
    if topic not in TOPICS or event_type not in TOPICS[topic].types:
        raise UnknownEvent(f"{topic} has no {event_type}")
    own = f"events/{topic}/{event_type}.json"
    return own if (ROOT / own).exists() else f"events/common/{event_type}.json"


def _read_referenced(uri: str) -> Any:
    """Schemas refer to each other by relative path; their ids are paths below /schemas/."""
    return json.loads((ROOT.parent / urlsplit(uri).path.lstrip("/")).read_bytes())


@cache
def _validator(path: str) -> jsonschema_rs.Validator:
    schema = json.loads((ROOT / path).read_bytes())
    # Values are masked: an error text goes to logs and dead letters, where no payload may appear.
    return jsonschema_rs.validator_for(schema, retriever=_read_referenced, mask="the value")


def _field_path(error: jsonschema_rs.ValidationError) -> str:
    """The field at fault, dotted; a missing or surplus field is named itself, not its parent."""
    path = [str(part) for part in error.instance_path]
    detail = error.kind.as_dict()
    if "property" in detail:
        path.append(str(detail["property"]))
    elif detail.get("unexpected"):
        path.append(str(detail["unexpected"][0]))
    return ".".join(path) or "payload"


def validate(topic: str, event_type: str, payload: bytes) -> None:
    """Hold bytes against the writer's contract; raises ContractViolation for the first field at fault."""
    instance = msgspec.json.decode(payload)
    validator = _validator(schema_path(topic, event_type))
    if not validator.is_valid(instance):
        error = next(validator.iter_errors(instance))
        raise ContractViolation(topic, event_type, _field_path(error), error.message)
    # JSON Schema counts 100.0 as an integer; the typed reader does not, and no float may come near an amount.
    decode(topic, event_type, payload)


_encoder = msgspec.json.Encoder()
_making: Final = Lock()


def encode(topic: str, event: msgspec.Struct) -> Encoded:
    """The bytes to store and publish for `event`; refuses what the schema does not allow."""
    event_type = _TYPE_OF_CLASS.get(type(event))
    if event_type is None:
        raise UnknownEvent(f"{type(event).__name__} is no event of its own")
    path = schema_path(topic, event_type)
    payload = _encoder.encode(event)
    limit = TOPICS[topic].max_payload_bytes
    if len(payload) > limit:
        raise ContractViolation(topic, event_type, "payload", f"at most {limit} bytes, not {len(payload)}")
    validate(topic, event_type, payload)
    return Encoded(event_type=event_type, data_schema=f"/schemas/{path}", payload=payload)


@cache
def _decoder(event_type: str) -> msgspec.json.Decoder[Payload]:
    # What a decoder knows of a class is kept at the class, and is there half done while it is being worked out: a
    # second decoder made meanwhile, or one of a class inside of it, would read through what is not there yet, and die.
    with _making:
        return msgspec.json.Decoder(EVENT_CLASSES[event_type])


def _refusal(expected: str, at: str) -> tuple[str, str]:
    """What was expected, in words that hold nothing of the value, and the code of the refusal."""
    field_name = at.rpartition(".")[2]
    if expected.startswith("Invalid enum value"):
        if field_name.endswith("currency"):
            return "an ISO 4217 currency with a minor unit", "currency_unknown"
        return "one of the values of its list", "value_unknown"
    if field_name.endswith("_minor") and (bound := _BOUND.fullmatch(expected)):
        return expected, _OUT_OF_BOUNDS.get(bound["bound"], "amount_too_large")
    return expected, "contract_violated"


def decode(topic: str, event_type: str, payload: bytes) -> Payload:
    """Read a payload tolerantly: unknown fields are ignored, types, the bounds of money and NUL are not."""
    schema_path(topic, event_type)
    try:
        read = _decoder(event_type).decode(payload)
    except msgspec.ValidationError as error:
        expected, _, path = str(error).partition(" - at `")
        at = path.removeprefix("$").lstrip(".").rstrip("`") or "payload"
        raise ContractViolation(topic, event_type, at, *_refusal(expected, at)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ContractViolation(topic, event_type, "payload", "valid JSON in UTF-8") from error
    if _ESCAPED_NUL in payload and (where := _nul_in(msgspec.to_builtins(read))) is not None:
        raise ContractViolation(topic, event_type, where, "text without NUL", "text_not_storable")
    return read


def _nul_in(value: object, at: str = "") -> str | None:
    """Where a text holds a NUL, which JSON can spell and PostgreSQL cannot store; None if nowhere."""
    if isinstance(value, str):
        return at if "\0" in value else None
    if isinstance(value, Mapping):
        if any("\0" in name for name in value):
            return at or "payload"
        named = ((f"{at}.{name}".lstrip("."), inner) for name, inner in value.items())
    elif isinstance(value, (list, tuple)):
        named = ((f"{at}[{number}]", inner) for number, inner in enumerate(value))
    else:
        return None
    return next((found for where, inner in named if (found := _nul_in(inner, where)) is not None), None)
