"""Sabotage of payments and of the calls to processors: what is charged, refunded, and known."""

from typing import Final

from tools.sabotage.case import Case, Patch

_ALPHA = "services/processor/adapters/processors/alpha_http.py"
_ALPHA_TESTS = "services/processor/tests/unit/test_alpha_http.py::"
_ATTEMPTS_TESTS = "services/processor/tests/db/test_attempts_stored.py::"
_OUTCOME = "services/processor/domain/outcome.py"
_PAYMENTS = "services/payment/adapters/payments.py"
_SCHEMA = "services/payment/migrations/versions/0001_create_payments.py"
_DISPUTES_SCHEMA = "services/payment/migrations/versions/0004_disputes_and_reversals.py"
_STRAY_TESTS = "services/payment/tests/unit/test_disputed_strays.py::"
_STRAY_SCHEMA = "services/payment/migrations/versions/0010_keep_disputed_strays.py"
_STRAY_SCHEMA_TESTS = "services/payment/tests/db/test_disputed_strays.py::"
_SCHEMA_TESTS = "services/payment/tests/db/test_schema_rules.py::"
_REFUND_TESTS = "services/payment/tests/db/test_refund_guard.py::"
_ROOM_TESTS = "services/payment/tests/unit/test_refund_rooms.py::"
_ABANDONED_TESTS = "services/payment/tests/db/test_abandoned.py::"
_CHARGE_TESTS = "tests/integration/test_one_charge_per_operation.py::"
_LAST_TESTS = "services/payment/tests/unit/test_last_captures_astray.py::"
_ROUTE_TESTS = "services/payment/tests/unit/test_routing.py::"
_ORDER_TESTS = "services/payment/tests/property/test_order_independence.py::"

