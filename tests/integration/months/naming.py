"""How the answer key speaks of what a break is about: formats, files and events have ids of their own."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from tests.integration.months.key import line_name

_LINES = """
SELECT 'line:' || source || ':' || line_id, processor, category, object_id FROM matchable_lines
 WHERE 'line:' || source || ':' || line_id = ANY(%(subjects)s)"""
_BANK_LINES = """
SELECT 'bank:' || source || ':' || line_id, currency, "references" FROM bank_lines
 WHERE stands AND 'bank:' || source || ':' || line_id = ANY(%(subjects)s)"""
_FILES = "SELECT file_id, source, name FROM report_files"
_DECIDED = """
SELECT w.subject, b.subject
  FROM (SELECT 'adjustment:' || event_id AS subject, break_id FROM told_adjustments
        UNION ALL SELECT 'return:' || event_id, break_id FROM told_returns) AS w JOIN breaks AS b USING (break_id)"""


def names_of(connection: sa.Connection, subjects: Sequence[str]) -> dict[str, str]:
    """Each subject's name; its own where it has the same in every month like this one."""
    decided = dict(map(tuple, connection.exec_driver_sql(_DECIDED)))
    named = {subject: subject for subject in (*subjects, *decided.values())}
    named |= _line_names(connection, [each for each in named if each.startswith("line:")])
    named |= _bank_names(connection, [each for each in named if each.startswith("bank:")])
    named |= _file_names(connection, [each for each in named if each.startswith(("file:", "order:"))])
    named |= {each: _statement_name(each) for each in named if each.startswith("statement:")}
    return named | {
        subject: f"{subject.partition(':')[0]}:{named[about]}" for subject, about in decided.items()
    }


def _line_names(connection: sa.Connection, subjects: list[str]) -> dict[str, str]:
    found = connection.exec_driver_sql(_LINES, {"subjects": subjects})
    return {subject: line_name(processor, category, name) for subject, processor, category, name in found}


def _bank_names(connection: sa.Connection, subjects: list[str]) -> dict[str, str]:
    found = connection.exec_driver_sql(_BANK_LINES, {"subjects": subjects})
    return {
        subject: f"bank:{currency}:" + next((ref for ref in refs if ref.startswith("UNKNOWN")), str(refs))
        for subject, currency, refs in found
    }


def _file_names(connection: sa.Connection, subjects: list[str]) -> dict[str, str]:
    files = {file_id: (source, name) for file_id, source, name in connection.exec_driver_sql(_FILES)}
    named = {}
    for subject in subjects:
        kind, file_id, *rest = subject.split(":")
        source, name = files[file_id]
        former = [files[rest[0]][1], *rest[1:]] if rest else []
        named[subject] = ":".join([kind, source, name, *former])
    return named


def _statement_name(subject: str) -> str:
    """By account and the day that it opens on."""
    _, _, _, currency, _, opening_on, *_ = subject.split(":")
    return f"statement:{currency}:{opening_on}"
