"""Checks of imported journals: each came with a file that two people wanted, and a file brought what it says."""

from __future__ import annotations

from typing import Final

from tools.auditor.model import Check, Moment

_IMPORTED: Final = "j.rule = 'imported'"
#: Older than what is still in the outbox of the ledger: the archive files speak for it.
_ARCHIVED: Final = (
    "EXISTS (SELECT 1 FROM dropped_days d WHERE d.service = 'ledger' AND d.day >= date({row}.day, '-1 day'))"
)
_NOT_TOLD: Final = "({act}.actor IS NOT {by} OR instr({act}.reason, 'sha256:' || i.file_sha256 || ' ') <> 1)"
#: What one person brought before two had to has no proposal.
_NOT_BY_TWO: Final = f"""
    p.state IS NOT 'APPROVED' OR p.file_sha256 IS NOT i.file_sha256 OR p.journals IS NOT i.journals
    OR p.decided_by IS NULL OR p.decided_by = p.proposed_by
    OR NOT {_ARCHIVED.format(row="p")} AND ({_NOT_TOLD.format(act="first", by="p.proposed_by")}
                                            OR {_NOT_TOLD.format(act="second", by="p.decided_by")})
"""

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
        "I3.imports_by_two_people",
        "every import was proposed by one person and approved by another, each step told with its file's digest;"
        " a finished one counts its journals",
        Moment.LIVE,
        "SELECT count(*) FROM imports",
        f"""
        SELECT i.import_id, i.file_sha256, i.begun_by, i.journals, i.booked, p.state, p.proposed_by, p.decided_by,
               begun.actor AS told_begun_by, first.actor AS told_proposed_by, second.actor AS told_approved_by
        FROM imports i LEFT JOIN import_proposals p ON p.import_id = i.import_id
          LEFT JOIN operator_acts begun ON begun.target = i.import_id AND begun.action = 'import_begun'
          LEFT JOIN operator_acts first ON first.target = i.import_id AND first.action = 'import_proposed'
          LEFT JOIN operator_acts second ON second.target = i.import_id AND second.action = 'import_approved'
        WHERE NOT {_ARCHIVED.format(row="i")} AND {_NOT_TOLD.format(act="begun", by="i.begun_by")}
           OR i.two_people AND ({_NOT_BY_TWO})
           OR i.booked IS NOT NULL AND (i.booked > i.journals
              OR i.booked <> (SELECT count(*) FROM journals j WHERE {_IMPORTED} AND j.subject = i.import_id))
        """,
    ),
)
