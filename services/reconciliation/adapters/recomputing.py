"""Computes a closed month once more, from the bytes of its files and the words that it kept, and compares.

Nothing of the live lines, matches and breaks is read: the files are hashed and staged again, each as its source was
declared when it was staged, our items are those that the month and the ones before it kept, tolerances and matches by
hand are those of each close, and what people had decided of a break is what the month and the history of breaks say.
The breaks of the books alone are not computed again: they name no difference of a leg.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson
import sqlalchemy as sa

from services.reconciliation.adapters.allocating import Allocator
from services.reconciliation.adapters.announcing import SqlAnnouncing
from services.reconciliation.adapters.files import StoredFiles
from services.reconciliation.adapters.finding_breaks import BreakFinder
from services.reconciliation.adapters.matching import Matcher
from services.reconciliation.adapters.our_items import ITEM
from services.reconciliation.adapters.period_tables import OF_DAYS, TABLES, select
from services.reconciliation.adapters.periods import StoredPeriods, rules_version
from services.reconciliation.adapters.preferences import StoredPreferences
from services.reconciliation.adapters.shadow_tables import shadow_tables
from services.reconciliation.adapters.sources import StoredSources
from services.reconciliation.adapters.staging import SqlStaging
from services.reconciliation.app.declare_source import declared_source
from services.reconciliation.app.find_file import found_file
from services.reconciliation.app.stage_file import stage_next
from services.reconciliation.domain.announcing import UntoldLine
from services.reconciliation.domain.breaks import OF_THE_BOOKS
from services.reconciliation.domain.files import CHUNK_BYTES, FileRefused, ReportFile, Staged
from services.reconciliation.domain.readers import Reader
from services.reconciliation.domain.sources import Source
from shared.kernel.errors import InvariantViolation, Rejected
from shared.kernel.ids import Ids
from shared.kernel.months import Month
from shared.kernel.operators import OperatorAct
from shared.persistence.outbox import Outbox

#: Differences that are shown one by one.
DIFFERENCES_MAX: Final = 100
#: Each with which of its rows can be computed again.
COMPARED: Final[Mapping[str, str]] = {
    "rolls": "",
    "positions": "",
    "breaks": f" AND type NOT IN ({', '.join(repr(kind.value) for kind in OF_THE_BOOKS)})",
    "late": "",
    "files": "",
    "days": "",
    "explained": "",
}
#: How often the ledger had been told of a line by then, no file says.
_NOT_COMPUTED: Final = frozenset({("late", "revision")})
_CLOSED: Final = """
SELECT period, rules, rules_version, ends_at, closed_at, keeps_days FROM public.closed_periods
 WHERE period <= %(period)s ORDER BY period
"""
_RULES: Final = """
INSERT INTO {table} SELECT * FROM jsonb_populate_recordset(NULL::public.{table}, %(rows)s::jsonb)
"""
_RULE_TABLES: Final = (
    "given_up",
    "agreed_fees",
    "tolerances",
    "processor_calendars",
    "sources",
    "hand_matches",
    "hand_match_lines",
    "hand_match_items",
)
# They come as they were staged then: of two at once the later one may have been whole first. How the source was
# declared by then nobody knows of the oldest files: they are read as it was at the close.
_FILES: Final = """
INSERT INTO report_files (file_id, nth, staged_nth, source, sha256, name, byte_count, state, received_at, received_by,
                          feed_sequence, read_format, read_options)
OVERRIDING SYSTEM VALUE
SELECT f.file_id, f.staged_nth, f.staged_nth, f.source, p.sha256, f.name, f.byte_count, 'RECEIVED', f.received_at,
       f.received_by, f.feed_sequence, coalesce(f.read_format, s.format), coalesce(f.read_options, s.options)
  FROM public.period_files AS p JOIN public.report_files AS f USING (file_id) JOIN sources AS s ON s.source = f.source
 WHERE p.period = %(period)s
"""
_DECLARED: Final = """
UPDATE sources AS s SET format = f.read_format, options = f.read_options
  FROM report_files AS f WHERE f.file_id = %(file_id)s AND s.source = f.source
"""
_COLUMNS: Final = ", ".join(ITEM)
_ITEMS: Final = f"""
INSERT INTO our_items ({_COLUMNS})
SELECT DISTINCT ON (item_key) {_COLUMNS} FROM public.period_items WHERE period <= %(period)s
 ORDER BY item_key, period DESC
"""
# Which file people preferred to those that had come by then: what comes behind it is staged behind it.
_PREFERRED: Final = """
SELECT file_id, after_file_id, preferred_by, reason FROM public.preferred_files
 WHERE at <= %(closed_at)s AND (%(former)s::timestamptz IS NULL OR at > %(former)s) ORDER BY nth
