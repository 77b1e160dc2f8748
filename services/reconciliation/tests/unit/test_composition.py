"""The composition root puts the members of the consumer's group together without connecting to anything."""

import pytest

from services.reconciliation.bootstrap import build
from services.reconciliation.settings import ReconciliationSettings
from shared.messaging.routes import declared_subscription
from shared.runtime.settings import load_settings

ENVIRONMENT = {
    "RECONCILIATION_DATABASE_URL": "postgresql://reconciliation_app@127.0.0.1:1/reconciliation",
    "RECONCILIATION_RELAY_DATABASE_URL": "postgresql://reconciliation_relay@127.0.0.1:1/reconciliation",
}


@pytest.mark.parametrize("consumers", [1, 3])
def test_payments_are_shared_by_members_that_read_nothing_else(consumers):
    asked = ENVIRONMENT | {"RECONCILIATION_CONSUMERS": str(consumers)}
    runtime = build(load_settings(ReconciliationSettings, asked))
    try:
        loops = {name: make() for name, make in runtime.roles.items() if name.startswith("consume")}
        read = sorted(loop.reads for loop in loops.values())
        assert read == [("ledger.events",)] + [("payment.events",)] * consumers
        declared = declared_subscription("reconciliation").topics
        assert {topic for topics in read for topic in topics} == set(declared)
    finally:
        runtime.close()
