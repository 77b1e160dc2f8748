"""Open attempts at a processor that is not configured are told at the start and counted; the others are worked."""

from structlog.testing import capture_logs

from schemas.generated import LookUpOperationV1, OperationDecidedV1
from services.processor.adapters.unattended import unattended
from services.processor.bootstrap import build
from services.processor.domain.outcome import Answer, Result
from services.processor.settings import ProcessorSettings
from services.processor.tests.db.test_attempts_stored import event, opened
from services.processor.tests.db.test_bootstrap import environment
from shared.runtime.metric_names import ATTEMPTS_UNATTENDED
from shared.runtime.metrics import value_of
from shared.runtime.process import run_checks
from shared.runtime.settings import load_settings


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


def test_open_attempts_at_a_processor_that_is_not_configured_are_counted_by_processor(service):
    here, *there = opened(service, count=3)

    def counted(*configured):
        with service.engine.connect() as connection:
            return unattended(connection, configured)

    assert counted("alpha") == {}
    for command in there:
        moved_to_beta(service, command)
    assert counted("alpha", "beta") == {}
    assert counted("alpha") == {("beta",): 2}
    with service.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE attempts SET exhausted_at = now() WHERE operation_id = %s", (there[0].operation_id,)
        )
    assert counted("alpha") == {("beta",): 1}, "an exhausted one has its case"
    service.deliver(*(decided(command) for command in there))
    assert counted("alpha") == {}
    assert service.query("SELECT count(*) FROM attempts WHERE state = 'open'") == [(1,)], here


def test_whoever_works_is_told_at_the_start_and_starts(service):
    for command in opened(service, count=2):
        moved_to_beta(service, command)
    runtime = build(load_settings(ProcessorSettings, environment(service.urls, "")))
    try:
        with capture_logs() as told:
            run_checks(runtime, frozenset({"serve"}))
        assert told == []
        with capture_logs() as told:
            run_checks(runtime, frozenset({"work"}))
    finally:
        runtime.close()
    (line,) = told
    assert (line["event"], line["log_level"]) == ("attempts_unattended", "error")
    assert (line["processor"], line["attempts"]) == ("beta", 2)
    assert "PROCESSOR_BETA_BASE_URL" in line["to_do"]
    assert "IN_REVIEW" in line["to_do"]


def test_the_gauge_is_read_when_it_is_scraped(service):
    for command in opened(service, count=2):
        moved_to_beta(service, command)
    runtime = build(load_settings(ProcessorSettings, environment(service.urls, "")))
    try:
        runtime.make_app()
        assert value_of(ATTEMPTS_UNATTENDED, "beta") == 2
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