"""
# Files from before it was asked which of two holds: when they were made is what was read then, and what they contradict
# is what was asked.
_MADE_AT: Final = """
UPDATE statement_heads AS h SET created_at = l.created_at
  FROM public.statement_heads AS l JOIN public.files_before_orders AS b USING (file_id)
 WHERE h.file_id = %(file_id)s
   AND (l.file_id, l.first_line, l.account_number, l.statement_id, l.sequence, l.currency)
     = (h.file_id, h.first_line, h.account_number, h.statement_id, h.sequence, h.currency)
"""
_NOT_ASKED: Final = """
DELETE FROM contradicted_files AS c USING public.files_before_orders AS b
 WHERE c.file_id = %(file_id)s AND b.file_id = c.file_id
   AND NOT EXISTS (SELECT FROM public.contradicted_files AS l
                    WHERE (l.file_id, l.former_file_id, l.currency) = (c.file_id, c.former_file_id, c.currency))
"""
# A payout without a day of its own is due when it was closed, which no file says.
_CLOSED_AT: Final = """
UPDATE payouts AS p SET closed_at = l.closed_at FROM public.payouts AS l
 WHERE (l.processor, l.account, l.payout_id, l.currency) = (p.processor, p.account, p.payout_id, p.currency)
   AND p.closed_at IS NOT NULL AND l.closed_at IS NOT NULL
"""
# What still stood, the month kept as it stood. What was resolved by then is nowhere in the month where it made no
# difference of a leg; the history only grows, so its last word before the close is still there.
_DECISIONS: Final = """
UPDATE breaks AS b SET state = d.state, due_on = '9999-12-31', proposed_by = 'one', approved_by = 'another',
       resolution = CASE WHEN d.state = 'APPLYING' THEN 'adjustment' ELSE 'accepted' END
  FROM (SELECT n.break_id, coalesce(
                   (SELECT p.state FROM public.period_breaks AS p
                     WHERE p.period = %(period)s AND (p.break_id, p.type) = (n.break_id, n.type)),
                   (SELECT CASE WHEN (h.to_state, h.type) = ('RESOLVED', n.type) THEN h.to_state END
                      FROM public.break_history AS h WHERE h.break_id = n.break_id AND h.at <= %(closed_at)s
                     ORDER BY h.nth DESC LIMIT 1)) AS state
          FROM breaks AS n) AS d
 WHERE d.break_id = b.break_id AND d.state <> b.state
"""
_FORMER: Final = """
INSERT INTO period_{table} SELECT * FROM public.period_{table} WHERE period < %(period)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recomputed:
    """What a closed month came to when it was computed once more."""

    period: str
    rules_version: str
    rules_version_now: str
    files: int
    differences: Sequence[Mapping[str, Any]]

    @property
    def same(self) -> bool:
        return not self.differences


class _Silent(Outbox):
    """Takes what would be told and tells nobody."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids

    def append(self, *_args: Any, **_more: Any) -> str:
        return self._ids.new("evt_")


class _ShadowFiles(StoredFiles):
    """Gives each file with its source as it was declared when the file was staged."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        super().__init__(connection, now)
        self._shadows = connection

    def next_waiting(self) -> ReportFile | None:
        file = super().next_waiting()
        if file is not None:
            self._shadows.exec_driver_sql(_DECLARED, {"file_id": file.file_id})
        return file


