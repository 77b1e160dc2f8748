"""Sabotage of breaks that wait for another service: who resolves them, and what an answer or a refusal does."""

from typing import Final

from tools.sabotage.case import Case, Patch

_LIFE: Final = "services/reconciliation/domain/break_life.py"
_SCHEMA: Final = "services/reconciliation/migrations/versions/0016_wait_for_answers.py"
_ANSWERS: Final = "services/reconciliation/tests/db/test_answers.py::test_"
_WITHDRAWING: Final = "services/reconciliation/tests/db/test_withdrawing.py::test_"
_WITHDRAWN: Final = "services/ledger/tests/db/test_withdrawn_proposals.py::test_"
_FINDING: Final = "services/reconciliation/adapters/finding_breaks.py"
_HEAR: Final = "services/ledger/app/hear_withdrawal.py"
_WITHDRAW_SCHEMA: Final = "services/ledger/migrations/versions/0017_withdraw_proposals.py"
_LEDGER: Final = "services/ledger/tests/db/test_asked_adjustments.py::test_"
_PAYMENT: Final = "services/payment/tests/db/test_returns_proposed.py::test_"

_OPERATIONS: Final = "shared/runtime/operations.py"
_LEDGER_LET_GO: Final = "services/ledger/tests/db/test_letting_go.py::"
_PAYMENT_LET_GO: Final = "services/payment/tests/db/test_letting_go.py::"

