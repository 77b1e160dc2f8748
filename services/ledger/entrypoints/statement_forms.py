"""A statement as text for programs: CSV, JSON lines, one JSON document; in the terminal and over HTTP alike."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from services.ledger.app.statements import Statement

COLUMNS: Final = (
    "at", "journal_id", "rule", "payment_id", "from_party", "to_party", "clearing_key", "told_effective_at",
    "net_minor", "balance_minor",
)  # fmt: skip


def rows_of(page: Statement) -> Iterator[dict[str, Any]]:
    """The movements, each with the balance behind it."""
    balance_minor = page.opening_minor
    for movement in page.movements:
        balance_minor += movement.net_minor
        yield {**asdict(movement), "balance_minor": balance_minor}


def as_csv(pages: Iterable[Statement], until: datetime) -> Iterator[str]:
    """A heading, the opening balance, the movements and the closing balance; a page's worth of text at a time."""
    closing_minor: int | None = None
    yield _csv([COLUMNS])
    for page in pages:
        if closing_minor is None:
            yield _csv([_edge(page.since, "opening", page.opening_minor)])
        yield _csv([_cells(row) for row in rows_of(page)])
        closing_minor = page.closing_minor
    yield _csv([_edge(until, "closing", closing_minor or 0)])


def as_json_lines(pages: Iterable[Statement]) -> Iterator[str]:
    """What it is of and its opening balance on the first line, then a movement on each."""
    for number, page in enumerate(pages):
        if number == 0:
            head = _head(page)
            # A page's own closing balance is not that of the statement: the last movement's balance is.
            del head["closing_minor"]
            yield _line({"opening": head.pop("opening_minor"), **head})
        yield "".join([_line(row) for row in rows_of(page)])


def as_document(pages: Iterable[Statement]) -> dict[str, Any]:
    """All of it in one."""
    document: dict[str, Any] = {}
    movements: list[dict[str, Any]] = []
    for page in pages:
        document = document or _head(page)
        movements += rows_of(page)
        document["closing_minor"] = page.closing_minor
    return {**document, "movements": movements}


def _head(page: Statement) -> dict[str, Any]:
    return {name: value for name, value in asdict(page).items() if name not in {"movements", "next_cursor"}}


def _line(row: dict[str, Any]) -> str:
    return json.dumps(row, default=str) + "\n"


def _cells(row: dict[str, Any]) -> list[object]:
    return [value.isoformat() if isinstance(value := row[name], datetime) else value for name in COLUMNS]


def _edge(at: datetime, what: str, balance_minor: int) -> list[object]:
    return [at.isoformat(), "", what, *[""] * (len(COLUMNS) - 4), balance_minor]


def _csv(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
