"""One file: checked whole and proposed; once somebody else approved it, checked again, booked by batches, finished."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from services.ledger.adapters.import_files import ImportFile
from services.ledger.adapters.unit_of_work import LedgerUnitOfWork
from services.ledger.app.import_journals import (
    BegunImport,
    Checked,
    FileCheck,
    Read,
    begin_import,
    book_imported,
    finish_import,
)
from services.ledger.app.propose_import import CheckedFile, propose_import
from services.ledger.domain.imports import ImportedLine, LineRefused
from shared.kernel.errors import Rejected
from shared.kernel.operators import Actor
from shared.persistence.unit_of_work import Transactions

REFUSED_TOLD_MAX: Final = 1_000

Progress = Callable[[str, int], None]
"""Told after each batch: what is being done, and with how many lines so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What became of a file. ``state``: refused; checked (a dry run), proposed or approved; imported, or known (it was
    imported before).
    """

    state: str
    import_id: str | None
    sha256: str
    checked: Checked
    booked: int = 0
    proposed_by: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For programs; the refused lines up to ``REFUSED_TOLD_MAX`` of them."""
        refused = self.checked.refused
        return {
            "state": self.state,
            "import_id": self.import_id,
            "sha256": self.sha256,
            "lines": self.checked.lines,
            "journals": self.checked.journals,
            "totals": dict(sorted(self.checked.totals.items())),
            "already_booked": self.checked.already,
            "booked": self.booked,
            "proposed_by": self.proposed_by,
            "refused_lines": len(refused),
            "refused": [asdict(each) for each in refused[:REFUSED_TOLD_MAX]],
        }


def propose_file(
    transactions: Transactions[LedgerUnitOfWork],
    file: ImportFile,
    *,
    actor: Actor,
    reason: str,
    dry_run: bool = False,
    progress: Progress = lambda _what, _lines: None,
) -> Imported:
    """Check a file and propose it with its digest, counts and totals; nothing of it is booked. Safe to repeat."""
    checked = _check(transactions, file, reason, progress)
    digest = file.sha256
    if checked.refused or dry_run:
        state = "refused" if checked.refused else "checked"
        return Imported(state=state, import_id=None, sha256=digest.hex(), checked=checked)
    said = CheckedFile(
        sha256=digest,
        name=file.name,
        lines=checked.lines,
        journals=checked.journals,
        totals=checked.totals,
    )
    kept = transactions.run(lambda uow: propose_import(said, reason, actor, uow), name="propose import")
    return Imported(
        state=kept.state.value.lower(),
        import_id=kept.import_id,
        sha256=digest.hex(),
        checked=checked,
        proposed_by=kept.proposed_by,
    )


def book_file(
    transactions: Transactions[LedgerUnitOfWork],
    file: ImportFile,
    *,
    actor: Actor,
    reason: str,
    progress: Progress = lambda _what, _lines: None,
) -> Imported:
    """Book a file whose digest is approved; nothing of it is written unless every line can be.

    It is checked again: the books are others by now. Safe to repeat wherever it was cut off.
    """
    checked = _check(transactions, file, reason, progress)
    digest = file.sha256
    if checked.refused:
        return Imported(state="refused", import_id=None, sha256=digest.hex(), checked=checked)
    begun = transactions.run(
        lambda uow: begin_import(digest, file.name, checked.journals, reason, actor, uow), name="begin import"
    )
    booked = 0 if begun.finished_at is not None else _book(transactions, file, begun, progress)
    transactions.run(lambda uow: finish_import(begun, actor, uow), name="finish import")
    state = "known" if begun.finished_at is not None else "imported"
    return Imported(
        state=state, import_id=begun.import_id, sha256=digest.hex(), checked=checked, booked=booked
    )


def _check(
    transactions: Transactions[LedgerUnitOfWork], file: ImportFile, reason: str, progress: Progress
) -> Checked:
    if not reason.strip():
        raise Rejected("reason_missing", "An import needs its reason.", param="reason", stored=False)
    check = FileCheck()
    for batch in file.first_time():
        _take(transactions, check, batch)
        progress("checked", check.found.lines)
    return check.found


def _take(transactions: Transactions[LedgerUnitOfWork], check: FileCheck, batch: Sequence[Read]) -> None:
    transactions.read(lambda uow: check.take(batch, uow.imports), name="check import")


def _book(
    transactions: Transactions[LedgerUnitOfWork], file: ImportFile, begun: BegunImport, progress: Progress
) -> int:
    booked = lines = 0
    for batch in file.second_time():
        booked += _book_batch(transactions, begun, [_checked(line) for _, line in batch])
        lines += len(batch)
        progress("booked", lines)
    return booked


def _book_batch(
    transactions: Transactions[LedgerUnitOfWork], begun: BegunImport, lines: Sequence[ImportedLine]
) -> int:
    try:
        return transactions.run(lambda uow: book_imported(lines, begun, uow), name="import journals")
    except LineRefused as refused:  # somebody booked it while this file was being checked
        raise Rejected(refused.code, refused.detail, param=refused.field, stored=False) from refused


def _checked(line: ImportedLine | LineRefused) -> ImportedLine:
    if isinstance(line, LineRefused):
        raise line
    return line
