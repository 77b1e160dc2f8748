"""Sabotage of what two people decide about breaks: what was read, what is left to ask for, and looks back."""

from typing import Final

from tools.sabotage.case import Case, Patch

_RESOLVING: Final = "services/reconciliation/app/resolve_break.py"
_ADJUSTING: Final = "services/reconciliation/app/propose_adjustment.py"
_FINDING: Final = "services/reconciliation/adapters/finding_breaks.py"
_SCHEMA: Final = "services/reconciliation/migrations/versions/0013_tell_what_is_left.py"
_WAITING: Final = "services/reconciliation/migrations/versions/0016_wait_for_answers.py"
_TESTS: Final = "services/reconciliation/tests/db/test_"

DECIDING: Final = (
    Case(
        name="recon-approves-what-was-read",
        protection="a second person approves the proposal that was read, and no other that waits by then",
        change="any proposal stands for the one that waits",
        patches=(Patch(_RESOLVING, "    if proposal == stored.proposal:\n", "    if proposal:\n"),),
        tests=(_TESTS + "adjusting.py::test_an_approval_is_of_the_proposal_that_was_read",),
    ),
    Case(
        name="recon-adjustment-left",
        protection="about one break no more is asked of the ledger than is at risk, however often it opens again",
        change="what was asked for already is not counted",
        patches=(
            Patch(
                _ADJUSTING,
                "left_minor = stored.at_risk_minor - asked_minor",
                "left_minor = stored.at_risk_minor",
            ),
        ),
        tests=(_TESTS + "adjusting.py::test_what_was_asked_for_is_not_asked_for_again",),
    ),
    Case(
        name="recon-adjustment-left-in-sql",
        protection="the database keeps what is asked about one break within what is at risk",
        change="the trigger never fires",
        patches=(
            Patch(
                _SCHEMA,
                "told_adjustments_left BEFORE INSERT ON told_adjustments",
                "told_adjustments_left BEFORE DELETE ON told_adjustments",
            ),
        ),
        tests=(_TESTS + "adjusting.py::test_nobody_tells_more_than_is_at_risk",),
    ),
    Case(
        name="recon-return-of-line",
        protection="the database lets payment be told of no other charge than the break's line has",
        change="object and amount are not compared with the line's",
        patches=(
            Patch(
                _WAITING,
                "(l.object_id, l.gross_minor, l.currency) = (NEW.object_id, NEW.amount_minor, NEW.currency)",
                "l.currency = NEW.currency",
            ),
        ),
        tests=(_TESTS + "returning.py::test_nobody_writes_a_return_of_another_charge_than_the_line_has",),
    ),
    Case(
        name="recon-look-back",
        protection="a run as of an earlier time than one before changes nothing that people decided",
        change="it moves whatever was not known then",
        patches=(Patch(_FINDING, "WHEN %(past)s AND b.state IN", "WHEN false AND b.state IN"),),
        tests=(_TESTS + "break_desk.py::test_a_look_back_leaves_what_people_decided_as_it_is",),
    ),
)
