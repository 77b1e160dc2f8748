"""What the worker does when its turn comes: take files in from the watched folder, let the one hold that a person asked
for, stage the next one or refuse it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from services.reconciliation.adapters.preferences import named
from services.reconciliation.adapters.spooling import Spool
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.adapters.watched_folder import WatchedFolder
from services.reconciliation.app.announce_lines import announce_lines
from services.reconciliation.app.prefer_file import PreferenceRefused, count_failure, let_hold
from services.reconciliation.app.stage_file import READER_FAILED, stage_next
from services.reconciliation.domain.files import FileRefused, Preference, PreferenceState
from services.reconciliation.domain.readers import Reader
from services.reconciliation.entrypoints.receiving import receive_spooled
from shared.persistence.unit_of_work import Transactions
from shared.runtime.logs import logger
from shared.runtime.metric_names import RECONCILIATION_FILES, RECONCILIATION_LINES_TOLD
from shared.runtime.metrics import counter

_log = logger(__name__)


def take_turn(readers: Mapping[str, Reader], transactions: Transactions[ReconciliationUnitOfWork]) -> bool:
    """Do what people asked for before anything comes behind it, then stage; false where nothing waits."""
    return prefer_one(transactions) or stage_one(readers, transactions)


def prefer_one(transactions: Transactions[ReconciliationUnitOfWork]) -> bool:
    """Let the next file hold that a person asked for, or refuse it; false where none waits.

    It is done whole or not at all: a crash leaves it to be done anew. An unexpected error is counted, whatever it is:
    it must hold up neither the files behind it nor other sources.
    """
    found: list[Preference] = []

    def work(uow: ReconciliationUnitOfWork) -> Preference | None:
        asked = uow.preferences.next_waiting()
        if asked is None:
            return None
        found[:] = [asked]
        return let_hold(asked, uow)

    try:
        done = transactions.run(work, name="prefer file")
    except PreferenceRefused as refused:
        nth, code, message = refused.nth, refused.code, refused.message
        transactions.run(lambda uow: uow.preferences.refused(nth, code, message), name="refuse preference")
        _log.warning("preference_refused", nth=nth, code=code)
        return True
    except Exception as error:
        if not found:
            raise
        _count_failure(found[0], error, transactions)
        return True
    if done is None:
        return False
    _log.info("file_preferred", file_id=done.file_id, source=done.source)
    return True


def _count_failure(
    asked: Preference, error: Exception, transactions: Transactions[ReconciliationUnitOfWork]
) -> None:
    """Where the database is away this fails too, and nothing is counted."""
    said = named(error)
    counted = transactions.run(lambda uow: count_failure(asked, said, uow), name="count failed preference")
    if counted is None:
        return
    told = _log.error if counted.state is PreferenceState.FAILED else _log.warning
    told("preference_failed", nth=asked.nth, file_id=asked.file_id, tries=counted.tries, error=said)
    if not isinstance(error, DBAPIError):
        _log.error("preference_fault", nth=asked.nth, exc_info=error)


def stage_one(readers: Mapping[str, Reader], transactions: Transactions[ReconciliationUnitOfWork]) -> bool:
    """Stage or refuse the next file; false where none waits.

    Staging rolls back whole: a file that is refused half-way leaves no line, and a crash leaves it to be staged anew.
    """
    try:
        staged = transactions.run(lambda uow: stage_next(readers, uow), name="stage file")
    except FileRefused as refused:
        file_id, refusal = refused.file_id, refused.refusal
        transactions.run(lambda uow: uow.files.refused(file_id, refusal), name="refuse file")
        counter(RECONCILIATION_FILES, "refused")
        _log.warning("file_refused", file_id=file_id, code=refusal.code, field=refusal.field)
        if refusal.code == READER_FAILED:
            _log.error("reader_failed", file_id=file_id, exc_info=refused)
        return True
    if staged is None:
        return False
    counter(RECONCILIATION_FILES, "staged")
    _log.info("file_staged", file_id=staged.file_id, source=staged.source)
    return True


def announce_some(transactions: Transactions[ReconciliationUnitOfWork]) -> bool:
    """Tell of the next lines of closed payouts; false where there is nothing to tell."""
    told = transactions.run(announce_lines, name="announce lines")
    if told:
        counter(RECONCILIATION_LINES_TOLD, amount=told)
    return bool(told)


def look_into(
    folder: Path | None, bytes_max: int, transactions: Transactions[ReconciliationUnitOfWork]
) -> bool:
    """Take in what lies in the watched folder; false always: the next turn comes by time."""

    def take_in(source: str, name: str, spool: Spool) -> None:
        received = receive_spooled(transactions, source, name, spool, None)
        _log.info("file_found", source=source, file_id=received.file.file_id, is_new=received.is_new)

    def unusable(path: Path, error: OSError) -> None:
        counter(RECONCILIATION_FILES, "unusable")
        _log.error("file_unusable", path=str(path), error=error.strerror or type(error).__name__)

    return False if folder is None else WatchedFolder(folder, bytes_max, take_in, unusable).turn()
