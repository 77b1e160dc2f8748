"""The composition root puts the roles together without connecting to anything."""

from __future__ import annotations

import pytest

from services.payment.bootstrap import build
from services.payment.settings import PaymentSettings
from shared.runtime.settings import load_settings

ENVIRONMENT = {
    "PAYMENT_DATABASE_URL": "postgresql://payment_app@127.0.0.1:1/payment",
    "PAYMENT_RELAY_DATABASE_URL": "postgresql://payment_relay@127.0.0.1:1/payment",
    "PAYMENT_API_KEY_PEPPER": "a pepper of a test",
}


@pytest.mark.parametrize(("policy", "gives_back"), [(None, False), ("review", False), ("automatic", True)])
def test_strays_are_given_back_without_a_person_only_where_that_is_the_policy(policy, gives_back):
    chosen = {} if policy is None else {"PAYMENT_STRAY_POLICY": policy}
    runtime = build(load_settings(PaymentSettings, ENVIRONMENT | chosen))
    try:
        assert ("work.strays" in runtime.roles) is gives_back
    finally:
        runtime.close()


def test_a_process_asks_at_its_start_whether_it_can_follow_the_routing_rules():
    runtime = build(load_settings(PaymentSettings, ENVIRONMENT))
    try:
        assert "routes" in {check.name for check in runtime.checks if check.concerns(frozenset({"serve"}))}
    finally:
        runtime.close()
