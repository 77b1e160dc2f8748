"""A person says which of two files that contradict each other holds, where neither says when it was made.

It is asked for in a request and done by the worker in its turn: a file of a million lines takes minutes. In between
nobody proposes or approves which file of the source holds, so one person and two never decide the same at once. What an
unexpected error stops is tried again some times and then given up: files of the source go on meanwhile, and it can be
asked for again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from services.reconciliation.app.declare_source import declared_source
from services.reconciliation.app.find_file import found_file
from services.reconciliation.app.ports import ReconciliationUnit
from services.reconciliation.domain.files import FileState, InDoubt, Preference
from services.reconciliation.domain.lines import UnreadableFileError
from shared.kernel.errors import InvariantViolation, Rejected
from shared.kernel.operators import Actor, OperatorAct

#: After each try that failed but the last: time for what was in the way to go, not for what will never work.
TRY_AGAIN_AFTER: Final = (timedelta(minutes=1), timedelta(minutes=10))
KEEPS_FAILING: Final = "prefer_keeps_failing"


class PreferenceRefused(Exception):  # noqa: N818 - what became of it, told to whoever does it
    """It cannot be done; nothing of it is."""

    def __init__(self, nth: int, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.nth, self.code, self.message = nth, code, message


def ask_to_prefer(file_id: str, reason: str, actor: Actor, work: ReconciliationUnit) -> Preference:
    """Ask that what the file says stands as if it came now; what was told is amended, nothing is forgotten."""
    file = found_file(file_id, work)
    if file.state is not FileState.STAGED:
        raise Rejected(
            "file_not_staged", f"file {file_id} is {file.state}: only what was read can hold", stored=False
        )
    work.preferences.take_turn(file.source)
    waiting = work.preferences.waiting(file.source)
    if waiting is not None:
        raise Rejected(
            "file_order_waits",
            f"{waiting.asked_by} has {waiting.file_id} hold, which is not done yet: look at what is left then",
            stored=False,
            extra={"file_id": waiting.file_id, "asked_by": waiting.asked_by},
        )
    _check_in_doubt(file_id, work.staging.in_doubt(file_id))
    asked = work.preferences.ask(file, actor.name, reason)
    work.announce(OperatorAct(actor=actor, action="file_preferred", target=f"file:{file_id}", reason=reason))
    return asked


def let_hold(asked: Preference, work: ReconciliationUnit) -> Preference:
    """Let it hold, whole and in this transaction, which has the source since it was found waiting.

    Raises ``PreferenceRefused`` where it cannot: this transaction must then be rolled back, and the wish refused in
    another. What was asked about since it was asked for nobody decided: then it is refused as well.
    """
    work.staging.be_patient()
    try:
        _check_in_doubt(asked.file_id, work.staging.in_doubt(asked.file_id, asked.after_file_id))
        work.staging.prefer(declared_source(asked.source, work), asked.file_id, asked.asked_by, asked.reason)
    except Rejected as refused:
        raise PreferenceRefused(asked.nth, refused.code, refused.message) from refused
    except UnreadableFileError as refused:
        raise PreferenceRefused(asked.nth, refused.code, f"expected {refused.expected}") from refused
    done = work.preferences.done(asked)
    if done is None:
        raise InvariantViolation(
            "preference_waits", f"{asked.file_id} is to hold no more: nothing of it is done"
        )
    return done


def count_failure(asked: Preference, error: str, work: ReconciliationUnit) -> Preference | None:
    """An unexpected error stopped it and nothing of it is done: try again later, or give it up after the last try.

    None where somebody else did it, or counted it, meanwhile.
    """
    if asked.tries < len(TRY_AGAIN_AFTER):
        return work.preferences.tried(asked, work.now + TRY_AGAIN_AFTER[asked.tries])
    return work.preferences.failed(
        asked,
        KEEPS_FAILING,
        f"tried {asked.tries + 1} times, and each time stopped by an error that is not the file's; the last one:"
        f" {error}. Nothing of it is done: the file that came later holds still. Ask again once the cause is gone",
    )


def _check_in_doubt(file_id: str, found: InDoubt) -> None:
    """Refuse what nobody asked about, and what two people decided: one does not overturn it."""
    if found.is_overtaken:
        raise Rejected(
            "file_overtaken",
            f"every statement of {file_id} has a newer one, by the bank's own times",
            stored=False,
        )
    if not found.is_contradicted:
        raise Rejected(
            "file_not_contradicted", f"no file contradicts {file_id}, nor is contradicted by it", stored=False
        )
    if found.is_decided:
        raise Rejected(
            "file_order_decided",
            f"two people accepted, or one proposed, that a file holds which came later than {file_id}",
            stored=False,
        )
    if found.is_outdated:
        raise Rejected(
            "file_order_changed",
            f"a file came since that contradicts what {file_id} says too: look at it, and ask again",
            stored=False,
        )
