"""Owns the table of which contract changes are safe: one row per kind of change, and the gate's word on it."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from schemas.catalogue import ROOT
from tools.check_compatibility import SCHEMAS, Contract, compare, load, load_ref, main

TYPE = "PaymentCaptured.v1"
TOPIC = "payment.events"
SAFE = None

Change = Callable[[dict[str, Any], dict[Any, Any]], object]


def a_contract() -> tuple[dict[str, Any], dict[tuple[str, str], Any]]:
    """One topic, one type, one consumer that handles it and one that ignores it."""
    topics = {
        TOPIC: {
            "key": "payment_id",
            "ordering": "versioned",
            "partitions": 6,
            "retention_days": 30,
            "max_payload_bytes": 1000,
            "max_message_bytes": 2000,
            "owner": "team-payment",
            "purpose": "The life of a payment.",
            "producers": ["payment"],
            "types": [TYPE],
            "consumers": {
                "ledger": {
                    "dlq": "payment.events.dlq.ledger",
                    "handled": [TYPE],
                    "ignored": [],
                    "enum_defaults": {TYPE: ["reason"]},
                },
                "risk": {"dlq": "payment.events.dlq.risk", "handled": [], "ignored": [TYPE]},
            },
        }
    }
    schema = {
        "type": "object",
        "description": "Money was taken.",
        "additionalProperties": False,
        "required": ["amount_minor", "currency", "kind", "reason", "fact", "parts"],
        "properties": {
            "amount_minor": {"type": "integer", "minimum": 1, "maximum": 1000},
            "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
            "kind": {"type": "string", "enum": ["full", "part"]},
            "reason": {"type": "string", "enum": ["merchant", "risk"]},
            "note": {"type": ["string", "null"], "maxLength": 10},
            "parts": {"type": "array", "maxItems": 3, "items": {"type": "string", "enum": ["a", "b"]}},
            "fact": {
                "type": "object",
                "additionalProperties": False,
                "required": ["reason"],
                "properties": {"reason": {"type": "string", "enum": ["merchant"]}},
            },
        },
    }
    return topics, {(TOPIC, TYPE): schema}


def schema_change(change: Callable[[dict[str, Any]], object]) -> Change:
    return lambda _, schemas: change(schemas[TOPIC, TYPE])


def topic_change(change: Callable[[dict[str, Any]], object]) -> Change:
    return lambda topics, _: change(topics[TOPIC])


def field(name: str, **changes: object) -> Change:
    return schema_change(lambda schema: schema["properties"][name].update(changes))


def rename(schema: dict[str, Any]) -> None:
    schema["properties"]["amount"] = schema["properties"].pop("amount_minor")
    schema["required"][0] = "amount"


def add_version(*, declared: bool, schema_file: bool = True) -> Change:
    def change(topics: dict[str, Any], schemas: dict[Any, Any]) -> None:
        topics[TOPIC]["types"].append("PaymentCaptured.v2")
        topics[TOPIC]["consumers"]["ledger"]["handled"].append("PaymentCaptured.v2")
        if declared:
            topics[TOPIC]["consumers"]["risk"]["ignored"].append("PaymentCaptured.v2")
        if schema_file:
            schemas[TOPIC, "PaymentCaptured.v2"] = {"type": "object"}

    return change


def remove_type(topics: dict[str, Any], schemas: dict[Any, Any]) -> None:
    topics[TOPIC]["types"].clear()
    schemas.clear()


def add_topic(topics: dict[str, Any], schemas: dict[Any, Any]) -> None:
    topics["ledger.events"] = deepcopy(topics[TOPIC])
    schemas["ledger.events", TYPE] = deepcopy(schemas[TOPIC, TYPE])


def ledger(topic: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = topic["consumers"]["ledger"]
    return told


def handle_instead(told: dict[str, Any]) -> None:
    told["handled"], told["ignored"] = told["ignored"], told["handled"]


def add_required(schema: dict[str, Any]) -> None:
    schema["properties"]["more"] = {"type": "string"}
    schema["required"].append("more")


TABLE: list[tuple[str, Change, str | None]] = [
    ("nothing changes", schema_change(dict), SAFE),
    ("a new type's key is added", topic_change(lambda t: t.update(key="payment_id; chain of Heads")), SAFE),
    ("a description changes", field("note", description="Better words."), SAFE),
    (
        "a new optional field",
        schema_change(lambda s: s["properties"].update(more={"type": ["string", "null"]})),
        SAFE,
    ),
    ("a new version, declared", add_version(declared=True), SAFE),
    ("a new topic", add_topic, SAFE),
    (
        "a new consumer",
        topic_change(lambda t: t["consumers"].update(audit={**deepcopy(ledger(t)), "dlq": "d"})),
        SAFE,
    ),
    ("a new owner", topic_change(lambda t: t.update(owner="team-ledger")), SAFE),
    ("a longer retention", topic_change(lambda t: t.update(retention_days=60)), SAFE),
    ("a new enum value with a default branch", field("reason", enum=["merchant", "risk", "issuer"]), SAFE),
    (
        "a consumer handles what it ignored",
        topic_change(lambda t: handle_instead(t["consumers"]["risk"])),
        SAFE,
    ),
    ("a field is removed", schema_change(lambda s: s["properties"].pop("note")), "field removed or renamed"),
    ("a field is renamed", schema_change(rename), "field removed or renamed"),
    ("a field is retyped", field("amount_minor", type="string"), "type changed"),
    ("a field may be null now", field("currency", type=["string", "null"]), "type changed"),
    ("a field may be null no more", field("note", type="string"), "type changed"),
    ("a field is made required", schema_change(lambda s: s["required"].append("note")), "made required"),
    ("a new required field", schema_change(add_required), "made required"),
    (
        "a field is required no more",
        schema_change(lambda s: s["required"].remove("kind")),
        "required no more",
    ),
    ("a minimum is raised", field("amount_minor", minimum=2), "minimum changed"),
    ("a maximum is lowered", field("amount_minor", maximum=999), "maximum changed"),
    ("a minimum is lowered: columns may refuse it", field("amount_minor", minimum=0), "minimum changed"),
    ("a pattern changes", field("currency", pattern="^[A-Z]{4}$"), "pattern changed"),
    ("a bound is added", field("currency", maxLength=3), "maxLength changed"),
    ("a list gets shorter", field("parts", maxItems=2), "maxItems changed"),
    (
        "the writer is opened",
        schema_change(lambda s: s.update(additionalProperties=True)),
        "additionalProperties",
    ),
    ("an enum value is removed", field("kind", enum=["full"]), "enum value 'part' removed"),
    ("an enum value is removed in spite of a default", field("reason", enum=["risk"]), "'merchant' removed"),
    (
        "an enum value is swapped in spite of a default",
        field("reason", enum=["risk", "other"]),
        "'merchant' removed",
    ),
    (
        "a new enum value without a default branch",
        field("kind", enum=["full", "part", "rest"]),
        "'rest' added",
    ),
    (
        "an enum is dropped",
        schema_change(lambda s: s["properties"]["kind"].pop("enum")),
        "enum added or dropped",
    ),
    ("an enum is added", field("currency", enum=["EUR"]), "enum added or dropped"),
    (
        "a new enum value in a list",
        field("parts", items={"type": "string", "enum": ["a", "b", "c"]}),
        "'c' added",
    ),
    (
        "a default branch covers only the field of that name at the top",
        schema_change(lambda s: s["properties"]["fact"]["properties"]["reason"]["enum"].append("risk")),
        "fact.reason: enum value 'risk' added",
    ),
    (
        "a nested field is removed",
        schema_change(lambda s: s["properties"]["fact"]["properties"].clear()),
        "fact.reason: field removed",
    ),
    (
        "a condition is added",
        schema_change(lambda s: s.update(allOf=[{"required": ["note"]}])),
        "allOf changed",
    ),
    ("a type is removed", remove_type, "type removed"),
    ("a new version, undeclared", add_version(declared=False), "risk declares it neither"),
    ("a new version without a schema", add_version(declared=True, schema_file=False), "has no schema file"),
    ("a topic is removed", lambda topics, _: topics.clear(), "topic removed"),
    ("the key changes", topic_change(lambda t: t.update(key="merchant_id")), "key changed"),
    (
        "the key is said otherwise",
        topic_change(lambda t: t.update(key="payment_id, else more")),
        "key changed",
    ),
    ("the ordering changes", topic_change(lambda t: t.update(ordering="none")), "ordering changed"),
    ("partitions are added", topic_change(lambda t: t.update(partitions=12)), "partitions changed"),
    ("the retention is cut", topic_change(lambda t: t.update(retention_days=7)), "retention_days lowered"),
    (
        "payloads get smaller",
        topic_change(lambda t: t.update(max_payload_bytes=10)),
        "max_payload_bytes lowered",
    ),
    (
        "another producer",
        topic_change(lambda t: t.update(producers=["ledger"])),
        "producer of a versioned topic",
    ),
    (
        "a second producer",
        topic_change(lambda t: t["producers"].append("ledger")),
        "producer of a versioned topic",
    ),
    ("a consumer is removed", topic_change(lambda t: t["consumers"].pop("risk")), "consumer risk removed"),
    ("a declaration is removed", topic_change(lambda t: ledger(t)["handled"].clear()), "declares it neither"),
    (
        "the dead letters move",
        topic_change(lambda t: ledger(t).update(dlq="elsewhere")),
        "dead-letter topic changed",
    ),
    ("a default is taken back", topic_change(lambda t: ledger(t).pop("enum_defaults")), "taken back"),
]


@pytest.mark.parametrize(("change", "refusal"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_a_change_is_safe_or_refused(change: Change, refusal: str | None) -> None:
    before, after = Contract(*a_contract()), Contract(*a_contract())
    change(after.topics, after.schemas)

    refused = [f"{breach.where}: {breach.what}" for breach in compare(before, after)]

    if refusal is SAFE:
        assert refused == []
    else:
        assert any(refusal in each for each in refused), refused


def test_a_default_declared_together_with_the_new_value_comes_too_late() -> None:
    """The processes now running do not have the branch yet: consumers are deployed first."""
    before, after = Contract(*a_contract()), Contract(*a_contract())
    ledger(after.topics[TOPIC])["enum_defaults"][TYPE] = ["reason", "kind"]
    field("kind", enum=["full", "part", "rest"])(after.topics, after.schemas)
    assert [breach.where for breach in compare(before, after)] == [f"{TOPIC} {TYPE}.kind"]


def test_a_second_handler_without_a_default_keeps_the_enum_closed() -> None:
    before, after = Contract(*a_contract()), Contract(*a_contract())
    for contract in (before, after):
        handle_instead(contract.topics[TOPIC]["consumers"]["risk"])
    field("reason", enum=["merchant", "risk", "issuer"])(after.topics, after.schemas)
    assert [breach.where for breach in compare(before, after)] == [f"{TOPIC} {TYPE}.reason"]


def test_an_enum_of_a_topic_that_no_service_consumes_may_grow_and_never_shrink() -> None:
    """Dead letters are read by people; a consumer that only ignores the type decodes it, so it closes the enum."""
    before, after = Contract(*a_contract()), Contract(*a_contract())
    field("kind", enum=["full", "part", "rest"])(after.topics, after.schemas)
    for contract in (before, after):
        ignoring = {"risk": contract.topics[TOPIC]["consumers"]["risk"]}
        contract.topics[TOPIC]["consumers"] = ignoring
    assert [breach.where for breach in compare(before, after)] == [f"{TOPIC} {TYPE}.kind"]
    for contract in (before, after):
        contract.topics[TOPIC]["consumers"] = {}
    assert compare(before, after) == []
    assert [breach.what for breach in compare(after, before)] == ["enum value 'rest' removed"]


def test_a_shared_shape_is_judged_wherever_it_is_used(tmp_path: Path) -> None:
    for part in ("topics", "events"):
        copytree(ROOT / part, tmp_path / part)
    shared = tmp_path / "events/common/types.json"
    shared.write_text(shared.read_text().replace("[!-~]{1,64}", "[!-~]{1,32}"))

    where = {breach.where for breach in compare(load(ROOT), load(tmp_path))}

    assert "webhook.events WebhookFactReceived.v1.fact.account" in where
    assert "processor.events AttemptAnswered.v1.facts[].account" in where
    assert "payment.events PaymentCaptured.v1.account" in where


def test_the_whole_contract_is_compared_not_an_empty_one() -> None:
    contract = load(SCHEMAS)
    assert len(contract.topics) >= 9
    assert len(contract.schemas) >= 44
    assert "properties" in contract.schemas["webhook.events", "WebhookFactReceived.v1"]["properties"]["fact"]
    assert "$ref" not in repr(contract.schemas)


def test_the_working_tree_is_compared_with_a_commit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--base", "HEAD"]) == 0
    assert "schemas of HEAD: 0 refused" in capsys.readouterr().out


def test_a_base_that_does_not_exist_is_an_error_not_a_pass() -> None:
    with pytest.raises(SystemExit, match="no commit 'no-such-ref'"):
        load_ref("no-such-ref")
