"""Sabotage of the patience with processors: keys that die, ladders, late decisions, outages, too many calls."""

from typing import Final

from tools.sabotage.case import Case, Patch

_ATTEMPT = "services/processor/domain/attempt.py"
_BREAKER = "services/processor/domain/breaker.py"
_ATTEMPT_TESTS = "services/processor/tests/unit/test_attempt.py::"
_FEED_TESTS: Final = "services/processor/tests/db/test_feed.py::"
_IN_DOUBT_TESTS = "services/processor/tests/db/test_attempts_that_end_in_doubt.py::"
_STORED_TESTS = "services/processor/tests/db/test_attempts_stored.py::"
_WRITTEN_TESTS = "services/processor/tests/db/test_attempts_written.py::"
_BREAKER_TESTS = "services/processor/tests/unit/test_breaker.py::"
_DECLARED_TESTS = "services/processor/tests/unit/test_declarations.py::"
_LANE_TESTS = "services/processor/tests/unit/test_lane.py::"
_OUTAGE_TESTS = "services/processor/tests/unit/test_outage.py::"

_COMPOSED: Final = "services/payment/tests/unit/test_composition.py::"
_ROUTED: Final = "services/payment/tests/db/test_route_check.py::"
_LEFT: Final = "services/processor/tests/db/test_unattended.py::"

