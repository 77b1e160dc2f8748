"""Sabotage of the adapters of processors: what an absence, a refusal and a page prove, and what they do not."""

from typing import Final

from tools.sabotage.case import Case, Patch

_LIST: Final = "services/processor/adapters/processors/beta_list.py"
_DECLARED_TESTS: Final = "services/processor/tests/unit/test_declarations.py::"
_ALPHA_TESTS: Final = "services/processor/tests/unit/test_alpha_http.py::"
_STORED_TESTS: Final = "services/processor/tests/db/test_attempts_stored.py::"
_PAGE_TESTS: Final = "services/processor/tests/unit/test_pages.py::"
_DISPUTE_TESTS: Final = "services/payment/tests/unit/test_disputes.py::"
_LIST_TESTS: Final = "services/processor/tests/unit/test_beta_list.py::"
_LANE_TESTS: Final = "services/processor/tests/unit/test_lane.py::"
_BETA_TESTS: Final = "services/processor/tests/unit/test_beta_http.py::"

ADAPTERS: Final = (
    Case(
        name="list-begins-before-our-clock",
        protection="a list that goes by the processor's clock is read from long enough before the send that ours noted",
        change="it is read from that moment on",
        patches=(
            Patch(
                "services/processor/domain/policy.py",
                "return first_sent_at - timedelta(seconds=CLOCKS_DIFFER_S + self.visibility_window_s)",
                "return first_sent_at",
            ),
        ),
        tests=(
            _DECLARED_TESTS + "test_only_a_list_is_searched_and_that_from_long_enough_before_the_first_send",
        ),
    ),
    Case(
        name="absent-by-one-clock",
        protection="what a list does not show is not absent while its clock and ours differ by minutes",
        change="nobody compares the clocks",
        patches=(Patch(_LIST, "if not facts and reading.clocks_differ:", "if False:"),),
        tests=(
            _BETA_TESTS
            + "test_where_the_clocks_differ_by_more_than_is_allowed_for_an_absence_proves_nothing",
        ),
    ),
    Case(
        name="refused-in-its-own-words",
        protection="a request is refused for good only in words that the processor documents",
        change="any code will do, a proxy's as well",
        patches=(
            Patch(
                "services/processor/adapters/processors/alpha_http.py",
                "return code in REFUSED.get(status, frozenset())",
                "return code is not None and status in REFUSED",
            ),
        ),
        tests=(_ALPHA_TESTS + "test_each_status_is_taken_for_what_it_is_documented_to_prove",),
    ),
    Case(
        name="refused-is-not-done",
        protection="the sandbox takes no rule by which a refusal would be no refusal",
        change="a call that is refused is done once all the same",
        patches=(
            Patch(
                "services/sandbox/app/script_requests.py",
                "if effect is EffectPlan.TWICE and reply in NO_EFFECT:",
                "if False:",
            ),
        ),
        tests=("services/sandbox/tests/unit/test_script_requests.py::test_what_does_not_fit_is_named",),
    ),
    Case(
        name="large-page-in-parts",
        protection="a page of a feed that is too large is asked for again with fewer events",
        change="it is asked for again as it was, for ever",
        patches=(
            Patch(
                "services/processor/adapters/processors/pages.py",
                "if broken.failure is not Failure.TOO_LARGE or self._events == 1:",
                "if True:",
            ),
        ),
        tests=(
            _PAGE_TESTS
            + "test_a_page_of_large_events_is_read_with_fewer_of_them_and_small_ones_with_many_again",
        ),
    ),
    Case(
        name="page-grows-again",
        protection="behind a large event pages have as many events again as before",
        change="they stay as small as the smallest was",
        patches=(
            Patch(
                "services/processor/adapters/processors/pages.py",
                "self._events = min(self._events * 2, self._events_max)",
                "pass",
            ),
        ),
        tests=(
            _PAGE_TESTS
            + "test_a_page_of_large_events_is_read_with_fewer_of_them_and_small_ones_with_many_again",
        ),
    ),
    Case(
        name="evidence-ends",
        protection="a merchant hands evidence in so often and no more, for each event of a dispute shows all of it",
        change="nobody counts",
        patches=(
            Patch(
                "services/payment/domain/dispute_requests.py",
                "if len(handed_in) >= EVIDENCE_TIMES_MAX:",
                "if False:",
            ),
        ),
        tests=(
            _DISPUTE_TESTS + "test_evidence_is_handed_in_ten_times_and_what_was_refused_does_not_count",
            "services/payment/tests/db/test_http_disputes.py::test_evidence_is_not_handed_in_without_end",
        ),
    ),
    Case(
        name="ages-apart",
        protection="a doubt of days keeps none of minutes waiting for the list of days that it is sought in",
        change="all share one reading, from the oldest on",
        patches=(
            Patch(_LIST, "self._queues[bisect_left(AGES, self._clock.now() - since)]", "self._queues[0]"),
        ),
        tests=(_LIST_TESTS + "test_who_asks_from_minutes_ago_does_not_wait_for_a_reading_of_days",),
    ),
    Case(
        name="unheard-reading-ends",
        protection="a reading that nobody waits for any more ends, and those behind it begin",
        change="it goes on to its end",
        patches=(Patch(_LIST, "if reading.waiting == 0 and not reading.done.done():", "if False:"),),
        tests=(_LIST_TESTS + "test_a_reading_that_nobody_waits_for_ends_and_the_next_one_begins",),
    ),
    Case(
        name="half-for-sends",
        protection="look-ups take at most half of a lane, however long they last: the rest is for sends",
        change="they take all of it",
        patches=(
            Patch(
                "services/processor/app/call_processor.py",
                "max(max(allowed // 2, 1) - self._look_ups_in_flight, 0)",
                "wanted",
            ),
        ),
        tests=(_LANE_TESTS + "test_look_ups_that_hang_leave_half_of_the_lane_to_sends",),
    ),
    Case(
        name="half-for-sends-in-sql",
        protection="a claim takes no more look-ups than it may, and sends for the rest",
        change="it takes look-ups for all",
        patches=(
            Patch(
                "services/processor/adapters/attempts.py",
                "ORDER BY next_at LIMIT %(look_ups)s FOR UPDATE",
                "ORDER BY next_at LIMIT %(calls)s FOR UPDATE",
            ),
        ),
        tests=(_STORED_TESTS + "test_look_ups_take_no_more_of_a_claim_than_they_may_and_sends_the_rest",),
    ),
    Case(
        name="every-second-turn",
        protection="in a lane of one place every second turn is for sends: refused look-ups keep it narrow alone",
        change="look-ups come first every time",
        patches=(
            Patch(
                "services/processor/app/call_processor.py",
                "sends_turn = allowed == 1 and self._looked_up_last",
                "sends_turn = False",
            ),
        ),
        tests=(_LANE_TESTS + "test_in_a_lane_of_one_place_look_ups_leave_every_second_turn_to_sends",),
    ),
    Case(
        name="due-by-index",
        protection="a claim finds look-ups and sends each by an index of its own, however long the other's backlog",
        change="the index of all that is open is kept instead",
        patches=(
            Patch(
                "services/processor/migrations/versions/0013_end_what_is_wanted_no_more.py",
                'op.execute("DROP INDEX attempts_due")',
                'op.execute("DROP INDEX attempts_to_send, attempts_to_look_up")',
            ),
        ),
        tests=(_STORED_TESTS + "test_neither_look_ups_nor_sends_walk_through_the_backlog_of_the_other",),
    ),
    Case(
        name="open-by-index",
        protection="what is open is not looked for among all attempts that ever were",
        change="it is asked for by its state alone",
        patches=(
            Patch(
                "services/processor/adapters/tables.py",
                "f\"({TO_SEND} OR (state = 'open' AND phase <> 'due'))\"",
                "\"(state = 'open')\"",
            ),
        ),
        tests=(_STORED_TESTS + "test_what_is_open_is_not_looked_for_among_all_that_ever_was",),
    ),
    Case(
        name="late-is-not-written",
        protection="a worker that slept past its lease, its connection open or not, writes no request any more",
        change="only before a connection is looked for is it asked whether there is time",
        patches=(
            Patch(
                "services/processor/adapters/processors/exchange.py",
                "if step in _WRITES and not in_time():",
                "if False:",
            ),
        ),
        tests=("services/processor/tests/unit/test_exchange.py::test_what_is_late_by_now_is_not_written",),
    ),
    Case(
        name="late-by-its-lease",
        protection="what is asked right before a request is written is whether its lease still runs",
        change="it always does",
        patches=(
            Patch(
                "services/processor/app/call_processor.py",
                "in_time=lambda: self._clock.monotonic_s() <= record_by_s",
                "in_time=lambda: True",
            ),
        ),
        tests=(_LANE_TESTS + "test_a_request_is_in_time_only_as_long_as_its_lease",),
    ),
)