class _ShadowStaging(SqlStaging):
    """Stages a file as it was staged then: what was not asked of it is not asked now."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        super().__init__(connection, now)
        self._shadows = connection

    def settle(self, source: Source, file_id: str) -> Staged:
        self._shadows.exec_driver_sql(_MADE_AT, {"file_id": file_id})
        staged = super().settle(source, file_id)
        self._shadows.exec_driver_sql(_NOT_ASKED, {"file_id": file_id})
        return staged


class _ShadowUnit:
    """What staging needs of a transaction, over the shadow tables."""

    def __init__(self, connection: sa.Connection, now: datetime, ids: Ids) -> None:
        self.now = now
        self.ids = ids
        self.sources = StoredSources(connection, now)
        self.files = _ShadowFiles(connection, now)
        self.staging = _ShadowStaging(connection, now)
        self.preferences = StoredPreferences(connection, now)
        self.announcing = SqlAnnouncing(connection, now)

    def announce(self, act: OperatorAct) -> None:
        raise InvariantViolation("recompute_tells_nothing", act.action)

    def tell(self, line: UntoldLine) -> str:
        raise InvariantViolation("recompute_tells_nothing", line.line_id)


def recompute(
    readers: Mapping[str, Reader], month: Month, connection: sa.Connection, now: datetime, ids: Ids
) -> Recomputed:
    """Compute it in shadow tables and compare with what was closed; writes nothing that lasts."""
    SqlStaging(connection, now).be_patient()
    closes = [dict(row) for row in connection.exec_driver_sql(_CLOSED, {"period": str(month)}).mappings()]
    if not closes or closes[-1]["period"] != str(month):
        raise Rejected("period_not_closed", f"{month} is not closed", status=404, stored=False)
    close = closes[-1]
    with shadow_tables(connection):
        unit = _ShadowUnit(connection, close["closed_at"], ids)
        files, differences = _stage_all(readers, closes, unit, connection)
        connection.exec_driver_sql(_ITEMS, {"period": str(month)})
        connection.exec_driver_sql(_CLOSED_AT)
        differences += _work_out(month, close, connection, ids)
    return Recomputed(
        period=str(month),
        rules_version=close["rules_version"],
        rules_version_now=rules_version(),
        files=files,
        differences=differences[:DIFFERENCES_MAX],
    )


def _stage_all(
    readers: Mapping[str, Reader],
    closes: Sequence[Mapping[str, Any]],
    unit: _ShadowUnit,
    connection: sa.Connection,
) -> tuple[int, list[Mapping[str, Any]]]:
    """Hash and stage the files, month by month under the rules of that month."""
    count = 0
    former: datetime | None = None
    differences: list[Mapping[str, Any]] = []
    for close in closes:
        for table in _RULE_TABLES:
            connection.exec_driver_sql(f"DELETE FROM {table}")
            rows = orjson.dumps(close["rules"].get(table, [])).decode()
            connection.exec_driver_sql(_RULES.format(table=table), {"rows": rows})
        connection.exec_driver_sql(_FILES, {"period": close["period"]})
        waiting = connection.exec_driver_sql(
            "SELECT file_id, sha256 FROM report_files WHERE state = 'RECEIVED' ORDER BY nth"
        ).all()
        count += len(waiting)
        for file_id, sha256 in waiting:
            if _hash_of(unit.files, file_id) != bytes(sha256):
                differences.append({"table": "files", "computed": "other bytes", "file_id": file_id})
        said = {"closed_at": close["closed_at"], "former": former}
        preferred = connection.exec_driver_sql(_PREFERRED, said).mappings().all()
        former = close["closed_at"]
        _prefer(
            [row for row in preferred if row["after_file_id"] not in {one.file_id for one in waiting}], unit
        )
        try:
            while file := stage_next(readers, unit):
                _prefer([row for row in preferred if row["after_file_id"] == file.file_id], unit)
        except FileRefused as refused:
            differences.append(
                {"table": "files", "computed": refused.refusal.code, "file_id": refused.file_id}
            )
            break
    return count, differences


def _prefer(preferred: Sequence[Mapping[Any, Any]], unit: _ShadowUnit) -> None:
    for row in preferred:
        source = declared_source(found_file(row["file_id"], unit).source, unit)
        unit.staging.prefer(source, row["file_id"], row["preferred_by"], row["reason"])


def _work_out(
    month: Month, close: Mapping[str, Any], connection: sa.Connection, ids: Ids
) -> list[Mapping[str, Any]]:
    run_id, as_of = ids.new("run_"), close["closed_at"]
    Matcher(connection).match(run_id, everything=True)
    Allocator(connection, _Silent(ids), as_of).allocate(run_id, everything=True)
    BreakFinder(connection, as_of).find(run_id, as_of, everything=True)
    connection.exec_driver_sql(_DECISIONS, {"period": str(month), "closed_at": as_of})
    for table in ("rolls", "files"):
        connection.exec_driver_sql(_FORMER.format(table=table), {"period": str(month)})
    unfinished = StoredPeriods(connection, as_of).write(month, as_of).unfinished
    differences: list[Mapping[str, Any]] = [
        {"table": "positions", "computed": "without a name", "subject": subject}
        for subject in unfinished.unnamed
    ]
    for table in COMPARED:
        if close["keeps_days"] or table not in OF_DAYS:
            differences.extend(_differences(table, str(month), connection))
    return differences


def _differences(table: str, period: str, connection: sa.Connection) -> list[Mapping[str, Any]]:
    known, order = TABLES[table]
    columns = tuple(name for name in known if (table, name) not in _NOT_COMPUTED)
    computed = select(table, columns).rpartition(" ORDER BY ")[0] + COMPARED[table]
    recorded = computed.replace(f"FROM period_{table}", f"FROM public.period_{table}")
    found: list[Mapping[str, Any]] = []
    for side, one, other in (("recorded", recorded, computed), ("computed", computed, recorded)):
        rows = connection.exec_driver_sql(
            f"({one}) EXCEPT ({other}) LIMIT {DIFFERENCES_MAX}", {"period": period}
        )
        found.extend({"table": table, "only": side, **row} for row in rows.mappings())
    key = tuple(name for name in order.split(", ") if name != "nth")
    return sorted(found, key=lambda row: (*(str(row[name]) for name in key), row["only"]))


def _hash_of(files: StoredFiles, file_id: str) -> bytes:
    said = hashlib.sha256()
    content = files.content(file_id)
    while piece := content.read(CHUNK_BYTES):
        said.update(piece)
    return said.digest()
