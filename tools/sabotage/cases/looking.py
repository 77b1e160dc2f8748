"""Sabotage of looking and waiting: look-ups that end, feeds that step back, facts that fit nowhere, vain proposals."""

from typing import Final

from tools.sabotage.case import Case, Patch

_FEEDS: Final = "services/processor/adapters/feeds.py"
_WORKER: Final = "services/processor/entrypoints/worker.py"
_DECIDE: Final = "services/payment/app/decide.py"
_UNRECOGNISED: Final = "services/payment/app/apply_unrecognised.py"
_ATTEMPT_TESTS: Final = "services/processor/tests/unit/test_attempt.py::"
_STORED_TESTS: Final = "services/processor/tests/db/test_attempts_stored.py::"
_UNREADABLE_TESTS: Final = "services/payment/tests/unit/test_unreadable_webhooks.py::"
_LANE_TESTS: Final = "services/processor/tests/unit/test_lane.py::"
_BETA_TESTS: Final = "services/processor/tests/unit/test_beta_http.py::"
_CONSUMER_TESTS: Final = "services/payment/tests/db/test_consumer.py::"
_FEED_TESTS: Final = "services/processor/tests/db/test_feed.py::"
_FAILING_TESTS: Final = "services/payment/tests/db/test_facts_that_fail.py::"
_DISMISSED_TESTS: Final = "services/payment/tests/db/test_dismissed_facts.py::"
_LIST_TESTS: Final = "services/payment/tests/db/test_operator_lists.py::"
_OPERATORS_TESTS: Final = "services/payment/tests/db/test_operators_decide.py::"

