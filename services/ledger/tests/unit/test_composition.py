"""The composition root puts the roles together without connecting to anything."""

from __future__ import annotations

import pytest

from services.ledger.bootstrap import build
from services.ledger.entrypoints.consumer import BATCH_MESSAGES_MAX, ROUTES
from services.ledger.settings import LedgerSettings
from shared.messaging.routes import check_routes, declared_subscription
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
            "work",
            "work.negatives",
            "work.seals",
            "work.clearing",
            "work.snapshots",
            "work.keys",
            "serve.key-repeats",
            "relay",
            "relay.partitions",
        ]
        assert {"/balances", "/trial-balance"} <= set(runtime.make_app().openapi()["paths"])
    finally:
        runtime.close()


def test_a_missing_database_is_said_in_one_line():
    with pytest.raises(StartupRefused, match="LEDGER_DATABASE_URL: missing"):
        load_settings(LedgerSettings, {})


def test_routes_are_what_the_topic_file_declares():
    check_routes(ROUTES, declared_subscription("ledger"))
    assert ROUTES.limits.max_records == BATCH_MESSAGES_MAX == 500