CALLING: Final = (
    Case(
        name="window-of-a-list",
        protection="where effects show late in a list, a process without a window does not start",
        change="it starts, and what does not show yet counts as never done",
        patches=(
            Patch(
                "services/processor/bootstrap.py",
                "if capabilities.look_up_by is LookUpBy.DELAYED_LIST and not visibility_window_s:",
                "if False:",
            ),
        ),
        tests=(_DECLARED_TESTS + "test_a_list_without_a_window_is_refused_at_the_start",),
    ),
    Case(
        name="routes-at-start",
        protection="a process that cannot follow a routing rule takes no payments",
        change="it starts, and refuses each payment of that rule",
        patches=(
            Patch("services/payment/bootstrap.py", "        own_checks=(parts.route_check(),),\n", ""),
            Patch(
                "services/payment/adapters/route_check.py",
                "if rule.processor not in configured",
                "if rule.processor not in {rule.processor}",
            ),
        ),
        tests=(
            _COMPOSED + "test_a_process_asks_at_its_start_whether_it_can_follow_the_routing_rules",
            _ROUTED + "test_a_rule_for_a_processor_that_is_not_configured_here_is_told_at_the_start",
        ),
    ),
    Case(
        name="attempts-at-start",
        protection="whoever works is told of open attempts at a processor that is not configured: no lane takes them",
        change="it works the processors that it knows, and says nothing",
        patches=(
            Patch(
                "services/processor/bootstrap.py",
                'own_checks=(check("attempts", lambda: tell_unattended(parts.engine, policies), "work"),),',
                "",
            ),
        ),
        tests=(_LEFT + "test_whoever_works_is_told_at_the_start_and_starts",),
    ),
    Case(
        name="attempts-unattended-counted",
        protection="a gauge counts open attempts at a processor that is not configured here, and none that has a case",
        change="those with a case are counted too",
        patches=(
            Patch(
                "services/processor/adapters/unattended.py",
                " AND exhausted_at IS NULL",
                "",
            ),
        ),
        tests=(_LEFT + "test_open_attempts_at_a_processor_that_is_not_configured_are_counted_by_processor",),
    ),
    Case(
        name="wish-where-nobody-looks",
        protection="a wish to look up at a processor that is not configured here ends no consumer",
        change="the processor is taken for one that is known",
        patches=(
            Patch(
                "services/processor/app/accept_command.py",
                "if attempt is None or attempt.operation.processor not in policies:",
                "if attempt is None:",
            ),
        ),
        tests=(_LEFT + "test_a_wish_to_look_up_where_nobody_can_ends_no_consumer",),
    ),
    Case(
        name="not-done-in-its-own-words",
        protection="a status means not executed only with the processor's own word: a proxy's may follow the effect",
        change="whoever answers with such a status has not done it, and it is sent anew",
        patches=(
            Patch(
                "services/processor/adapters/processors/exchange.py",
                "if code in not_executed.get(status, frozenset()):",
                "if status in not_executed or status in {401, 403}:",
            ),
        ),
        tests=(
            "services/processor/tests/unit/test_beta_http.py::test_only_what_beta_documents_as_not_done_counts_as_not_done",
            "services/processor/tests/unit/test_alpha_http.py::test_each_status_is_taken_for_what_it_is_documented_to_prove",
        ),
    ),
    Case(
        name="adapter-fault-in-doubt",
        protection="a fault of an adapter's own leaves its one call in doubt, and cuts off no other",
        change="it ends the lane with every call under way",
        patches=(
            Patch(
                "services/processor/app/call_processor.py",
                "except Exception:  # noqa: BLE001 - whatever it is, the call may have had its effect",
                "except ZeroDivisionError:",
            ),
        ),
        tests=(_LANE_TESTS + "test_a_fault_of_the_adapters_own_leaves_its_one_call_in_doubt_and_no_other",),
    ),
    Case(
        name="searched-from-the-first-send",
        protection="a list is searched from the first send on",
        change="a look-up is not told from when on",
        patches=(
            Patch(
                "services/processor/domain/policy.py",
                "if first_sent_at is None or self.look_up_by is not LookUpBy.DELAYED_LIST:",
                "if True:",
            ),
        ),
        tests=(
            _DECLARED_TESTS + "test_only_a_list_is_searched_and_that_from_long_enough_before_the_first_send",
            _DECLARED_TESTS + "test_the_lane_gives_a_look_up_what_is_declared_that_it_needs",
        ),
    ),
    Case(
        name="dead-key",
        protection="what was sent under a key that has died since is only looked up, whenever its worker comes",
        change="the key's life is looked at when a send comes due, not when it is made",
        patches=(
            Patch(
                _ATTEMPT,
                "if waits or (attempt.doubtful and not _repeats(attempt, now, policy)):",
                "if waits:",
            ),
        ),
        tests=(
            _ATTEMPT_TESTS
            + "test_what_came_due_under_a_live_key_and_is_taken_under_a_dead_one_is_only_looked_up",
            _STORED_TESTS + "test_a_worker_that_comes_back_after_the_key_has_died_only_looks_up",
        ),
    ),
    Case(
        name="withdrawn-not-sent-again",
        protection="what is wanted no more and may have arrived is looked for, and never sent again",
        change="the wish is forgotten once the send is in doubt",
        patches=(Patch(_ATTEMPT, "wanted = not attempt.withdrawal_requested", "wanted = True"),),
        tests=(
            _ATTEMPT_TESTS
            + "test_what_is_wanted_no_more_is_not_sent_again_and_ends_once_it_is_proved_absent",
            _IN_DOUBT_TESTS + "test_what_is_wanted_no_more_is_not_sent_again_and_ends_as_not_found",
        ),
    ),
    Case(
        name="absent-no-sooner",
        protection="what is wanted no more is not called absent as long as it may be on its way still",
        change="the visibility window is enough",
        patches=(
            Patch(
                _ATTEMPT,
                "unwanted = attempt.withdrawal_requested and _passed(attempt, policy.absence_window_s)",
                "unwanted = attempt.withdrawal_requested",
            ),
        ),
        tests=(
            _ATTEMPT_TESTS + "test_what_is_wanted_no_more_may_be_on_its_way_for_longer_than_it_takes_to_show",
        ),
    ),
    Case(
        name="absent-however-often-sent",
        protection="what was sent twice under one key and is wanted no more ends as not found",
        change="SQL knows no such end, and the worker ends instead, again and again",
        patches=(
            Patch(
                "services/processor/migrations/versions/0013_end_what_is_wanted_no_more.py",
                " OR withdrawal_requested",
                "",
            ),
        ),
        tests=(
            _IN_DOUBT_TESTS + "test_what_was_sent_twice_and_is_wanted_no_more_ends_as_not_found",
            _IN_DOUBT_TESTS
            + "test_sql_calls_absent_what_may_have_arrived_twice_only_where_it_is_wanted_no_more",
        ),
    ),
    Case(
        name="exhausted-of-no-money",
        protection="a hold made by others may be let go, in doubt to the end, at a payment that never asked for money",
        change="its currency is asked for where there is none, which ends the worker again and again",
        patches=(Patch("services/processor/app/record_outcomes.py", " or OF_NO_MONEY", ""),),
        tests=(
            _IN_DOUBT_TESTS
            + "test_a_cancel_of_a_payment_that_never_asked_for_money_is_in_doubt_to_the_end_as_well",
        ),
    ),
    Case(
        name="exhausted-in-a-currency",
        protection="a cancel in doubt to the end is told in its payment's currency, since the contract knows no other",
        change="it is told in none, which ends the worker again and again",
        patches=(
            Patch(
                "services/processor/app/record_outcomes.py",
                "asked.currency or uow.attempts.currency_of(asked.payment_id)",
                'asked.currency or "XXX"',
            ),
        ),
        tests=(_IN_DOUBT_TESTS + "test_a_cancel_in_doubt_to_the_end_is_told_in_the_currency_of_its_payment",),
    ),
    Case(
        name="end-of-patience",
        protection="what a processor accepted, to decide later, is in doubt when its time is up",
        change="patience has no end",
        patches=(
            Patch(
                _ATTEMPT,
                "if _pends(attempt) and now >= _decides_by(attempt, policy):",
                "if False:",
            ),
        ),
        tests=(
            _ATTEMPT_TESTS
            + "test_accepted_waits_without_doubt_until_its_time_is_up_and_then_climbs_to_a_person",
            _STORED_TESTS
            + "test_what_was_accepted_and_never_decided_is_told_as_unknown_and_exhausted_by_its_ladder",
        ),
    ),
    Case(
        name="readers-use-no-rung",
        protection="somebody who only reads a doubtful payment uses none of its ladder up",
        change="a look-up on request climbs like the ladder's own",
        patches=(Patch(_ATTEMPT, "    if not _by_ladder(attempt):\n", "    if False:\n"),),
        tests=(
            _ATTEMPT_TESTS
            + "test_a_ladder_that_is_read_all_the_time_is_exhausted_no_sooner_than_one_that_nobody_reads",
            _STORED_TESTS + "test_many_reads_of_a_doubtful_payment_leave_its_ladder_alone",
        ),
    ),
    Case(
        name="feed-turn-given-back",
        protection="a feed that breaks off once is read again after its interval",
        change="the turn is kept until its lease ends by itself",
        patches=(
            Patch(
                "services/processor/entrypoints/worker.py",
                "                self._leave(turn, max(self._interval_s, patience_s))\n",
                "                del patience_s\n",
            ),
        ),
        tests=(
            _FEED_TESTS + "test_a_feed_that_breaks_off_is_read_again_after_an_interval_from_its_last_page",
        ),
    ),
    Case(
        name="one-probe-is-not-enough",
        protection="unlucky cards do not shut a processor that answers others",
        change="one failed probe keeps it shut",
        patches=(
            Patch(_BREAKER, "(PROBES if self.openings else FAILURES_TO_OPEN)", "(1 if self.openings else 5)"),
        ),
        tests=(_BREAKER_TESTS + "test_unlucky_cards_do_not_shut_a_processor_that_answers",),
    ),
    Case(
        name="no-stampede",
        protection="after an outage the calls under way at most double in a second",
        change="every good answer opens the door for one more",
        patches=(
            Patch(_BREAKER, "min(float(self.limit_max), self.round_limit, ", "min(float(self.limit_max), "),
        ),
        tests=(
            _OUTAGE_TESTS
            + "test_two_hours_away_queue_what_must_wait_refuse_what_may_not_and_drain_without_a_stampede",
        ),
    ),
    Case(
        name="fewer-calls",
        protection="a processor that asks for fewer calls gets fewer",
        change="an answer that asks for fewer is waited out, and then as many are made",
        patches=(
            Patch(
                _BREAKER,
                "self.limit = self.doubles_below = max(1.0, self.limit - DECREASE)",
                "self.limit = self.doubles_below = max(1.0, self.limit)",
            ),
        ),
        tests=(
            _OUTAGE_TESTS + "test_a_processor_that_asks_for_fewer_calls_gets_fewer_and_nothing_is_abandoned",
        ),
    ),
    Case(
        name="attempts-written",
        protection="an attempt that was not written as it was decided takes its transaction back",
        change="nobody counts what was written",
        patches=(
            Patch("services/processor/adapters/attempts.py", "if answer.affected != rows:", "if False:"),
        ),
        tests=(
            _WRITTEN_TESTS + "test_a_command_whose_attempt_is_not_written_is_not_taken_in",
            _WRITTEN_TESTS + "test_an_attempt_whose_claim_is_not_written_is_not_sent",
        ),
    ),
)