LOOKING: Final = (
    Case(
        name="look-up-within-lease",
        protection="a look-up ends with its lease, so that it is recorded and its ladder climbs",
        change="it may take as long as its list has pages",
        patches=(
            Patch(
                "services/processor/app/call_processor.py",
                "async with asyncio.timeout(left_s) as lease:",
                "async with asyncio.timeout(None) as lease:",
            ),
        ),
        tests=(_LANE_TESTS + "test_a_look_up_that_takes_longer_than_its_lease_ends_with_it_and_is_recorded",),
    ),
    Case(
        name="closed-under-a-dead-worker",
        protection="an attempt that was decided under a worker that died can be looked at again once the lease ended",
        change="it stays the dead worker's for ever, and every wish to look is dropped",
        patches=(
            Patch(
                "services/processor/domain/attempt.py",
                "calling = attempt.held and now < attempt.next_at",
                "calling = attempt.held",
            ),
        ),
        tests=(
            _ATTEMPT_TESTS
            + "test_decided_under_a_worker_that_died_it_is_looked_up_again_once_the_lease_ended",
            _STORED_TESTS + "test_decided_while_its_worker_died_it_is_looked_up_again_on_request",
        ),
    ),
    Case(
        name="unreadable-looks-at-what-it-names",
        protection="of an unreadable webhook what it names is looked up, whatever else of the payment is undecided",
        change="only what is undecided is looked up",
        patches=(
            Patch(
                _UNRECOGNISED,
                "if named is not None and named not in doubts and",
                "if named is not None and not doubts and",
            ),
        ),
        tests=(
            _UNREADABLE_TESTS + "test_the_operation_it_names_is_looked_up_also_while_another_is_undecided",
        ),
    ),
    Case(
        name="unreadable-is-told-beside-a-doubt",
        protection="an unreadable webhook about what is not in doubt is shown to a person, whatever else is undecided",
        change="it is shown only where nothing is",
        patches=(Patch(_UNRECOGNISED, "    if of_no_doubt:", "    if not doubts:"),),
        tests=(
            _UNREADABLE_TESTS + "test_the_operation_it_names_is_looked_up_also_while_another_is_undecided",
            _UNREADABLE_TESTS
            + "test_one_about_an_object_of_no_operation_is_told_to_a_person_also_while_one_is_undecided",
        ),
    ),
    Case(
        name="unreadable-of-another-kind",
        protection="an unreadable event of a dispute, or of its money, is shown to a person beside any doubt",
        change="it is taken to be about the doubt, whose look-up never shows a dispute",
        patches=(
            Patch(
                _UNRECOGNISED,
                'if any(word in (command.event_type or "").lower() for word in _MADE_BY_NONE):',
                "if False:",
            ),
        ),
        tests=(
            _UNREADABLE_TESTS
            + "test_what_no_operation_in_doubt_can_have_made_is_told_to_a_person_beside_the_doubt",
            _CONSUMER_TESTS
            + "test_an_unreadable_event_of_a_kind_that_no_operation_makes_is_shown_beside_a_doubt",
        ),
    ),
    Case(
        name="unreadable-of-another-object",
        protection="an unreadable event of another object than the one that a doubt is known by is shown to a person",
        change="it is taken to be about the doubt",
        patches=(Patch(_UNRECOGNISED, "return not (shown and command.object_id)", "return True"),),
        tests=(
            _UNREADABLE_TESTS
            + "test_another_object_than_that_of_a_doubt_which_was_shown_is_told_to_a_person",
        ),
    ),
    Case(
        name="feed-unreadable-is-told",
        protection="what a feed lists and nobody can read is told by the names it bears, before the cursor moves on",
        change="it is only kept",
        patches=(
            Patch(
                "services/processor/app/read_feed.py",
                '        uow.evidence.unrecognised(turn, reject, page.next_cursor or "start")\n',
                "        del reject\n",
            ),
        ),
        tests=(_FEED_TESTS + "test_what_cannot_be_read_is_told_once_by_the_names_it_bears",),
    ),
    Case(
        name="feed-unreadable-is-counted",
        protection="what a feed lists and nobody can read is counted, so that people hear of it",
        change="nothing counts it",
        patches=(
            Patch(_WORKER, "            counter(FEED_UNREADABLE, turn.processor, amount=unread)\n", ""),
        ),
        tests=(_FEED_TESTS + "test_what_cannot_be_read_is_counted_once",),
    ),
    Case(
        name="feed-unreadable-is-acted-on",
        protection="an unreadable event of a feed goes the way of an unreadable webhook",
        change="`payment` takes no notice of it",
        patches=(
            Patch(
                "services/payment/entrypoints/consumer.py",
                '("processor.events", "FeedEventUnrecognised", 1): on_feed_event_unrecognised',
                '("processor.events", "FeedEventUnrecognised", 1): lambda _event, _uow: None',
            ),
        ),
        tests=(
            _CONSUMER_TESTS
            + "test_what_an_unreadable_event_of_a_feed_names_is_looked_up_and_shown_to_a_person",
        ),
    ),
    Case(
        name="feed-hour-before-reading",
        protection="a round of a feed begins an hour before the last whole reading, also after an outage",
        change="it begins an hour before now",
        patches=(
            Patch(
                _FEEDS,
                "c.reached_at <= f.read_to_end_at - make_interval(secs => %(overlap_s)s)",
                "c.reached_at <= %(now)s - make_interval(secs => %(overlap_s)s)",
            ),
        ),
        tests=(
            _FEED_TESTS + "test_rounds_begin_an_hour_back",
            _FEED_TESTS + "test_after_an_outage_the_hour_before_it_is_read_again",
        ),
    ),
    Case(
        name="feed-round-goes-on",
        protection="a round that stepped back and broke off goes on where it stopped",
        change="it steps back again each time",
        patches=(Patch(_FEEDS, "coalesce(read_to_end_at >= overlapped_at, false)", "true"),),
        tests=(_FEED_TESTS + "test_a_round_that_stepped_back_and_broke_off_goes_on_from_there",),
    ),
    Case(
        name="feed-checkpoint-kept",
        protection="after days without a reading a feed is not begun at its start",
        change="every checkpoint that is old enough is dropped",
        patches=(
            Patch(
                _FEEDS,
                "AND reached_at < (SELECT max(o.reached_at) FROM feed_checkpoints AS o",
                "AND reached_at <= (SELECT max(o.reached_at) FROM feed_checkpoints AS o",
            ),
        ),
        tests=(_FEED_TESTS + "test_after_days_without_a_reading_a_feed_is_not_begun_at_its_start",),
    ),
    Case(
        name="feed-turn-by-the-clock",
        protection="a turn at a slow feed ends after seconds, so that the loop is seen to move",
        change="it ends after its pages alone",
        patches=(Patch(_WORKER, "if self._clock.monotonic_s() >= until_s:", "if False:"),),
        tests=(_FEED_TESTS + "test_a_turn_ends_by_the_clock_too_so_that_the_loop_is_seen_to_move",),
    ),
    Case(
        name="feed-patience",
        protection="a feed that asks for patience gets it",
        change="it is read again after its interval, whatever it asks for",
        patches=(
            Patch(_WORKER, "max(self._interval_s, patience_s)", "min(self._interval_s, patience_s or 1e9)"),
        ),
        tests=(_FEED_TESTS + "test_a_feed_that_asks_for_more_patience_than_an_interval_gets_it",),
    ),
    Case(
        name="list-patience",
        protection="a list of beta's that asks for patience is left alone, and not taken to be ill",
        change="any answer but 200 is an illness",
        patches=(
            Patch(
                "services/processor/adapters/processors/beta_list.py",
                "healthy=status < httpx2.codes.INTERNAL_SERVER_ERROR,",
                "healthy=False,",
            ),
        ),
        tests=(
            _BETA_TESTS + "test_a_list_that_asks_for_patience_gets_it_and_is_not_ill",
            _BETA_TESTS + "test_a_key_of_ours_that_the_list_refuses_is_no_sign_of_betas_health",
        ),
    ),
    Case(
        name="waits-are-lengths",
        protection="a ladder or limit of no length of time is refused at the start",
        change="what is not below zero will do",
        patches=(
            Patch(
                "services/processor/settings.py",
                "if not all(0 < wait_s <= WAIT_MAX_S for wait_s in waits_s):",
                "if any(wait_s <= 0 for wait_s in waits_s):",
            ),
        ),
        tests=(
            "services/processor/tests/unit/test_settings.py::test_what_could_not_be_kept_is_refused_by_its_name",
        ),
    ),
    Case(
        name="dismissed-once-stuck",
        protection="a fact is dismissed only once it is stuck: before, what it is about may still come",
        change="it is dismissed whenever somebody wants it",
        patches=(
            Patch("services/payment/app/dismiss_fact.py", "if uow.now < waiting.deadline_at:", "if False:"),
        ),
        tests=(_DISMISSED_TESTS + "test_what_is_none_of_ours_is_stuck_until_somebody_dismisses_it",),
    ),
    Case(
        name="dismissed-once-stuck-in-sql",
        protection="the database lets no fact be dismissed before it is stuck",
        change="it takes any time",
        patches=(
            Patch(
                "services/payment/migrations/versions/0021_dismiss_facts.py",
                "CHECK (dismissed_at >= deadline_at)",
                "CHECK (true)",
            ),
        ),
        tests=(_DISMISSED_TESTS + "test_sql_lets_nothing_be_dismissed_early_or_by_nobody",),
    ),
    Case(
        name="dismissed-stays",
        protection="who dismissed a fact, and why, stays as it was written",
        change="the database takes another word",
        patches=(
            Patch(
                "services/payment/migrations/versions/0021_dismiss_facts.py",
                "WHEN (OLD.dismissed_at IS NOT NULL",
                "WHEN (false",
            ),
        ),
        tests=(_DISMISSED_TESTS + "test_who_dismissed_a_fact_and_why_stays_as_it_was_written",),
    ),
    Case(
        name="dismissed-rests",
        protection="a dismissed fact is not looked at by the clock, also after what it names was heard of",
        change="it goes on as any other that waits",
        patches=(
            Patch(
                "services/payment/app/wake_waiting_facts.py",
                "NEVER if waiting.dismissed_at is not None else",
                "NEVER if False else",
            ),
        ),
        tests=(
            _DISMISSED_TESTS
            + "test_a_dismissed_fact_of_a_payment_closes_its_case_and_counts_when_its_object_comes",
            _FAILING_TESTS + "test_one_that_was_dismissed_and_fails_once_more_rests_on",
        ),
    ),
    Case(
        name="proposal-has-its-proof",
        protection="a success without an object is refused to whoever proposes it",
        change="only whoever approves it hears of it",
        patches=(Patch(_DECIDE, "if decision.outcome is Outcome.SUCCEEDED:", "if False:"),),
        tests=(_OPERATORS_TESTS + "test_what_is_not_in_review_or_has_no_evidence_is_not_decided",),
    ),
    Case(
        name="proposal-would-decide",
        protection="a success that its object cannot show is refused to its proposer, not only to who approves it",
        change="only whoever approves it hears of it",
        patches=(
            Patch(
                _DECIDE,
                "if not would_decide(payment, operation, proof, _moment(decision, uow)):",
                "if False:",
            ),
        ),
        tests=(
            _OPERATORS_TESTS + "test_a_success_that_its_object_cannot_show_is_refused_to_whoever_proposes_it",
        ),
    ),
    Case(
        name="proof-is-this-payments",
        protection="no operation is said to have succeeded by an object that is another payment's",
        change="nobody looks whose the object is",
        patches=(Patch(_DECIDE, "if owner not in {None, payment.payment_id}:", "if False:"),),
        tests=(
            _OPERATORS_TESTS + "test_a_success_that_its_object_cannot_show_is_refused_to_whoever_proposes_it",
        ),
    ),
    Case(
        name="proposal-can-be-returned",
        protection="the return of what cannot be given back is refused to whoever proposes it",
        change="only whoever approves it hears of it",
        patches=(Patch(_DECIDE, "elif decision.outcome is Outcome.RETURN:", "elif False:"),),
        tests=(_OPERATORS_TESTS + "test_a_stray_is_returned_once_and_only_by_two_people",),
    ),
    Case(
        name="list-behind-a-place",
        protection="a page of what waits goes on behind its last row, whatever others stand since the same moment",
        change="it goes on behind that moment",
        patches=(
            Patch(
                "services/payment/adapters/operator_lists.py",
                "({1}, {2}) > (%(behind_at)s, %(behind_id)s::text)",
                "{1} > %(behind_at)s",
            ),
        ),
        tests=(_LIST_TESTS + "test_pages_leave_nothing_out_though_rows_of_one_moment_come_and_go",),
    ),
)
