"""Checks of imported journals: each came with a file that a named person brought, and a file brought what it says."""

from __future__ import annotations

from typing import Final

from tools.auditor.model import Check, Moment

_IMPORTED: Final = "j.rule = 'imported'"
#: Older than what is still in the outbox of the ledger: the archive files speak for it.
_ARCHIVED: Final = (
    "EXISTS (SELECT 1 FROM dropped_days d WHERE d.service = 'ledger' AND d.day >= date(i.day, '-1 day'))"
)

CHECKS: Final = (
    Check(
        "I3.imported_journals_as_brought",
        "every imported journal is of an import that was begun, about no payment, and takes nothing back",
        Moment.LIVE,
        f"SELECT count(*) FROM journals j WHERE {_IMPORTED}",
        f"""
        SELECT j.journal_id, j.rule, j.fact_key, j.subject, j.payment_id, j.cause_event_type, i.begun_by
        FROM journals j LEFT JOIN imports i ON i.import_id = j.subject
        WHERE {_IMPORTED} AND (i.import_id IS NULL OR j.cause_event_type IS NOT 'JournalImported.v1'
          OR j.payment_id IS NOT NULL OR j.reverses IS NOT NULL OR instr(j.fact_key, ':') < 2)
        """,
    ),
    Check(
        "I3.imports_by_a_person",
        "every import was told as an act, by whom and with its file's digest; a finished one counts its journals",
        Moment.LIVE,
        "SELECT count(*) FROM imports",
        f"""
        SELECT i.import_id, i.file_sha256, i.begun_by, i.journals, i.booked, a.actor AS told_begun_by,
               a.reason AS told_reason
        FROM imports i LEFT JOIN operator_acts a ON a.target = i.import_id AND a.action = 'import_begun'
        WHERE NOT {_ARCHIVED} AND (a.actor IS NOT i.begun_by OR instr(a.reason, 'sha256:' || i.file_sha256 || ' ') <> 1)
           OR i.booked IS NOT NULL AND (i.booked > i.journals
              OR i.booked <> (SELECT count(*) FROM journals j WHERE {_IMPORTED} AND j.subject = i.import_id))
        """,
    ),
)
