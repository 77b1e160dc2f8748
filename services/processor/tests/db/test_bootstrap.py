"""The service put together from its settings alone: it builds, checks its schema, and answers operators."""

import pytest

from services.processor.bootstrap import build, make_policies
from services.processor.settings import ProcessorSettings
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, new_key_pair
from shared.runtime.process import run_checks
from shared.runtime.settings import load_settings
from shared.runtime.startup import StartupRefused
from shared.testing.serving import served


def environment(urls, public):
    return {
        "PROCESSOR_DATABASE_URL": urls.app,
        "PROCESSOR_RELAY_DATABASE_URL": urls.relay,
        "PROCESSOR_ALPHA_BASE_URL": "http://127.0.0.1:1/alpha/v1",
        "PROCESSOR_ALPHA_API_KEY": "sk_alpha",
        "PROCESSOR_LOOK_UP_LADDER_S": "1,2,5,30",
        "PROCESSOR_OPERATOR_PUBLIC_KEY": public,
    }


def test_it_builds_checks_its_schema_and_answers_operators(service_database):
    private, public = new_key_pair()
    settings = load_settings(ProcessorSettings, environment(service_database("processor"), public))
    runtime = build(settings)
    try:
        assert runtime.role_names() == ["serve", "consume", "work", "relay"]
        run_checks(runtime, frozenset({"serve"}))
        for make in runtime.roles.values():
            assert make().heartbeat() >= 0
        token = TokenIssuer(private).operator("ann", OperatorRole.VIEWER)
        with served(runtime.make_app()) as server:
            assert server.call("GET", "/attempts").status == 401
            reply = server.call("GET", "/attempts", headers={"Authorization": f"Bearer {token}"})
            assert (reply.status, reply.document) == (200, {"data": []})
            assert (
                server.call("GET", "/attempts/op_x", headers={"Authorization": f"Bearer {token}"}).status
                == 404
            )
    finally:
        runtime.close()
    assert make_policies(settings)["alpha"].ladder_s == (1, 2, 5, 30)


def test_each_processor_and_kind_may_have_a_ladder_of_its_own():
    settings = load_settings(
        ProcessorSettings,
        {
            "PROCESSOR_DATABASE_URL": "postgresql://x/y",
            "PROCESSOR_ALPHA_BASE_URL": "http://x",
            "PROCESSOR_ALPHA_API_KEY": "k",
            "PROCESSOR_BETA_BASE_URL": "http://y",
            "PROCESSOR_BETA_API_KEY": "k",
            "PROCESSOR_LOOK_UP_LADDER_S": "1,2,3",
            "PROCESSOR_LOOK_UP_LADDERS_S": "beta=5,6,7 beta.refund=60,70,80 alpha.cancel=9,9,9",
        },
    )
    policies = make_policies(settings)
    assert policies["alpha"].of("capture").ladder_s == (1, 2, 3)
    assert policies["alpha"].of("cancel").ladder_s == (9, 9, 9)
    assert policies["beta"].of("capture").ladder_s == (5, 6, 7)
    assert policies["beta"].of("refund").ladder_s == (60, 70, 80)
    assert (policies["alpha"].keeps_keys, policies["beta"].keeps_keys) == (True, False)


@pytest.mark.parametrize("ladders", ["beta", "gamma=1,2,3", "beta.void=1,2,3", "beta=3,2,1"])
def test_ladders_under_names_that_do_not_exist_are_refused_at_the_start(ladders):
    variables = {
        "PROCESSOR_DATABASE_URL": "postgresql://x/y",
        "PROCESSOR_ALPHA_BASE_URL": "http://x",
        "PROCESSOR_ALPHA_API_KEY": "k",
        "PROCESSOR_LOOK_UP_LADDERS_S": ladders,
    }
    with pytest.raises(StartupRefused, match="LOOK_UP_LADDERS_S"):
        load_settings(ProcessorSettings, variables)


@pytest.mark.parametrize("ladder", ["1,2", "5,1,9", "0,1,2", "a,b,c", ""])
def test_a_ladder_that_makes_no_sense_is_refused_at_the_start(ladder):
    variables = {
        "PROCESSOR_DATABASE_URL": "postgresql://x/y",
        "PROCESSOR_ALPHA_BASE_URL": "http://x",
        "PROCESSOR_ALPHA_API_KEY": "k",
        "PROCESSOR_LOOK_UP_LADDER_S": ladder,
    }
    with pytest.raises(StartupRefused, match="LOOK_UP_LADDER_S"):
        load_settings(ProcessorSettings, variables)
