"""Every move of an attempt: what is sent, looked up, given up, and never."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.processor.domain.attempt import (
    Attempt,
    Closing,
    Phase,
    State,
    decide,
    look_up_now,
    lose_worker,
    record_answer,
    record_look_up,
    take,
    too_late,
    withdraw,
)
from services.processor.domain.operation import Operation
from services.processor.domain.outcome import Answer, Doubt, Found, LookUp, Result
from services.processor.domain.policy import Policy

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = Policy(
    keys_live_s=86_400, ladder_s=(1, 5, 30, 120, 600), visibility_window_s=2, absence_window_s=100
)
KEYLESS = replace(POLICY, keys_live_s=0)
OPERATION = Operation(
    operation_id="op_1",
    payment_id="pay_1",
    kind="capture",
    processor="alpha",
    account="acct",
    amount_minor=100,
    currency="EUR",
    authorization_id="auth_1",
)


def later(seconds):
    return NOW + timedelta(seconds=seconds)


def fresh():
    return Attempt(operation=OPERATION, cause_id="evt_1", next_at=NOW)


def taken(attempt=None, at=NOW, policy=POLICY):
    return take(attempt or fresh(), owner="w1", attempt_id="att_1", now=at, policy=policy)


def answered(result, attempt=None, at=NOW, wait_s=0.5):
    return record_answer(attempt or taken(), Answer(result=result), now=at, wait_s=wait_s, policy=POLICY)


def doubtful():
    return answered(Result.UNKNOWN).attempt


def looked_up(attempt, found, at, result=Result.UNKNOWN, policy=POLICY):
    held = take(attempt, owner="w1", attempt_id="att_x", now=at, policy=policy)
    assert held.phase is Phase.LOOKING_UP
    return record_look_up(held, LookUp(found=found, result=result), now=at, policy=policy)


def test_taking_counts_the_send_and_gives_a_new_epoch():
    first = taken()
    assert (first.phase, first.attempt_number, first.lease_epoch) == (Phase.SENDING, 1, 1)
    assert first.first_sent_at == NOW
    assert first.next_at == later(POLICY.lease_s)


@pytest.mark.parametrize("result", [Result.DONE, Result.DECLINED])
def test_a_definite_answer_closes_and_needs_no_announcement(result):
    move = answered(result)
    assert (move.attempt.state, move.attempt.closing, move.closed) == (State.CLOSED, Closing.ANSWERED, None)
    assert not move.attempt.doubtful


def test_an_unknown_answer_is_looked_up_on_the_first_rung_and_never_sent_again_blindly():
    attempt = doubtful()
    assert (attempt.phase, attempt.doubtful, attempt.next_at) == (Phase.WAITING, True, later(1))


def test_not_sent_is_tried_again_after_the_back_off_and_no_number_of_failures_ends_it():
    first = answered(Result.NOT_SENT)
    assert first.will_retry
    assert first.attempt.phase is Phase.DUE
    assert first.attempt.next_at == later(0.5)
    move = first
    for _ in range(500):
        move = answered(Result.NOT_SENT, taken(move.attempt))
        assert (move.will_retry, move.closed, move.attempt.state) == (True, None, State.OPEN)
    assert not move.attempt.ever_sent


def test_an_authorization_that_failed_to_be_sent_is_given_up_by_its_time():
    waiting = answered(Result.NOT_SENT, taken(replace(fresh(), send_before=later(10)))).attempt
    assert too_late(waiting, now=later(9)) is None
    move = too_late(waiting, now=later(10))
    assert move is not None
    assert (move.closed, move.attempt.ever_sent) == (Closing.NOT_SENT_LIMIT, False)


def test_not_sent_after_a_doubtful_send_keeps_the_doubt():
    again = replace(doubtful(), phase=Phase.DUE)
    move = answered(Result.NOT_SENT, taken(again))
    assert move.attempt.doubtful
    assert move.attempt.phase is Phase.WAITING
    assert move.closed is None


def test_accepted_waits_without_doubt_until_its_time_is_up_and_then_climbs_to_a_person():
    attempt = answered(Result.ACCEPTED).attempt
    limit = later(POLICY.pending_limit_s)
    told = []
    for _ in range(60):
        at = attempt.next_at
        move = looked_up(attempt, Found.FOUND, at, Result.ACCEPTED)
        attempt = move.attempt
        assert attempt.state is State.OPEN
        assert attempt.doubtful == (at >= limit)
        assert (
            move.doubt is (None if at < limit or attempt.exhausted_at else Doubt.PENDING_TOO_LONG)
            or move.exhausted
        )
        assert move.exhausted is False or at == limit + timedelta(seconds=sum(POLICY.ladder_s))
        told += [at] if move.doubt else []
        if attempt.exhausted_at:
            break
    assert told[0] == limit, "heard of on time, however far apart the look-ups were"
    assert attempt.exhausted_at == limit + timedelta(seconds=sum(POLICY.ladder_s))
    assert looked_up(attempt, Found.FOUND, later(10**9), Result.DONE).attempt.closing is Closing.ANSWERED


@pytest.mark.parametrize("policy", [POLICY, KEYLESS])
def test_accepted_and_then_not_found_is_doubt_that_ends_with_a_person_and_is_never_called_failed(policy):
    attempt = answered(Result.ACCEPTED).attempt
    doubts = []
    for _ in range(400):
        move = looked_up(attempt, Found.NOT_FOUND, attempt.next_at, policy=policy)
        attempt = move.attempt
        assert (move.will_retry, move.closed, attempt.state) == (False, None, State.OPEN)
        doubts += [move.doubt] if move.doubt else []
    assert doubts == [Doubt.ACCEPTED_NOT_FOUND]
    assert attempt.doubtful
    assert attempt.exhausted_at is not None


def test_found_again_before_its_time_is_up_it_is_only_late_and_its_time_does_not_begin_anew():
    attempt = answered(Result.ACCEPTED).attempt
    for _ in range(3):
        attempt = looked_up(attempt, Found.NOT_FOUND, attempt.next_at).attempt
    assert attempt.doubtful
    attempt = looked_up(attempt, Found.FOUND, attempt.next_at, Result.ACCEPTED).attempt
    assert (attempt.doubtful, attempt.result, attempt.accepted_at) == (False, Result.ACCEPTED, NOW)


def test_accepted_has_an_end_also_while_the_processor_cannot_be_asked():
    attempt = answered(Result.ACCEPTED).attempt
    for _ in range(60):
        attempt = looked_up(attempt, Found.UNREACHABLE, attempt.next_at).attempt
        if attempt.doubtful:
            break
    assert attempt.doubtful
    assert attempt.next_at <= later(POLICY.pending_limit_s + POLICY.ladder_s[0])


def test_not_found_inside_the_visibility_window_proves_nothing():
    move = looked_up(doubtful(), Found.NOT_FOUND, later(1))
    assert move.attempt.not_found_count == 0
    assert not move.will_retry


def test_not_found_twice_after_the_window_is_sent_again_with_the_same_key():
    once = looked_up(doubtful(), Found.NOT_FOUND, later(3))
    assert not once.will_retry
    twice = looked_up(once.attempt, Found.NOT_FOUND, later(10))
    assert twice.will_retry
    assert twice.attempt.phase is Phase.DUE
    assert twice.attempt.operation.idempotency_key == OPERATION.operation_id
    assert twice.attempt.doubtful, "the first send may still surface"


def test_without_keys_twice_not_found_ends_the_attempt_and_never_sends_again():
    once = looked_up(doubtful(), Found.NOT_FOUND, later(3), policy=KEYLESS)
    assert (once.closed, once.will_retry, once.attempt.phase) == (None, False, Phase.WAITING)
    twice = looked_up(once.attempt, Found.NOT_FOUND, later(10), policy=KEYLESS)
    assert not twice.will_retry
    assert (twice.closed, twice.attempt.state) == (Closing.NOT_FOUND, State.CLOSED)
    assert twice.attempt.ever_sent


def test_without_keys_not_found_inside_the_window_proves_nothing():
    early = looked_up(doubtful(), Found.NOT_FOUND, later(1), policy=KEYLESS)
    early = looked_up(early.attempt, Found.NOT_FOUND, later(1.9), policy=KEYLESS)
    late = looked_up(early.attempt, Found.NOT_FOUND, later(6), policy=KEYLESS)
    assert (late.closed, late.attempt.not_found_count) == (None, 1)


def test_what_the_processor_said_that_it_decides_later_is_not_called_absent():
    waiting = answered(Result.ACCEPTED).attempt
    for seconds in (3, 10, 20):
        waiting = looked_up(waiting, Found.NOT_FOUND, later(seconds), policy=KEYLESS).attempt
    assert waiting.state is State.OPEN


def test_what_waited_too_long_is_given_up_and_only_while_nothing_was_sent():
    waiting = replace(fresh(), send_before=later(10))
    assert too_late(waiting, now=later(9)) is None
    move = too_late(waiting, now=later(10))
    assert move is not None
    assert (move.closed, move.attempt.state, move.attempt.ever_sent) == (
        Closing.NOT_SENT_LIMIT, State.CLOSED, False,
    )  # fmt: skip
    assert too_late(fresh(), now=later(10**9)) is None
    assert too_late(taken(waiting), now=later(20)) is None
    doubt = answered(Result.UNKNOWN, taken(waiting)).attempt
    assert too_late(doubt, now=later(20)) is None
    again = looked_up(looked_up(doubt, Found.NOT_FOUND, later(3)).attempt, Found.NOT_FOUND, later(10)).attempt
    assert again.phase is Phase.DUE
    assert too_late(again, now=later(20)) is None


def test_a_kind_of_operation_may_have_a_policy_of_its_own():
    slow = replace(POLICY, ladder_s=(60, 120, 240))
    policy = replace(POLICY, by_kind={"refund": slow})
    assert (policy.of("refund"), policy.of("capture")) == (slow, policy)


def test_not_found_is_never_sent_again_near_the_end_of_the_key():
    once = looked_up(doubtful(), Found.NOT_FOUND, later(3))
    twice = looked_up(once.attempt, Found.NOT_FOUND, later(86_400 - 3_599))
    assert (twice.will_retry, twice.closed, twice.attempt.state) == (False, None, State.OPEN)


def due_again():
    """Not found twice within seconds: due to be sent once more under its key."""
    once = looked_up(doubtful(), Found.NOT_FOUND, later(3))
    return looked_up(once.attempt, Found.NOT_FOUND, later(12)).attempt


def test_what_came_due_under_a_live_key_and_is_taken_under_a_dead_one_is_only_looked_up():
    attempt = due_again()
    assert attempt.phase is Phase.DUE
    held = taken(attempt, at=later(3 * 86_400))
    assert (held.phase, held.attempt_number, held.looked_up_at) == (Phase.LOOKING_UP, 1, later(3 * 86_400))
    move = record_look_up(held, LookUp(found=Found.NOT_FOUND), now=later(3 * 86_400), policy=POLICY)
    assert (move.attempt.phase, move.will_retry, move.closed) == (Phase.WAITING, False, None)


@pytest.mark.parametrize(
    ("age_s", "phase"), [(86_400 - 3_601, Phase.SENDING), (86_400 - 3_600, Phase.LOOKING_UP)]
)
def test_a_send_is_repeated_until_an_hour_before_the_end_of_its_key(age_s, phase):
    assert taken(due_again(), at=later(age_s)).phase is phase


def test_the_key_lives_from_the_first_send_that_may_have_arrived():
    """Sends that were proved undone left no key behind: an outage of days does not cost the re-send."""
    undone = answered(Result.NOT_SENT).attempt
    days = 3 * 86_400
    sent = taken(undone, at=later(days))
    assert (sent.phase, sent.first_sent_at) == (Phase.SENDING, later(days))
    doubt = answered(Result.UNKNOWN, sent, at=later(days)).attempt
    once = looked_up(doubt, Found.NOT_FOUND, later(days + 3))
    assert looked_up(once.attempt, Found.NOT_FOUND, later(days + 12)).will_retry


def test_unreachable_look_ups_prove_nothing():
    attempt = doubtful()
    for n in range(3):
        move = looked_up(attempt, Found.UNREACHABLE, later(100 * (n + 1)))
        attempt = move.attempt
        assert not move.will_retry
        assert attempt.not_found_count == 0


def test_an_exhausted_ladder_is_told_once_stays_open_and_is_re_checked_slowly():
    attempt = doubtful()
    told = 0
    for n in range(8):
        move = looked_up(attempt, Found.UNREACHABLE, later(10_000 * (n + 1)))
        attempt = move.attempt
        told += move.exhausted
    assert told == 1
    assert attempt.state is State.OPEN
    assert attempt.exhausted_at is not None
    assert attempt.next_at == later(50_000 + POLICY.slow_check_s), "the looks on request did not put it off"
    late = looked_up(attempt, Found.NOT_FOUND, later(90_000))
    assert not late.will_retry, "after the exhaustion it is an operator's case"
    assert looked_up(attempt, Found.FOUND, later(90_000), Result.DONE).attempt.state is State.CLOSED


@pytest.mark.parametrize("result", [Result.DONE, Result.DECLINED])
def test_a_look_up_that_finds_a_decision_closes(result):
    assert looked_up(doubtful(), Found.FOUND, later(1), result).attempt.closing is Closing.ANSWERED


def test_a_lost_worker_leaves_doubt_and_a_look_up():
    attempt = lose_worker(taken(), now=later(61))
    assert attempt.doubtful
    assert attempt.phase is Phase.WAITING
    assert attempt.lease_owner is None
    assert (
        take(attempt, owner="w2", attempt_id="att_2", now=later(61), policy=POLICY).phase is Phase.LOOKING_UP
    )


def test_withdrawing_what_was_never_sent_closes_it():
    move = withdraw(fresh(), now=NOW)
    assert move.closed is Closing.WITHDRAWN
    assert not move.attempt.ever_sent


def test_withdrawing_what_was_provably_not_sent_closes_it():
    waiting = answered(Result.NOT_SENT).attempt
    assert withdraw(waiting, now=NOW).closed is Closing.WITHDRAWN


@pytest.mark.parametrize("attempt", [taken(), doubtful(), replace(doubtful(), phase=Phase.DUE)])
def test_withdrawing_what_may_have_been_sent_closes_nothing(attempt):
    move = withdraw(attempt, now=NOW)
    assert move.closed is None
    assert move.attempt.state is State.OPEN
    assert move.attempt.withdrawal_requested


def test_a_withdrawal_during_a_call_takes_effect_once_the_call_proves_not_sent():
    asked = withdraw(taken(), now=NOW).attempt
    move = answered(Result.NOT_SENT, asked)
    assert move.closed is Closing.WITHDRAWN
    assert not move.will_retry


@pytest.mark.parametrize("asked_while", ["sending", "in doubt"])
def test_what_is_wanted_no_more_is_not_sent_again_and_ends_once_it_is_proved_absent(asked_while):
    attempt = {"sending": taken(), "in doubt": doubtful()}[asked_while]
    attempt = withdraw(attempt, now=later(20)).attempt
    if asked_while == "sending":
        attempt = answered(Result.UNKNOWN, attempt).attempt
    once = looked_up(attempt, Found.NOT_FOUND, later(60))
    assert (once.will_retry, once.closed) == (False, None)
    twice = looked_up(once.attempt, Found.NOT_FOUND, later(120))
    assert not twice.will_retry
    assert (twice.closed, twice.attempt.attempt_number) == (Closing.NOT_FOUND, 1)


def test_what_is_wanted_no_more_may_be_on_its_way_for_longer_than_it_takes_to_show():
    """A repeat costs nothing under its key; that it is called dead while a proxy holds it, money."""
    attempt = withdraw(doubtful(), now=later(2)).attempt
    for at in (10, 40, 99):
        move = looked_up(attempt, Found.NOT_FOUND, later(at))
        assert (move.will_retry, move.closed) == (False, None)
        attempt = move.attempt
    assert looked_up(attempt, Found.NOT_FOUND, attempt.next_at).closed is Closing.NOT_FOUND


def test_what_is_wanted_no_more_when_it_is_due_again_is_looked_for_once_more():
    attempt = withdraw(due_again(), now=later(130)).attempt
    held = take(attempt, owner="w2", attempt_id="att_2", now=later(130), policy=POLICY)
    assert (held.phase, held.attempt_number) == (Phase.LOOKING_UP, 1)
    once = looked_up(replace(attempt, phase=Phase.WAITING), Found.NOT_FOUND, later(5_000))
    twice = looked_up(once.attempt, Found.NOT_FOUND, later(10_000))
    assert (once.will_retry, twice.will_retry, twice.closed) == (False, False, Closing.NOT_FOUND)


def test_what_is_wanted_no_more_and_proved_absent_where_there_are_no_keys_ends_as_not_found():
    attempt = withdraw(doubtful(), now=NOW).attempt
    once = looked_up(attempt, Found.NOT_FOUND, later(60), policy=KEYLESS)
    assert once.closed is None
    twice = looked_up(once.attempt, Found.NOT_FOUND, later(120), policy=KEYLESS)
    assert (twice.closed, twice.attempt.attempt_number) == (Closing.NOT_FOUND, 1)


def test_a_decision_closes_and_a_call_under_way_still_tells_its_answer():
    move = decide(taken(), now=NOW)
    assert move.closed is Closing.DECIDED
    late = answered(Result.UNKNOWN, move.attempt)
    assert late.attempt.state is State.CLOSED
    assert late.attempt.lease_owner is None
    assert not decide(move.attempt, now=NOW).applied


def test_a_look_up_on_request_comes_at_once_but_not_twice_in_five_seconds():
    attempt = looked_up(doubtful(), Found.UNREACHABLE, later(1)).attempt
    assert not look_up_now(attempt, now=later(3), policy=POLICY).applied
    assert look_up_now(
        replace(attempt, next_at=later(99)), now=later(7), policy=POLICY
    ).attempt.next_at == later(7)
    assert not look_up_now(taken(), now=NOW, policy=POLICY).applied


@pytest.mark.parametrize(
    ("found", "result"),
    [(Found.NOT_FOUND, Result.UNKNOWN), (Found.UNREACHABLE, Result.UNKNOWN), (Found.FOUND, Result.UNKNOWN)],
)
@pytest.mark.parametrize("policy", [POLICY, KEYLESS])
def test_reading_a_payment_every_five_seconds_uses_up_no_rung_and_moves_none(found, result, policy):
    attempt = looked_up(doubtful(), Found.UNREACHABLE, later(1)).attempt
    attempt = looked_up(attempt, Found.UNREACHABLE, later(6)).attempt
    attempt = looked_up(attempt, Found.UNREACHABLE, later(36)).attempt
    before = attempt
    at_s, asked = 41.1, 0
    while later(at_s) < before.next_at:
        move = look_up_now(attempt, now=later(at_s), policy=policy)
        assert move.applied
        move = looked_up(move.attempt, found, later(at_s), result, policy=policy)
        assert (move.exhausted, move.closed, move.will_retry) == (False, None, False)
        attempt = move.attempt
        assert (attempt.rung, attempt.next_at) == (before.rung, before.next_at)
        at_s, asked = at_s + 5.1, asked + 1
    assert asked > 20
    climbed = looked_up(attempt, Found.UNREACHABLE, before.next_at).attempt
    assert climbed.rung == before.rung + 1


def test_a_ladder_that_is_read_all_the_time_is_exhausted_no_sooner_than_one_that_nobody_reads():
    def exhausted_after_s(every_s):
        attempt, now_s = doubtful(), 0.0
        while True:
            now_s = min((attempt.next_at - NOW).total_seconds(), now_s + every_s)
            attempt = look_up_now(attempt, now=later(now_s), policy=POLICY).attempt
            if attempt.next_at > later(now_s):
                continue
            move = looked_up(attempt, Found.UNREACHABLE, later(now_s))
            attempt = move.attempt
            if move.exhausted:
                return now_s

    assert exhausted_after_s(5.1) == exhausted_after_s(10.0**9) == sum(POLICY.ladder_s)


def test_a_look_up_on_request_that_finds_a_decision_closes_at_once():
    attempt = looked_up(doubtful(), Found.UNREACHABLE, later(1)).attempt
    attempt = replace(attempt, next_at=later(99), rung_at=later(99))
    asked = look_up_now(attempt, now=later(7), policy=POLICY).attempt
    assert looked_up(asked, Found.FOUND, later(7), Result.DONE).attempt.closing is Closing.ANSWERED


@pytest.mark.parametrize("found", [Found.FOUND, Found.NOT_FOUND, Found.UNREACHABLE])
def test_a_closed_attempt_is_looked_up_once_more_on_request_and_never_sent_again(found):
    attempt = answered(Result.DONE).attempt
    asked = look_up_now(attempt, now=later(60), policy=POLICY)
    assert asked.applied
    assert asked.attempt.state is State.CLOSED
    assert not look_up_now(asked.attempt, now=later(61), policy=POLICY).applied
    move = looked_up(asked.attempt, found, later(61))
    assert (move.attempt.state, move.attempt.looks_again, move.will_retry) == (State.CLOSED, False, False)
    assert not look_up_now(move.attempt, now=later(63), policy=POLICY).applied, "at most once in five seconds"
    assert look_up_now(move.attempt, now=later(99), policy=POLICY).applied


def test_an_attempt_that_never_reached_the_processor_has_nothing_to_look_up():
    withdrawn = withdraw(fresh(), now=NOW).attempt
    assert not look_up_now(withdrawn, now=later(60), policy=POLICY).applied
    decided = decide(fresh(), now=NOW).attempt
    assert not look_up_now(decided, now=later(60), policy=POLICY).applied


def test_decided_under_a_worker_that_died_it_is_looked_up_again_once_the_lease_ended():
    held = taken()
    decided = decide(held, now=NOW).attempt
    assert not look_up_now(decided, now=held.next_at - timedelta(seconds=1), policy=POLICY).applied, (
        "it may still be calling"
    )
    asked = look_up_now(decided, now=held.next_at, policy=POLICY)
    assert (asked.applied, asked.attempt.held) == (True, False)
    again = taken(asked.attempt, at=held.next_at)
    assert (again.phase, again.state, again.attempt_number) == (Phase.LOOKING_UP, State.CLOSED, 1)


def test_a_worker_that_dies_looking_again_leaves_it_to_the_next():
    asked = look_up_now(answered(Result.DONE).attempt, now=later(60), policy=POLICY).attempt
    again = take(
        lose_worker(taken(asked), now=later(200)), owner="w2", attempt_id="x", now=later(200), policy=POLICY
    )
    assert (again.phase, again.state, again.attempt_number) == (Phase.LOOKING_UP, State.CLOSED, 1)
