"""Brings journals over from another ledger: a whole file is checked, and booked in batches once two people want it.

``book_imported`` is the bulk call: one transaction, a handful of statements, every protection of the database on. Each
batch looks first which of its facts are booked, so a file that was cut off is simply given again, and one that is done
is a no-op.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from services.ledger.app.ports import JournalStore
from services.ledger.app.propose_import import ProposingUnit, approved_proposal, import_act
from services.ledger.domain.imports import (
    ImportedLine,
    LineRefused,
    add_debits,
    cause_id_of,
    check_line,
    fact_key_of,
    journal_from,
)
from services.ledger.domain.journal import Journal
from shared.kernel.errors import InvariantViolation, Rejected
from shared.kernel.operators import Actor

BATCH_JOURNALS: Final = 2_000
"""One transaction's worth: tenths of a second, for which a new account in it makes others wait."""
JOURNALS_MAX: Final = 1_000_000
"""Of one file. All of it is checked before anything is written, which holds 300 bytes a journal in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedLine:
    """One line that makes no journal."""

    line: int
    code: str
    field: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BegunImport:
    """An import as its row tells: who books which bytes, why, and whether all of them are in the books."""

    import_id: str
    file_sha256: bytes
    file_name: str
    journals: int
    begun_by: str
    reason: str
    begun_at: datetime
    finished_at: datetime | None


@dataclass(slots=True)
class Checked:
    """What a whole file says; ``totals`` are what its journals debit, in minor units by currency."""

    lines: int = 0
    journals: int = 0
    already: int = 0
    totals: dict[str, int] = field(default_factory=dict)
    refused: list[RefusedLine] = field(default_factory=list)


class Imports(Protocol):
    """Imports of one transaction, and what is booked of their facts."""

    def take_turn(self) -> None:
        """Let no other import book until this transaction ends; events never wait for it."""
        ...

    def find(self, file_sha256: bytes) -> BegunImport | None: ...
    def begin(self, begun: BegunImport) -> None: ...
    def finish(self, import_id: str) -> int:
        """Mark it as done; return how many journals it booked."""
        ...

    def causes(self, fact_keys: Collection[str]) -> Mapping[str, str]:
        """Of these facts those that are booked, each with the cause that it was booked for."""
        ...


class ImportingUnit(ProposingUnit, Protocol):
    """What one transaction offers."""

    @property
    def journals(self) -> JournalStore: ...
    @property
    def imports(self) -> Imports: ...


Read = tuple[int, ImportedLine | LineRefused]
"""A line's number, and what it says or why nobody can tell."""


class FileCheck:
    """Checks a file batch by batch: each line by itself, against the lines before it and against the books."""

    def __init__(self) -> None:
        self.found = Checked()
        self._causes: dict[str, str] = {}

    def take(self, lines: Sequence[Read], imports: Imports) -> None:
        """The next lines. Of lines that say the same the first counts."""
        fresh: list[tuple[int, str, str]] = []
        refused: list[RefusedLine] = []
        for number, line in lines:
            self.found.lines += 1
            try:
                fact_key, cause_id = self._read(line)
            except LineRefused as why:
                refused.append(_refused(number, why))
            else:
                fresh.append((number, fact_key, cause_id))
        if len(self._causes) > JOURNALS_MAX:
            raise Rejected(
                "file_too_large", f"More than {JOURNALS_MAX} journals: split the file.", stored=False
            )
        booked = imports.causes([fact_key for _, fact_key, _ in fresh])
        for number, fact_key, cause_id in fresh:
            if booked.get(fact_key, cause_id) != cause_id:
                refused.append(_refused(number, _booked_otherwise(fact_key)))
        self.found.refused += sorted(refused, key=lambda each: each.line)
        self.found.already += len({key for _, key, _ in fresh if key in booked})
        self.found.journals = len(self._causes)

    def _read(self, line: ImportedLine | LineRefused) -> tuple[str, str]:
        if isinstance(line, LineRefused):
            raise line
        check_line(line)
        fact_key, cause_id = fact_key_of(line), cause_id_of(line)
        known = self._causes.get(fact_key)
        if known is None:
            self._causes[fact_key] = cause_id
            add_debits(line, self.found.totals)
        elif known != cause_id:
            raise LineRefused("duplicate_id", "id", f"an earlier line says something else of {fact_key}")
        return fact_key, cause_id


def begin_import(
    file_sha256: bytes, file_name: str, journals: int, reason: str, actor: Actor, work: ImportingUnit
) -> BegunImport:
    """The import of these bytes: begun now, or when they were given first. An operator's act, on record.

    Refused unless two people want it: one who proposed these bytes, and one who approved them.
    """
    work.imports.take_turn()
    found = work.imports.find(file_sha256)
    if found is not None:
        return found
    begun = BegunImport(
        import_id=approved_proposal(file_sha256, work).import_id,
        file_sha256=file_sha256,
        file_name=file_name,
        journals=journals,
        begun_by=actor.name,
        reason=reason,
        begun_at=work.now,
        finished_at=None,
    )
    work.imports.begin(begun)
    work.acted(import_act("import_begun", begun.import_id, file_sha256, reason, actor))
    return begun


def book_imported(lines: Sequence[ImportedLine], begun: BegunImport, work: ImportingUnit) -> int:
    """Book those of these lines that are not booked yet; return how many. Raises ``LineRefused`` and books none.

    Whoever wrote the lines is not trusted here either: each is checked again, beside the books of this transaction.
    """
    work.imports.take_turn()
    there = work.imports.causes([fact_key_of(line) for line in lines])
    booked = dict(there)
    fresh: dict[str, Journal] = {}
    for line in lines:
        check_line(line)
        fact_key, cause_id = fact_key_of(line), cause_id_of(line)
        known = booked.setdefault(fact_key, cause_id)
        if known != cause_id:
            raise _booked_otherwise(fact_key)
        if fact_key not in there and fact_key not in fresh:
            fresh[fact_key] = journal_from(line, cause_id, begun.import_id, work.ids.new("jrn_"))
    for journal in fresh.values():
        work.journals.add(journal)
    return len(fresh)


def finish_import(begun: BegunImport, actor: Actor, work: ImportingUnit) -> int:
    """All of the file is in the books; return how many journals it brought. Once: a second time it is a no-op."""
    work.imports.take_turn()
    stored = work.imports.find(begun.file_sha256)
    if stored is None:
        raise InvariantViolation("import_begun", f"{begun.import_id} was never begun")
    if stored.finished_at is not None:
        return 0
    booked = work.imports.finish(begun.import_id)
    work.acted(import_act("import_finished", begun.import_id, begun.file_sha256, begun.reason, actor))
    return booked


def _refused(number: int, why: LineRefused) -> RefusedLine:
    return RefusedLine(line=number, code=why.code, field=why.field, detail=why.detail)


def _booked_otherwise(fact_key: str) -> LineRefused:
    return LineRefused("already_booked_otherwise", "id", f"{fact_key} is booked with other content")