PAYMENTS: Final = (
    Case(
        name="processor-key",
        protection="one operation has one key at the processor, whatever is sent again",
        change="each send makes a new key",
        patches=(
            Patch(
                _ALPHA,
                '"Idempotency-Key": operation.idempotency_key,',
                '"Idempotency-Key": f"{operation.idempotency_key}-{__import__(\'time\').monotonic_ns()}",',
            ),
        ),
        tests=(
            _ALPHA_TESTS + "test_an_authorization_is_asked_under_our_key_and_read_into_a_fact",
            _CHARGE_TESTS + "test_a_charge_whose_answer_was_lost_is_made_once_however_often_it_is_sent",
        ),
    ),
    Case(
        name="timeout-is-unknown",
        protection="a call that timed out may have taken effect",
        change="a timeout counts as declined",
        patches=(Patch(_OUTCOME, "Failure.TIMEOUT: Result.UNKNOWN", "Failure.TIMEOUT: Result.DECLINED"),),
        tests=(
            _ALPHA_TESTS + "test_a_call_has_a_total_time_and_is_then_unknown",
            _CHARGE_TESTS + "test_a_charge_whose_answer_was_lost_is_made_once_however_often_it_is_sent",
        ),
    ),
    Case(
        name="broken-call-is-unknown",
        protection="a connection that broke after the request may have carried it",
        change="a broken read counts as not sent, and is sent again blindly",
        patches=(Patch(_OUTCOME, "Failure.READ: Result.UNKNOWN", "Failure.READ: Result.NOT_SENT"),),
        tests=(_ALPHA_TESTS + "test_a_connection_that_breaks_after_the_request_is_unknown",),
    ),
    Case(
        name="500-is-unknown",
        protection="a processor's 500 proves nothing",
        change="every status that is not understood counts as declined",
        patches=(
            Patch(
                _ALPHA,
                'result=Result.UNKNOWN, error_code=f"http_{status}", body_sha256=digest,\n',
                'result=Result.DECLINED, error_code=f"http_{status}", body_sha256=digest,\n',
            ),
        ),
        tests=(_ALPHA_TESTS + "test_each_status_is_taken_for_what_it_is_documented_to_prove",),
    ),
    Case(
        name="lost-worker-is-looked-up",
        protection="a send whose worker died is looked up before anything is sent again",
        change="it is sent again at once",
        patches=(
            Patch(
                "services/processor/domain/attempt.py",
                "attempt, phase=Phase.WAITING, doubtful=True, result=Result.UNKNOWN, lease_owner=None, next_at=now,\n",
                "attempt, phase=Phase.DUE, doubtful=True, result=Result.UNKNOWN, lease_owner=None, next_at=now,\n",
            ),
        ),
        tests=(_ATTEMPTS_TESTS + "test_a_worker_that_slept_past_its_lease_changes_nothing_when_it_wakes",),
    ),
    Case(
        name="attempt-epoch",
        protection="an answer counts only under the lease epoch that asked for it",
        change="the lease is known by its owner's name alone",
        patches=(
            Patch(
                "services/processor/app/record_outcomes.py",
                "return attempt.lease_owner, attempt.lease_epoch",
                "return attempt.lease_owner, 0",
            ),
        ),
        tests=(_ATTEMPTS_TESTS + "test_the_same_worker_under_an_old_epoch_changes_nothing_either",),
    ),
    Case(
        name="refund-guard",
        protection="refund room is taken by one guarded update of the payment's row",
        change="the update and the table's CHECK no longer ask whether there is room",
        patches=(
            Patch(
                _PAYMENTS,
                "\n   AND %(amount)s <= captured_minor - refunded_minor - refund_reserved_minor"
                " - disputed_open_minor - reversed_minor\n",
                "\n",
            ),
            Patch(
                _SCHEMA,
                "refunded_minor - refunded_adopted_minor + refund_reserved_minor <= captured_minor",
                "refund_reserved_minor >= 0",
            ),
        ),
        tests=(_REFUND_TESTS + "test_the_guarded_update_alone_refuses_what_has_no_room",),
    ),
    Case(
        name="refund-of-a-lost-capture",
        protection="a refund is never taken from a capture whose money disputes or reversals took",
        change="what was taken back does not count against the capture, in the domain and in the guarded update",
        patches=(
            Patch(
                "services/payment/domain/refund_room.py",
                "    return disputed_minor + reversed_minor\n",
                "    return 0 * (disputed_minor + reversed_minor)\n",
            ),
            Patch(
                _PAYMENTS,
                "CASE WHEN d.status IN ('opened', 'under_review')",
                "CASE WHEN d.status IN ('none')",
            ),
            Patch(_PAYMENTS, "sum(d.written_off_minor + ", "sum(0 * d.written_off_minor + "),
        ),
        tests=(
            _ROOM_TESTS + "test_a_refund_is_not_taken_from_a_capture_that_was_charged_back",
            _ROOM_TESTS + "test_nor_from_one_that_is_in_dispute",
            _REFUND_TESTS + "test_the_guarded_update_alone_refuses_a_capture_whose_money_is_gone",
        ),
    ),
    Case(
        name="payment-lock",
        protection="a payment is decided about under its row's lock",
        change="payments are read without FOR UPDATE",
        patches=(Patch(_PAYMENTS, "ORDER BY p.payment_id FOR UPDATE", "ORDER BY p.payment_id"),),
        tests=(_REFUND_TESTS + "test_of_many_refunds_at_once_only_those_with_room_are_taken",),
    ),
    Case(
        name="transition-table",
        protection="FAILED has no exit",
        change="the table lets a failed payment be captured",
        patches=(
            Patch(
                "services/payment/domain/lifecycle.py",
                "Status.FAILED: frozenset(),",
                "Status.FAILED: frozenset({Status.CAPTURED}),",
            ),
        ),
        tests=(
            "services/payment/tests/unit/test_tables.py::test_the_roads_that_must_never_exist_do_not",
            _SCHEMA_TESTS + "test_the_database_holds_the_same_tables_as_the_code",
        ),
    ),
    Case(
        name="transition-trigger",
        protection="the database refuses a step that the table does not list",
        change="the triggers on payments, operations, refunds and history let every step pass",
        patches=(
            Patch(
                _SCHEMA,
                "IF NOT EXISTS (SELECT FROM legal_transitions AS l\n",
                "IF false AND NOT EXISTS (SELECT FROM legal_transitions AS l\n",
            ),
        ),
        tests=(_SCHEMA_TESTS + "test_an_illegal_step_is_refused",),
    ),
    Case(
        name="one-undecided-operation",
        protection="a payment has at most one undecided operation besides refunds",
        change="the unique index is an ordinary one",
        patches=(
            Patch(
                _DISPUTES_SCHEMA,
                "CREATE UNIQUE INDEX operations_one_undecided ON",
                "CREATE INDEX operations_one_undecided ON",
            ),
        ),
        tests=(_SCHEMA_TESTS + "test_two_undecided_operations_are_refused",),
    ),
    Case(
        name="doubt-is-no-silence",
        protection="a payment in which anything is undecided is never abandoned",
        change="a month without a method is enough, whatever may have been charged meanwhile",
        patches=(
            Patch(
                "services/payment/domain/abandoning.py",
                " and payment.blocking_operation() is None",
                "",
            ),
        ),
        tests=("services/payment/tests/unit/test_abandoning.py::test_what_is_undecided_keeps_it_alive",),
    ),
    Case(
        name="abandoned-trigger",
        protection="the database refuses to abandon a payment too soon or in doubt, and to take it back",
        change="the trigger is never called",
        patches=(
            Patch(
                "services/payment/migrations/versions/0014_abandon_payments.py",
                "WHEN (NEW.abandoned IS DISTINCT FROM OLD.abandoned)",
                "WHEN (false)",
            ),
        ),
        tests=(
            _ABANDONED_TESTS + "test_the_database_refuses_to_abandon_what_is_in_doubt_and_to_take_it_back",
        ),
    ),
    Case(
        name="highest-version-wins",
        protection="an older word about an object never replaces a newer one, whichever comes first",
        change="the last fact to arrive wins",
        patches=(
            Patch(
                "services/payment/domain/absorbing.py",
                "and not known.implied and fact.rank <= known.rank:",
                "and not known.implied and fact.rank == known.rank:",
            ),
        ),
        tests=(_ORDER_TESTS + "test_all_120_orders_end_alike_with_a_duplicate_of_each_at_each_position",),
    ),
    Case(
        name="came-and-went",
        protection="a capture of which only its later failure was heard had succeeded before",
        change="it counts as declined",
        patches=(
            Patch(
                "services/payment/domain/absorbing_captures.py",
                "if came_and_went(thing, fact):",
                "if False:",
            ),
        ),
        tests=(_ORDER_TESTS + "test_a_capture_that_failed_later_came_and_went_in_all_orders",),
    ),
    Case(
        name="astray-came-and-went",
        protection="a capture not as asked, of which only its later failure was heard, is a stray that went again",
        change="it leaves no trace in the books",
        patches=(
            Patch("services/payment/domain/absorbing.py", "elif came_and_went(thing, fact):", "elif False:"),
        ),
        tests=(
            _ORDER_TESTS + "test_what_was_not_asked_for_so_and_failed_is_a_stray_that_went_in_all_orders",
        ),
    ),
    Case(
        name="last-capture",
        protection="where a hold is captured once, any capture of it gives the rest back",
        change="only captures of ours do",
        patches=(
            Patch(
                "services/payment/domain/taking.py",
                "only_one = of_our_hold and not takes_several_captures(taken.processor)",
                "only_one = False",
            ),
        ),
        tests=(_ROUTE_TESTS + "test_what_nobody_asked_for_is_the_last_capture_too_where_there_is_only_one",),
    ),
    Case(
        name="whole-hold",
        protection="a part of a hold is asked for only where the processor captures parts",
        change="it is asked for everywhere",
        patches=(
            Patch(
                "services/payment/domain/requests.py",
                "if wanted_minor < capturable_minor and not takes_partial_captures(place.processor):",
                "if False:",
            ),
        ),
        tests=(
            _ROUTE_TESTS
            + "test_a_part_is_refused_where_only_the_whole_hold_is_captured_and_where_nobody_knows",
        ),
    ),
    Case(
        name="return-before-dispute",
        protection="a return of a stray that was not sent yet is withdrawn when a dispute claims the stray",
        change="only disputed money withdraws it, not the dispute",
        patches=(
            Patch(
                "services/payment/domain/disputing.py",
                "if dispute.claims and (dispute.implied or dispute.announced != stage):",
                "if False:",
            ),
        ),
        tests=(
            _STRAY_TESTS + "test_a_return_that_was_not_sent_yet_is_withdrawn_when_the_stray_is_claimed",
            _STRAY_TESTS + "test_an_inquiry_withdraws_nothing_and_the_dispute_after_it_does_once",
        ),
    ),
    Case(
        name="dispute-before-return",
        protection="the table itself refuses the return of a stray that a dispute claims",
        change="the trigger looks for disputes that nobody has",
        patches=(Patch(_STRAY_SCHEMA, "d.stray_id = NEW.stray_id", "d.stray_id = ''"),),
        tests=(_STRAY_SCHEMA_TESTS + "test_a_claimed_stray_is_not_returned_by_code_nor_by_plain_sql",),
    ),
    Case(
        name="last-capture-astray",
        protection="a last capture that took another amount ends the hold that it was taken from",
        change="only captures that count end it",
        patches=(
            Patch(
                "services/payment/domain/absorbing_strays.py",
                " or _asked_as_last(payment, thing.operation_id)",
                "",
            ),
        ),
        tests=(
            _LAST_TESTS + "test_an_amount_that_nobody_asked_for_ends_the_hold_only_where_it_was_the_last",
        ),
    ),
)
