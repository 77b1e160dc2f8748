"""Attempts that nobody can say the end of, on a real PostgreSQL: told to people, or proved absent where they are wanted no more."""

import pytest
import sqlalchemy as sa

from services.processor.domain.outcome import Answer, Found, LookUp, Result
from services.processor.tests.db.commands import IDS, authorize, cancel, due_again, event, row, withdrawal


def in_doubt_to_the_end(service, command):
    """What is told of an operation whose every look-up came to nothing."""
    service.deliver(event(command))
    service.record((service.claim()[0], Answer(result=Result.UNKNOWN, error_code="timeout")))
    for _ in range(6):
        service.clock.advance(200_000)
        service.record((service.claim()[0], LookUp(found=Found.UNREACHABLE)))
    (told,) = service.payloads("LadderExhausted")
    return told


def test_a_cancel_in_doubt_to_the_end_is_told_in_the_currency_of_its_payment(service):
    """It moves no money and names no currency; the contract knows no amount without one."""
    held = authorize(currency="JPY")
    service.deliver(event(held))
    service.record((service.claim()[0], Answer(result=Result.DECLINED)))
    told = in_doubt_to_the_end(service, cancel(held.payment_id))
    assert (told["kind"], told["exposure_minor"], told["currency"]) == ("cancel", 0, "JPY")


def test_a_cancel_of_a_payment_that_never_asked_for_money_is_in_doubt_to_the_end_as_well(service):
    """A hold that others made under its id is let go: nobody named a currency, and the worker goes on all the same."""
    told = in_doubt_to_the_end(service, cancel(IDS.new("pay_")))
    assert (told["kind"], told["exposure_minor"]) == ("cancel", 0)


def test_what_is_wanted_no_more_is_not_sent_again_and_ends_as_not_found(service):
    command = due_again(service)
    service.deliver(withdrawal(command))
    for _ in range(2):
        (next_at,) = row(service, command, "next_at")
        service.clock.advance(max((next_at - service.clock.now()).total_seconds(), 400))
        (held,) = service.claim()
        assert held.phase == "looking_up"
        service.record((held, LookUp(found=Found.NOT_FOUND)))
    assert row(service, command, "state", "closing", "attempt_number") == ("closed", "not_found", 1)
    assert service.payloads("AttemptClosed")[-1]["reason"] == "not_found"


def test_what_was_sent_twice_and_is_wanted_no_more_ends_as_not_found(service):
    """Both sends had one key: what shows none of them shows that none arrived."""
    command = due_again(service)
    (again,) = service.claim()
    assert again.phase == "sending"
    service.record((again, Answer(result=Result.UNKNOWN)))
    service.deliver(withdrawal(command))
    for _ in range(2):
        service.clock.advance(700)
        (held,) = service.claim()
        service.record((held, LookUp(found=Found.NOT_FOUND)))
    assert row(service, command, "state", "closing", "attempt_number") == ("closed", "not_found", 2)


def test_sql_calls_absent_what_may_have_arrived_twice_only_where_it_is_wanted_no_more(service):
    command = due_again(service)
    (again,) = service.claim()
    service.record((again, Answer(result=Result.UNKNOWN)))
    closing = (
        "UPDATE attempts SET state = 'closed', closing = 'not_found', closed_at = now(), not_found_count = 2,"
        " withdrawal_requested = %s WHERE operation_id = %s"
    )
    with (
        pytest.raises(sa.exc.IntegrityError, match="attempts_not_found_is_proved"),
        service.engine.begin() as connection,
    ):
        connection.exec_driver_sql(closing, (False, command.operation_id))
    with service.engine.begin() as connection:
        connection.exec_driver_sql(closing, (True, command.operation_id))
