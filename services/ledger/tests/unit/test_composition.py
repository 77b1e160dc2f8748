"""The composition root puts the roles together without connecting to anything."""

from __future__ import annotations

import json
import re

import pytest

from services.ledger.bootstrap import LedgerParts, build
from services.ledger.entrypoints.consumer import BATCH_MESSAGES_MAX, ROUTES
from services.ledger.settings import LedgerSettings
from shared.messaging.routes import RoutesIncomplete, check_routes, declared_subscription
from shared.runtime.settings import load_settings
from shared.runtime.startup import StartupRefused

ENVIRONMENT = {
    "LEDGER_DATABASE_URL": "postgresql://ledger_app@127.0.0.1:1/ledger",
    "LEDGER_RELAY_DATABASE_URL": "postgresql://ledger_relay@127.0.0.1:1/ledger",
}


def test_every_role_is_there():
    runtime = build(load_settings(LedgerSettings, ENVIRONMENT))
    try:
        assert runtime.role_names() == ["serve", "consume", "work", "relay"]
        assert [make().name for make in runtime.roles.values()] == [
            "consume",
            "consume",
            "work",
            "work.negatives",
            "work.seals",
            "work.clearing",
            "work.snapshots",
            "work.partitions",
            "work.keys",
            "serve.key-repeats",
            "relay",
            "relay.partitions",
        ]
        assert {"/balances", "/trial-balance"} <= set(runtime.make_app().openapi()["paths"])
    finally:
        runtime.close()


def test_the_api_describes_what_it_takes_how_it_refuses_and_who_may_call():
    runtime = build(load_settings(LedgerSettings, ENVIRONMENT))
    try:
        told = runtime.make_app().openapi()
    finally:
        runtime.close()
    assert told["security"] == [{"token": []}]
    assert told["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    schemas = told["components"]["schemas"]
    operations = [(path, *each) for path, methods in told["paths"].items() for each in methods.items()]
    for path, method, operation in operations:
        refused = operation["responses"]["default"]["content"]["application/problem+json"]["schema"]
        assert refused == {"$ref": "#/components/schemas/Problem"}, path
        if method == "post":
            assert [each["name"] for each in operation["parameters"]][-1] == "Idempotency-Key", path
            reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            assert reference.rpartition("/")[2] in schemas, path
    assert {path for path, method, _ in operations if method == "post"} > {"/adjustments", "/period-closes"}
    assert set(schemas["ProposeBody"]["required"]) == {
        "template",
        "amount",
        "currency",
        "reason",
        "attachment",
    }
    named = set(re.findall("#/components/schemas/([A-Za-z]+)", json.dumps(told)))
    assert named <= set(schemas)
    assert "HTTPValidationError" not in schemas


@pytest.mark.parametrize("consumers", [1, 3])
def test_payments_are_shared_by_members_that_read_nothing_else(consumers):
    runtime = build(load_settings(LedgerSettings, ENVIRONMENT | {"LEDGER_CONSUMERS": str(consumers)}))
    try:
        loops = {name: make() for name, make in runtime.roles.items() if name.startswith("consume")}
        read = sorted(loop.reads for loop in loops.values())
        assert read == [("payment.events",)] * consumers + [("reconciliation.events",)]
        declared = declared_subscription("ledger").topics
        assert {topic for topics in read for topic in topics} == set(declared)
    finally:
        runtime.close()


def test_a_member_of_a_topic_that_the_ledger_does_not_read_is_refused():
    parts = LedgerParts(load_settings(LedgerSettings, ENVIRONMENT))
    with pytest.raises(RoutesIncomplete, match=r"ledger reads no risk\.events"):
        parts.consume("risk.events")


def test_a_missing_database_is_said_in_one_line():
    with pytest.raises(StartupRefused, match="LEDGER_DATABASE_URL: missing"):
        load_settings(LedgerSettings, {})


def test_routes_are_what_the_topic_file_declares():
    check_routes(ROUTES, declared_subscription("ledger"))
    assert ROUTES.limits.max_records == BATCH_MESSAGES_MAX == 500
