"""A worker that does not know a processor with open attempts does not start, and says in one line where and how many."""

import pytest

from schemas.generated import LookUpOperationV1, OperationDecidedV1
from services.processor.adapters.attempt_check import refuse_attempts_elsewhere
from services.processor.bootstrap import build
from services.processor.domain.outcome import Answer, Result
from services.processor.settings import ProcessorSettings
from services.processor.tests.db.test_attempts_stored import event, opened
from services.processor.tests.db.test_bootstrap import environment
from shared.runtime.process import run_checks
from shared.runtime.settings import load_settings
from shared.runtime.startup import StartupRefused


def moved_to_beta(service, command):
    """As if it had been asked for while beta was configured."""
    with service.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE attempts SET processor = 'beta' WHERE operation_id = %s", (command.operation_id,)
        )


def decided(command):
    return event(
        OperationDecidedV1(
            payment_id=command.payment_id, operation_id=command.operation_id, outcome="DECLINED"
        )
    )


def test_open_attempts_at_a_processor_that_is_not_configured_are_told_at_the_start(service):
    here, *there = opened(service, count=3)
    refuse_attempts_elsewhere(service.engine, ("alpha",))
    for command in there:
        moved_to_beta(service, command)
    refuse_attempts_elsewhere(service.engine, ("alpha", "beta"))
    with pytest.raises(StartupRefused) as refused:
        refuse_attempts_elsewhere(service.engine, ("alpha",))
    (line,) = refused.value.lines
    assert line.startswith(
        "attempts: 2 open at beta, which is not configured here: nobody would look them up;"
    )
    assert "PROCESSOR_BETA_BASE_URL" in line
    service.deliver(*(decided(command) for command in there))
    refuse_attempts_elsewhere(service.engine, ("alpha",))
    assert service.query("SELECT count(*) FROM attempts WHERE state = 'open'") == [(1,)], here


def test_only_whoever_would_call_refuses_to_start(service):
    (command,) = opened(service)
    moved_to_beta(service, command)
    runtime = build(load_settings(ProcessorSettings, environment(service.urls, "")))
    try:
        (attempts,) = (check for check in runtime.checks if check.name == "attempts")
        assert attempts.concerns(frozenset({"work", "serve"}))
        assert not attempts.concerns(frozenset({"serve", "consume", "relay"}))
        run_checks(runtime, frozenset({"serve"}))
        with pytest.raises(StartupRefused, match="1 open at beta"):
            attempts.check()
    finally:
        runtime.close()


def test_a_wish_to_look_up_where_nobody_can_ends_no_consumer(service):
    (command,) = opened(service)
    (held,) = service.claim()
    service.record((held, Answer(result=Result.DONE)))
    moved_to_beta(service, command)
    wish = LookUpOperationV1(
        payment_id=command.payment_id, operation_id=command.operation_id, reason="waiting_fact"
    )
    service.deliver(event(wish))
    assert service.query("SELECT looks_again FROM attempts") == [(False,)]