ANSWERING: Final = (
    Case(
        name="recon-waits-for-answer",
        protection="what another service has to do is not resolved by the second person's word",
        change="it is resolved at the approval",
        patches=(
            Patch(
                "services/reconciliation/app/resolve_break.py",
                "Trigger.ASK if stored.resolution in TOLD_ELSEWHERE else Trigger.APPROVE",
                "Trigger.APPROVE",
            ),
        ),
        tests=(_ANSWERS + "it_waits_as_money_at_risk_until_the_ledger_has_booked_it",),
    ),
    Case(
        name="recon-applied-to-what-is-left",
        protection="a break that became another difference while it waited opens for what is left",
        change="it is resolved all the same",
        patches=(
            Patch(
                _LIFE,
                "return Trigger.APPLIED if as_asked else Trigger.OUTGROWN",
                "return Trigger.APPLIED",
            ),
        ),
        tests=(_ANSWERS + "what_is_another_difference_by_the_time_it_is_done_opens_for_what_is_left",),
    ),
    Case(
        name="recon-undone-opens",
        protection="what was done for a break and is taken back later opens the break again",
        change="a resolved break stays so",
        patches=(
            Patch(_LIFE, "return Trigger.UNDONE if outcome is Outcome.REFUSED else None", "return None"),
        ),
        tests=(_ANSWERS + "an_adjustment_that_is_reversed_opens_its_break_again",),
    ),
    Case(
        name="recon-resolved-as-applied-in-sql",
        protection="the database resolves no return and no adjustment without an answer that it happened",
        change="it asks for none",
        patches=(
            Patch(
                _SCHEMA,
                "AND OLD.state <> 'RESOLVED' AND NEW.resolution IN",
                "AND OLD.state = 'RESOLVED' AND NEW.resolution IN",
            ),
        ),
        tests=(_ANSWERS + "nobody_resolves_what_is_not_answered_to_have_happened",),
    ),
    Case(
        name="recon-answer-as-asked-in-sql",
        protection="the database keeps an answer only to what was asked about that break",
        change="the trigger never fires",
        patches=(
            Patch(_SCHEMA, "BEFORE INSERT ON resolution_answers", "BEFORE DELETE ON resolution_answers"),
        ),
        tests=(_ANSWERS + "an_answer_is_about_what_was_asked_and_stays",),
    ),
    Case(
        name="recon-refused-gives-room",
        protection="what the ledger refused may be asked for again",
        change="it counts as asked for",
        patches=(
            Patch(
                "services/reconciliation/adapters/break_adjustments.py",
                " AND said.outcome IS DISTINCT FROM 'refused'\n",
                "\n",
            ),
        ),
        tests=(_ANSWERS + "what_is_refused_opens_again_with_the_reason_and_may_be_asked_for_again",),
    ),
    Case(
        name="recon-look-back-takes-no-answer",
        protection="a run as of an earlier time takes in no answer",
        change="every run does",
        patches=(
            Patch(
                "services/reconciliation/adapters/finding_breaks.py",
                '{} if values["past"] else self._answers.take(run_id)',
                "self._answers.take(run_id)",
            ),
        ),
        tests=(_ANSWERS + "an_answer_alone_makes_a_run_and_a_look_back_leaves_it_to_the_next",),
    ),
    Case(
        name="ledger-answers-proposals",
        protection="reconciliation hears that an adjustment which it proposed is booked, or reversed again",
        change="an approval answers nothing",
        patches=(
            Patch(
                "services/ledger/app/adjust_books.py",
                "    _answer(decided, cause_event_id, work)\n    return decided\n",
                "    return decided\n",
            ),
        ),
        tests=(_LEDGER + "reconciliation_hears_what_becomes_of_it",),
    ),
    Case(
        name="ledger-asked-once-in-sql",
        protection="a proposal of reconciliation has one adjustment",
        change="the database lets it have several",
        patches=(
            Patch(
                "services/ledger/migrations/versions/0014_answer_proposals.py",
                "CREATE UNIQUE INDEX adjustments_asked_once",
                "CREATE INDEX adjustments_asked_once",
            ),
        ),
        tests=(_LEDGER + "one_proposal_has_one_adjustment_and_keeps_it",),
    ),
    Case(
        name="recon-withdraws-what-is-gone",
        protection="an adjustment whose difference went away is withdrawn from the ledger",
        change="the run tells nobody",
        patches=(
            Patch(
                "services/reconciliation/app/run_matching.py",
                "uow.break_adjustments.withdraw_gone(run_id) if moved else 0",
                "0",
            ),
        ),
        tests=(_WITHDRAWING + "what_went_away_while_it_waited_is_withdrawn_once",),
    ),
    Case(
        name="recon-withdraws-what-is-given-up",
        protection="an adjustment is withdrawn when a person opens its break again",
        change="the break is opened, and the ledger hears nothing",
        patches=(
            Patch(
                "services/reconciliation/app/reject_break.py",
                "    if before.resolution == Resolution.ADJUSTMENT:",
                "    if before.resolution == Resolution.ACCEPTED:",
            ),
        ),
        tests=(_WITHDRAWING + "whoever_opens_a_break_again_withdraws_what_it_waits_for",),
    ),
    Case(
        name="recon-unfounded-adjustment",
        protection="what is booked for a difference that went away is a break until it is reversed",
        change="nobody looks for it",
        patches=(Patch(_FINDING, 'if not values["past"] and (', "if False and ("),),
        tests=(
            _WITHDRAWING + "what_is_booked_for_a_difference_that_went_away_is_a_break_until_it_is_reversed",
        ),
    ),
    Case(
        name="recon-unfounded-by-answer-alone",
        protection="that an adjustment was booked after its difference went away is noticed though no break moves",
        change="only a break that moved has a run look",
        patches=(Patch(_FINDING, " or counts or self._answers.heard", " or counts"),),
        tests=(
            _WITHDRAWING + "what_is_booked_for_a_difference_that_went_away_is_a_break_until_it_is_reversed",
        ),
    ),
    Case(
        name="recon-withdrawn-unwanted-in-sql",
        protection="the database takes no withdrawal of what a break waits for or is resolved by",
        change="the trigger never fires",
        patches=(
            Patch(
                "services/reconciliation/migrations/versions/0020_withdraw_adjustments.py",
                "BEFORE INSERT ON withdrawn_adjustments",
                "BEFORE DELETE ON withdrawn_adjustments",
            ),
        ),
        tests=(_WITHDRAWING + "plain_sql_withdraws_nothing_that_is_wanted_and_nothing_twice",),
    ),
    Case(
        name="ledger-withdrawn-not-booked",
        protection="an adjustment that reconciliation wants no more is booked by nobody",
        change="it goes on waiting to be approved",
        patches=(
            Patch(
                _HEAR,
                "if kept is not None and kept.state is DecisionState.PROPOSED:",
                "if kept is None and said is None:",
            ),
        ),
        tests=(_WITHDRAWN + "what_is_withdrawn_while_it_waits_is_booked_by_nobody",),
    ),
    Case(
        name="ledger-withdrawn-says-booked",
        protection="reconciliation hears that what it withdrew is booked already",
        change="it hears that it is not",
        patches=(
            Patch(
                _HEAR,
                "        outcome = Answered.APPLIED\n",
                "        outcome = Answered.REFUSED\n",
            ),
        ),
        tests=(_WITHDRAWN + "what_is_booked_by_then_stays_and_is_answered_so_until_people_reverse_it",),
    ),
    Case(
        name="ledger-withdrawn-answered-once",
        protection="rebuilt books do not answer a withdrawal again",
        change="they do",
        patches=(
            Patch(_HEAR, "elif work.adjustments.answered(said.event_id, said.break_id) is None:", "else:"),
        ),
        tests=(_WITHDRAWN + "rebuilt_books_answer_no_withdrawal_again_and_keep_no_wish_of_it",),
    ),
    Case(
        name="ledger-withdrawn-not-kept-later",
        protection="a proposal that comes after it was withdrawn is not kept",
        change="it is kept, in Python and in SQL",
        patches=(
            Patch(
                "services/ledger/app/hear_adjustment.py",
                "        _check_wanted(asked_event_id, work)\n",
                "",
            ),
            Patch(_WITHDRAW_SCHEMA, "WHEN (NEW.asked_event_id IS NOT NULL)", "WHEN (false)"),
        ),
        tests=(_WITHDRAWN + "what_never_came_here_is_answered_and_is_kept_by_nobody_if_it_comes",),
    ),
    Case(
        name="payment-answers-refusal",
        protection="reconciliation hears that a return which it proposed is refused, and why",
        change="every answer says that it is asked for",
        patches=(
            Patch(
                "services/payment/app/apply_return_proposed.py",
                'outcome="accepted" if refused is None else "refused"',
                'outcome="accepted"',
            ),
        ),
        tests=(_PAYMENT + "what_is_not_what_was_approved_is_not_returned",),
    ),
    Case(
        name="ledger-let-go-answered",
        protection="whoever asked for an adjustment by a record that two people drop is answered",
        change="nobody is told of what is dropped",
        patches=(
            Patch(_OPERATIONS, "            if event is not None:\n", "            if event is None:\n"),
        ),
        tests=(
            _LEDGER_LET_GO + "test_a_skip_of_what_asked_for_an_adjustment_answers_once_as_it_is_approved",
            _PAYMENT_LET_GO + "test_a_skip_of_what_asked_for_a_return_answers_once_as_it_is_approved",
        ),
    ),
    Case(
        name="ledger-let-go-not-kept-later",
        protection="what was answered to be refused is not kept by books that are rebuilt",
        change="it waits there to be approved",
        patches=(
            Patch(
                "services/ledger/app/hear_adjustment.py",
                "    if told == Answered.REFUSED:\n",
                "    if False:\n",
            ),
        ),
        tests=(
            _LEDGER_LET_GO + "test_books_that_are_rebuilt_keep_nothing_that_was_let_go_of_and_answer_it_once",
        ),
    ),
)
