"""Cases of returns that lose their ground: withdrawn, stopped while that can be, and a break where they cannot."""

from typing import Final

from tools.sabotage.case import Case, Patch

_RETURNS: Final = "services/reconciliation/tests/db/test_withdrawn_returns.py::test_"
_STOPPED: Final = "services/payment/tests/db/test_withdrawn_returns.py::test_"

WITHDRAWN_RETURNS: Final = (
    Case(
        name="recon-withdraws-return-without-ground",
        protection="a return whose break went away is withdrawn from payment",
        change="the run tells nobody",
        patches=(
            Patch(
                "services/reconciliation/app/run_matching.py",
                "uow.returns.withdraw_gone(run_id) if moved else 0",
                "0",
            ),
        ),
        tests=(_RETURNS + "what_lost_its_ground_while_it_waited_is_withdrawn_once",),
    ),
    Case(
        name="recon-withdraws-return-given-up",
        protection="a return is withdrawn when a person opens its break again",
        change="the break is opened, and payment hears nothing",
        patches=(
            Patch(
                "services/reconciliation/app/reject_break.py",
                "elif before.resolution == Resolution.STRAY_RETURN:",
                "elif before.resolution == Resolution.ACCEPTED:",
            ),
        ),
        tests=(_RETURNS + "whoever_opens_a_break_again_withdraws_the_return_that_it_waits_for",),
    ),
    Case(
        name="recon-unfounded-return",
        protection="what was given back for a charge that is none is a break, with all of it at risk",
        change="nobody looks for it",
        patches=(
            Patch(
                "services/reconciliation/adapters/finding_breaks_sql.py",
                "FROM told_returns AS t JOIN asked_resolutions AS said ON said.event_id = t.event_id",
                "FROM told_returns AS t JOIN asked_resolutions AS said ON false",
            ),
        ),
        tests=(_RETURNS + "what_is_given_back_without_ground_is_a_break_with_all_of_it_at_risk",),
    ),
    Case(
        name="recon-return-unwanted-in-sql",
        protection="the database takes no withdrawal of a return that a break waits for or is resolved by",
        change="the trigger never fires",
        patches=(
            Patch(
                "services/reconciliation/migrations/versions/0024_withdraw_returns.py",
                "BEFORE INSERT ON withdrawn_returns",
                "BEFORE DELETE ON withdrawn_returns",
            ),
        ),
        tests=(_RETURNS + "plain_sql_withdraws_no_return_that_is_wanted_and_none_twice",),
    ),
    Case(
        name="recon-late-word-keeps-result",
        protection="that a return was withdrawn too late does not undo that it happened",
        change="the last word is kept as it was said",
        patches=(
            Patch(
                "services/reconciliation/adapters/resolution_answers.py",
                "CASE WHEN r.outcome = 'accepted' AND r.named = a.named THEN a.outcome ELSE r.outcome END",
                "r.outcome",
            ),
        ),
        tests=(_RETURNS + "that_it_was_withdrawn_too_late_takes_no_result_back",),
    ),
    Case(
        name="payment-withdrawn-return-stopped",
        protection="a return that reconciliation wants no more is stopped while it was not sent",
        change="it goes on",
        patches=(
            Patch(
                "services/payment/app/apply_return_withdrawn.py",
                '        withdraw_returns(payment, operation.stray_id or "", WITHDRAWN, moment)\n',
                "",
            ),
        ),
        tests=(_STOPPED + "what_was_not_sent_is_stopped_and_the_stray_is_open_again",),
    ),
    Case(
        name="payment-withdrawn-return-begins-nothing",
        protection="a proposal that comes after it was withdrawn gives nothing back",
        change="it is asked for as if nothing had been heard of it",
        patches=(
            Patch(
                "services/payment/domain/asked_returns.py",
                "(_A.WITHDRAWN, _W.PROPOSED): _S.REFUSE",
                "(_A.WITHDRAWN, _W.PROPOSED): _S.ASK",
            ),
        ),
        tests=(_STOPPED + "a_withdrawal_that_comes_first_is_answered_and_nothing_is_asked_for_afterwards",),
    ),
    Case(
        name="payment-withdrawn-too-late",
        protection="reconciliation hears that a return which it withdrew has arrived already",
        change="it is asked to be dropped as if nothing of it had been sent",
        patches=(
            Patch(
                "services/payment/domain/asked_returns.py",
                "_O.PENDING: Stop.TOO_LATE",
                "_O.PENDING: Stop.DROP",
            ),
        ),
        tests=(_STOPPED + "what_arrived_runs_on_and_is_answered_to_be_too_late",),
    ),
    Case(
        name="payment-withdrawn-tried",
        protection="a return that was tried and proved not sent is stopped as one that was never tried",
        change="it counts as sent, and goes out with its next try",
        patches=(
            Patch("services/payment/domain/asked_returns.py", "_O.SENT: Stop.DROP", "_O.SENT: Stop.TOO_LATE"),
        ),
        tests=(_STOPPED + "what_was_tried_and_proved_not_sent_is_stopped",),
    ),
    Case(
        name="payment-withdrawn-in-doubt",
        protection="a return in doubt that reconciliation wants no more is sent no more",
        change="it counts as arrived, and goes out once more when it is proved absent",
        patches=(
            Patch(
                "services/payment/domain/asked_returns.py",
                "_O.UNCERTAIN: Stop.DROP",
                "_O.UNCERTAIN: Stop.TOO_LATE",
            ),
        ),
        tests=(_STOPPED + "what_is_in_doubt_is_sent_no_more_and_its_end_is_the_answer",),
    ),
)
