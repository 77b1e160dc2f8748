"""Attempts on a real PostgreSQL: what is stored, fenced, published, and refused by SQL itself."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import orjson
import psycopg
import pytest
import sqlalchemy as sa

from schemas.generated import (
    CancelPaymentV1,
    CapturePaymentV1,
    LookUpOperationV1,
    OperationDecidedV1,
)
from services.processor.adapters.attempts import DUE, LATE
from services.processor.adapters.read_models import (
    OLDEST_WAITING,
    OPEN_DOUBTS,
    any_due,
    attempt_with_log,
    list_attempts,
    waiting_ages,
)
from services.processor.adapters.unattended import UNATTENDED
from services.processor.app.give_up_late import give_up_all_late
from services.processor.domain.outcome import Answer, Found, LookUp, Result
from services.processor.tests.db.commands import (
    IDS,
    authorize,
    due_again,
    event,
    held_fact,
    opened,
    row,
    withdrawal,
)
from services.processor.tests.db.conftest import PENDING_LIMIT_S, QUEUE_S
from shared.kernel.errors import Poison
from shared.persistence.engine import make_engine


def test_a_command_is_one_attempt_however_often_it_comes(service):
    command = opened(service)[0]
    service.deliver(event(command))
    assert service.query("SELECT count(*) FROM attempts") == [(1,)]
    with pytest.raises(Poison):
        service.deliver(event(authorize(operation_id=command.operation_id, payment_id=command.payment_id)))


def test_each_kind_comes_back_from_the_table_as_it_was_asked(service):
    pay = IDS.new("pay_")
    common = {"payment_id": pay, "processor": "alpha", "account": "acct_alpha"}
    capture = CapturePaymentV1(
        **common,
        operation_id=IDS.new("op_"),
        authorization_id="auth_1",
        amount_minor=60,
        currency="EUR",
        final=True,
    )
    cancel = CancelPaymentV1(**common, operation_id=IDS.new("op_"), authorization_id="auth_1")
    service.deliver(event(capture), event(cancel))
    asked = {held.operation.kind: held.operation for held in service.claim()}
    assert asked["capture"].final
    assert asked["capture"].authorization_id == "auth_1"
    assert asked["cancel"].amount_minor is None


def test_the_send_is_announced_before_any_answer_and_the_answer_carries_the_facts(service):
    command = opened(service)[0]
    (held,) = service.claim()
    assert service.published() == ["AttemptSent"]
    service.record((held, Answer(result=Result.DONE, facts=(held_fact(command),))))
    assert service.published() == ["AttemptSent", "AttemptAnswered"]
    (answered,) = service.payloads("AttemptAnswered")
    assert answered["result"] == "done"
    assert answered["facts"][0]["object_id"] == "auth_1"
    assert "echo_mismatch" not in answered
    assert row(service, command, "state", "closing") == ("closed", "answered")


def test_a_wrong_echo_is_told(service):
    command = opened(service)[0]
    (held,) = service.claim()
    wrong = held_fact(
        authorize(operation_id=command.operation_id, payment_id=command.payment_id, amount_minor=99)
    )
    service.record((held, Answer(result=Result.DONE, facts=(wrong,))))
    assert service.payloads("AttemptAnswered")[0]["echo_mismatch"] == ["amount"]


def test_an_idle_lane_sees_what_is_due_and_nothing_else(service):
    engine = make_engine(service.urls.app, application_name="peek", pool_size=1, autocommit=True)

    def due(processor="alpha"):
        return any_due(engine, processor, service.clock.now())

    assert not due()
    opened(service)
    assert (due(), due("beta")) == (True, False)
    (held,) = service.claim()
    assert not due(), "held by a worker"
    service.clock.advance(61)
    assert due(), "its lease has ended"
    (held,) = service.claim()
    service.record((held, LookUp(found=Found.FOUND, facts=(held_fact(held.operation),))))
    assert not due()
    engine.dispose()


def test_workers_never_share_an_attempt(service):
    opened(service, 40)
    with ThreadPoolExecutor(4) as pool:
        batches = list(pool.map(lambda n: service.claim(owner=f"w{n}", limit=10), range(4)))
    taken = [held.operation.operation_id for batch in batches for held in batch]
    assert len(taken) == len(set(taken))


def test_a_worker_that_slept_past_its_lease_changes_nothing_when_it_wakes(service):
    command = opened(service)[0]
    (sleeper,) = service.claim(owner="sleeper")
    service.clock.advance(61)
    (second,) = service.claim(owner="second")
    assert second.phase == "looking_up", "a send may have happened: looked up, not sent again"
    before = service.query("SELECT * FROM attempts")
    recorded = service.record((sleeper, Answer(result=Result.DONE, facts=(held_fact(command),))))
    assert (recorded.applied, recorded.stale) == (0, 1)
    assert service.query("SELECT * FROM attempts") == before
    lost = service.payloads("AttemptAnswered")
    assert [(answer["result"], answer["error_code"]) for answer in lost] == [("unknown", "worker_lost")]


def test_the_same_worker_under_an_old_epoch_changes_nothing_either(service):
    opened(service)
    (old,) = service.claim()
    service.clock.advance(61)
    service.claim()
    assert service.record((old, Answer(result=Result.DECLINED))).stale == 1


def test_unknown_climbs_the_ladder_and_is_exhausted_once(service):
    command = opened(service)[0]
    (held,) = service.claim()
    service.record((held, Answer(result=Result.UNKNOWN, error_code="timeout")))
    for _ in range(6):
        service.clock.advance(200_000)
        (held,) = service.claim()
        assert held.phase == "looking_up"
        service.record((held, LookUp(found=Found.UNREACHABLE)))
    assert service.published().count("LadderExhausted") == 1
    assert service.payloads("LadderExhausted")[0]["exposure_minor"] == 100
    assert row(service, command, "state") == ("open",)


def test_neither_look_ups_nor_sends_walk_through_the_backlog_of_the_other(service):
    """After an outage few look-ups stand behind very many sends, and every claim asks for both."""
    opened(service, 3)
    plan = plan_of(
        service, DUE, {"processor": "alpha", "now": service.clock.now(), "calls": 8, "look_ups": 4}
    )
    assert "attempts_to_look_up" in plan
    assert "attempts_to_send" in plan


@pytest.mark.parametrize(
    ("statement", "parameters"),
    [
        (LATE, {"now": datetime(2026, 1, 1, tzinfo=UTC), "limit": 8}),
        (OPEN_DOUBTS, {}),
        (OLDEST_WAITING, {}),
        (UNATTENDED, {"configured": ["alpha"]}),
    ],
    ids=["late", "doubts", "oldest", "unattended"],
)
def test_what_is_open_is_not_looked_for_among_all_that_ever_was(service, statement, parameters):
    """Attempts are kept for ever; these are asked every few seconds, one of them before a worker starts."""
    assert "Seq Scan" not in plan_of(service, statement, parameters)


def plan_of(service, statement, parameters):
    """How the server would go about it if it had any other way than reading all."""
    with service.engine.connect() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        return "\n".join(connection.exec_driver_sql("EXPLAIN (COSTS OFF) " + statement, parameters).scalars())


def test_not_found_twice_is_sent_again_under_the_same_operation(service):
    command = opened(service)[0]
    (held,) = service.claim()
    service.record((held, Answer(result=Result.UNKNOWN)))
    for _ in range(2):
        service.clock.advance(40)
        (held,) = service.claim()
        service.record((held, LookUp(found=Found.NOT_FOUND)))
    (again,) = service.claim()
    assert again.phase == "sending"
    assert again.operation.idempotency_key == command.operation_id
    assert [sent["attempt_number"] for sent in service.payloads("AttemptSent")] == [1, 2]


def test_look_ups_take_no_more_of_a_claim_than_they_may_and_sends_the_rest(service):
    opened(service, 6)
    service.record(*((held, Answer(result=Result.UNKNOWN)) for held in service.claim()))
    service.clock.advance(40)
    opened(service, 6)
    service.clock.advance(1)
    taken = service.claim(limit=8, look_ups=2)
    assert sorted(held.phase for held in taken) == ["looking_up"] * 2 + ["sending"] * 6
    assert [held.phase for held in service.claim(limit=8, look_ups=0)] == []
    assert [held.phase for held in service.claim(limit=3)] == ["looking_up"] * 3


def test_a_worker_that_comes_back_after_the_key_has_died_only_looks_up(service):
    command = due_again(service)
    service.clock.advance(3 * 86_400)
    (held,) = service.claim()
    assert held.phase == "looking_up"
    assert service.published().count("AttemptSent") == 1
    service.record((held, LookUp(found=Found.NOT_FOUND)))
    assert row(service, command, "phase", "attempt_number") == ("waiting", 1)


def test_a_send_in_doubt_whose_declined_object_is_shown_is_declined(service):
    command = due_again(service)
    (again,) = service.claim()
    shown = replace(held_fact(command), status="declined", decline_code="generic_decline")
    service.record((again, Answer(result=Result.DECLINED, facts=(shown,), decline_code="generic_decline")))
    assert service.payloads("AttemptAnswered")[-1]["result"] == "declined"
    assert row(service, command, "state", "closing") == ("closed", "answered")


def test_sql_refuses_to_send_again_under_a_dead_key(service):
    command = due_again(service)
    again = (
        "UPDATE attempts SET phase = 'sending', lease_owner = 'w', lease_epoch = lease_epoch + 1,"
        " attempt_number = attempt_number + 1, last_sent_at = resend_before + %s * interval '1 second'"
        " WHERE operation_id = %s"
    )
    with (
        pytest.raises(sa.exc.IntegrityError, match="attempts_resent_under_live_key"),
        service.engine.begin() as connection,
    ):
        connection.exec_driver_sql(again, (1, command.operation_id))
    with service.engine.begin() as connection:
        connection.exec_driver_sql(again, (-1, command.operation_id))


def test_what_was_accepted_and_never_decided_is_told_as_unknown_and_exhausted_by_its_ladder(service):
    command = opened(service)[0]
    (held,) = service.claim()
    service.record((held, Answer(result=Result.ACCEPTED)))
    for _ in range(60):
        if "LadderExhausted" in service.published():
            break
        (next_at,) = row(service, command, "next_at")
        service.clock.advance((next_at - service.clock.now()).total_seconds())
        (held,) = service.claim()
        service.record((held, LookUp(found=Found.FOUND, result=Result.ACCEPTED)))
    assert row(service, command, "state", "doubtful", "result") == ("open", True, "unknown")
    told = [(said["result"], said.get("error_code")) for said in service.payloads("AttemptAnswered")]
    assert told[:2] == [("accepted", None), ("unknown", "pending_too_long")]
    assert set(told[1:]) == {("unknown", "pending_too_long")}
    pending_s = (service.clock.now() - datetime(2026, 1, 1, tzinfo=UTC)).total_seconds()
    assert pending_s == PENDING_LIMIT_S + sum((1, 5, 30, 120))


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ("accepted_at = NULL", "attempts_patience_has_begun"),
        (
            "state = 'closed', closing = 'not_found', closed_at = now(), not_found_count = 2, doubtful = true",
            "attempts_accepted_is_not_absent",
        ),
    ],
)
def test_sql_refuses_endless_patience_and_to_call_absent_what_was_accepted(service, change, check):
    opened(service)
    (held,) = service.claim()
    service.record((held, Answer(result=Result.ACCEPTED)))
    with pytest.raises(sa.exc.IntegrityError, match=check), service.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE attempts SET {change}")


def test_withdrawn_before_the_send_is_closed_and_never_claimed(service):
    command = opened(service)[0]
    service.deliver(withdrawal(command))
    assert service.claim() == []
    (closed,) = service.payloads("AttemptClosed")
    assert (closed["reason"], closed["ever_sent"]) == ("withdrawn", False)


def test_a_command_and_its_withdrawal_in_one_batch_send_nothing(service):
    command = authorize()
    service.deliver(event(command), withdrawal(command))
    assert service.claim() == []
    assert service.published() == ["AttemptClosed"]


def test_withdrawn_after_the_send_runs_on(service):
    command = opened(service)[0]
    (held,) = service.claim()
    service.deliver(withdrawal(command))
    assert service.published() == ["AttemptSent"]
    service.record((held, Answer(result=Result.NOT_SENT)))
    assert service.published()[-1] == "AttemptClosed"


def test_decided_stops_the_ladder_and_a_late_answer_is_still_told(service):
    command = opened(service)[0]
    (held,) = service.claim()
    service.deliver(
        event(
            OperationDecidedV1(
                payment_id=command.payment_id, operation_id=command.operation_id, outcome="SUCCEEDED"
            )
        )
    )
    assert service.payloads("AttemptClosed")[0]["reason"] == "decided"
    assert service.record((held, Answer(result=Result.UNKNOWN))).applied == 1
    service.clock.advance(100_000)
    assert service.claim() == []
    assert service.published()[-1] == "AttemptAnswered"


def test_a_look_up_on_request_makes_the_row_due(service):
    command = opened(service)[0]
    (held,) = service.claim()
    service.record((held, Answer(result=Result.UNKNOWN)))
    service.clock.advance(2)
    (held,) = service.claim()
    service.record((held, LookUp(found=Found.UNREACHABLE)))
    asks = event(
        LookUpOperationV1(payment_id=command.payment_id, operation_id=command.operation_id, reason="get")
    )
    service.deliver(asks)
    assert service.claim() == [], "at most once in five seconds, and rung two is not due"
    service.clock.advance(4.9)
    assert service.claim() == []


def test_many_reads_of_a_doubtful_payment_leave_its_ladder_alone(service):
    command = opened(service)[0]
    (held,) = service.claim()
    service.record((held, Answer(result=Result.UNKNOWN)))
    for wait_s in (1, 5):
        service.clock.advance(wait_s)
        (held,) = service.claim()
        service.record((held, LookUp(found=Found.UNREACHABLE)))
    before = row(service, command, "rung", "rung_at", "next_at")
    assert before[0] == 2
    for _ in range(5):
        service.clock.advance(5.1)
        asks = LookUpOperationV1(
            payment_id=command.payment_id, operation_id=command.operation_id, reason="payment_read"
        )
        service.deliver(event(asks))
        (held,) = service.claim()
        service.record((held, LookUp(found=Found.NOT_FOUND)))
        assert row(service, command, "rung", "rung_at", "next_at") == before
    assert "LadderExhausted" not in service.published()
    with pytest.raises(sa.exc.DBAPIError, match="climbs no rung"), service.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE attempts SET rung = rung + 1")
    service.clock.advance(5)
    (held,) = service.claim()
    service.record((held, LookUp(found=Found.UNREACHABLE)))
    assert row(service, command, "rung") == (3,)


def test_a_hold_that_was_granted_long_ago_is_looked_up_again_on_request(service):
    command = opened(service)[0]
    (held,) = service.claim()
    service.record((held, Answer(result=Result.DONE, facts=(held_fact(command),))))
    service.clock.advance(60)
    assert service.claim() == []
    asks = LookUpOperationV1(
        payment_id=command.payment_id, operation_id=command.operation_id, reason="authorization_expired"
    )
    service.deliver(event(asks))
    (again,) = service.claim()
    gone = replace(held_fact(command), status="expired", object_version=2)
    service.record((again, LookUp(found=Found.FOUND, result=Result.DONE, facts=(gone,))))
    assert service.published() == ["AttemptSent", "AttemptAnswered", "LookedUp"]
    told = service.payloads("LookedUp")[0]
    assert ([fact["status"] for fact in told["facts"]], told.get("next_check_at")) == (["expired"], None)
    assert row(service, command, "state", "looks_again", "attempt_number") == ("closed", False, 1)
    service.clock.advance(60)
    assert service.claim() == []


def test_decided_while_its_worker_died_it_is_looked_up_again_on_request(service):
    command = opened(service)[0]
    service.claim()
    names = {"payment_id": command.payment_id, "operation_id": command.operation_id}
    service.deliver(event(OperationDecidedV1(**names, outcome="SUCCEEDED")))
    asks = event(LookUpOperationV1(**names, reason="authorization_expired"))
    service.deliver(asks)
    assert service.claim() == [], "its worker may still be calling"
    service.clock.advance(61)
    service.deliver(asks)
    (again,) = service.claim("w2")
    gone = replace(held_fact(command), status="expired", object_version=2)
    assert service.record((again, LookUp(found=Found.FOUND, result=Result.DONE, facts=(gone,)))).stale == 0
    assert service.published() == ["AttemptSent", "AttemptClosed", "LookedUp"]
    assert row(service, command, "state", "looks_again", "attempt_number") == ("closed", False, 1)


def test_commands_about_operations_that_nobody_asked_for(service):
    stranger = authorize()
    with pytest.raises(Poison):
        service.deliver(withdrawal(stranger))
    service.deliver(
        event(
            LookUpOperationV1(
                payment_id=stranger.payment_id, operation_id=stranger.operation_id, reason="get"
            )
        )
    )
    with pytest.raises(Poison):
        service.deliver(event(authorize(processor="omega")))


@pytest.mark.parametrize(
    "change",
    [
        "state = 'open', closing = NULL, closed_at = NULL",
        "asked = '{}'",
        "lease_epoch = lease_epoch - 1",
        "attempt_number = attempt_number + 1",
    ],
)
def test_sql_refuses_to_reopen_or_rewrite_an_attempt(service, change):
    opened(service)
    (held,) = service.claim()
    service.record((held, Answer(result=Result.DECLINED)))
    with pytest.raises(sa.exc.DBAPIError), service.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE attempts SET {change}")


def test_sql_refuses_to_give_up_what_is_in_doubt(service):
    opened(service)
    (held,) = service.claim()
    service.record((held, Answer(result=Result.UNKNOWN)))
    with pytest.raises(sa.exc.IntegrityError), service.engine.begin() as connection:
        connection.exec_driver_sql(
            "UPDATE attempts SET state = 'closed', closing = 'withdrawn', closed_at = now()"
        )


def test_an_authorization_that_waited_too_long_is_given_up_and_never_sent(service):
    command = opened(service)[0]
    service.clock.advance(QUEUE_S - 1)
    assert not service.run(give_up_all_late)
    assert row(service, command, "state") == ("open",)
    service.clock.advance(1)
    assert service.claim() == []
    assert row(service, command, "state", "closing", "attempt_number") == ("closed", "not_sent_limit", 0)
    (told,) = service.payloads("AttemptClosed")
    assert (told["reason"], told["ever_sent"]) == ("not_sent_limit", False)


def test_how_long_the_oldest_unsent_has_waited_is_told_until_it_is_sent(service):
    def ages():
        with service.engine.connect() as connection:
            return waiting_ages(connection)

    assert ages() == {}
    opened(service)
    (held,) = service.claim()
    service.record((held, Answer(result=Result.NOT_SENT)))
    assert ages()["alpha",] > 0
    service.clock.advance(5)
    (held,) = service.claim()
    service.record((held, Answer(result=Result.UNKNOWN)))
    assert ages() == {}


def test_giving_up_the_late_needs_no_sender(service):
    commands = opened(service, 3)
    (held,) = service.claim(limit=1)
    service.clock.advance(QUEUE_S)
    service.run(give_up_all_late)
    states = {row(service, command, "state")[0] for command in commands}
    assert states == {"open", "closed"}
    assert len(service.payloads("AttemptClosed")) == 2
    assert row(service, held.operation, "phase") == ("sending",)


@pytest.mark.parametrize("found_nothing", [0, 1, 2])
def test_sql_calls_absent_only_what_was_looked_for_twice(service, found_nothing):
    opened(service)
    (held,) = service.claim()
    service.record((held, Answer(result=Result.UNKNOWN)))
    closing = (
        "UPDATE attempts SET state = 'closed', closing = 'not_found', closed_at = now(),"
        f" not_found_count = {found_nothing}"
    )
    if found_nothing == 2:
        with service.engine.begin() as connection:
            connection.exec_driver_sql(closing)
    else:
        with pytest.raises(sa.exc.IntegrityError), service.engine.begin() as connection:
            connection.exec_driver_sql(closing)


@pytest.mark.parametrize(
    "statement", ["UPDATE attempt_log SET what = 'x'", "DELETE FROM attempt_log", "TRUNCATE attempt_log"]
)
def test_the_log_is_append_only_even_for_its_owner(service, statement):
    opened(service)
    with (
        psycopg.connect(service.urls.owner.replace("+psycopg", "")) as owner,
        pytest.raises(psycopg.errors.RestrictViolation),
    ):
        owner.execute(statement)


def test_attempts_are_never_deleted_by_the_application(service):
    opened(service)
    with pytest.raises(sa.exc.DBAPIError), service.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM attempts")


def test_operators_see_an_attempt_with_every_step_of_it(service):
    command = opened(service)[0]
    (held,) = service.claim()
    service.record((held, Answer(result=Result.UNKNOWN, error_code="timeout")))
    with service.engine.connect() as connection:
        found = attempt_with_log(connection, command.operation_id)
        assert list_attempts(connection, state="closed", payment_id=None, exhausted=None, limit=10) == []
        (listed,) = list_attempts(
            connection, state="open", payment_id=command.payment_id, exhausted=False, limit=10
        )
    assert [line["what"] for line in found["log"]] == ["opened", "sent", "answered"]
    assert orjson.loads(orjson.dumps(found))["operation_id"] == listed["operation_id"]
