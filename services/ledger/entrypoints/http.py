"""The ledger's read-only HTTP face: balances, statements, journals, the trial balance; for operators, and merchants on
their own.

A merchant sees its own balances, and of its payments' journals the entries on its own accounts. What belongs to
somebody else does not exist for it (404).
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Protocol

from fastapi import Depends, FastAPI, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from services.ledger.app.balances import Balances
from services.ledger.app.clearing import check_returns_to_zero
from services.ledger.app.moments import TimeKind
from services.ledger.app.pages import BY_ACCOUNT, entry_behind, next_cursor, next_entry, place_of
from services.ledger.app.statements import (
    CURSOR_MAX,
    PAGE_MAX,
    DrawUpStatement,
    Statement,
    Statements,
    draw_up_statement,
    whole_statement,
)
from services.ledger.app.views import BooksReader, JournalView, OpenItem, PaymentEntry
from services.ledger.domain.chart import AccountRef
from services.ledger.entrypoints.http_balances import NegativeReader, add_balances, add_whole_books
from services.ledger.entrypoints.http_parts import (
    IN_UTC,
    After,
    Identifier,
    Limit,
    Name,
    Now,
    Scope,
    not_found,
    owner_in_scope,
)
from services.ledger.entrypoints.statement_forms import as_csv, as_json_lines
from shared.kernel.clock import SystemClock
from shared.kernel.errors import Rejected
from shared.runtime.http import api
from shared.runtime.operator_tokens import OperatorRole, TokenVerifier, bearer, operator_with, unauthorized
from shared.runtime.queries import refuse_strange_query


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenItemsReply:
    data: list[OpenItem]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalsReply:
    data: list[JournalView]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntriesReply:
    data: list[PaymentEntry]
    next_cursor: str | None


class Reads(Statements, Balances, Protocol):
    """Balances and statements."""


def application(
    reader: BooksReader,
    statements: Reads,
    negatives: NegativeReader,
    *,
    now: Now | None = None,
    operators: TokenVerifier | None,
    merchants: TokenVerifier | None,
) -> FastAPI:
    """The application. Without a public key nobody of that kind gets in."""
    app = api(title="ledger", bearer="An operator's token; or for a merchant's own books its read token.")
    viewer = operator_with(operators, OperatorRole.VIEWER)
    scope_of = _scope_of(operators, merchants)
    now = now or SystemClock().now
    add_whole_books(app, statements, reader, negatives, viewer, now)
    _add_open_items(app, reader, viewer)
    add_balances(app, statements, scope_of, now)
    _add_journals(app, reader, scope_of)
    _add_statement(app, statements, scope_of, now)
    return app


def _scope_of(operators: TokenVerifier | None, merchants: TokenVerifier | None) -> Scope:
    """A dependency: the merchant that the caller is confined to, or None for an operator."""

    def scope(request: Request) -> str | None:
        found = whose(bearer(request))
        refuse_strange_query(request)
        return found

    def whose(token: str) -> str | None:
        if operators is not None:
            try:
                operators.operator(token)
            except Rejected:
                pass  # not an operator's; a merchant's perhaps, and if not the one 401 follows
            else:
                return None
        if merchants is None:
            raise unauthorized()
        return merchants.merchant_reader(token).merchant_id

    return scope


def _add_open_items(app: FastAPI, reader: BooksReader, viewer: Callable[..., object]) -> None:
    @app.get("/open-items", dependencies=[Depends(viewer)])
    def open_items(family: Name = None, cursor: After = None, limit: Limit = 100) -> OpenItemsReply:
        """What has not returned to zero on transitional accounts, by clearing key, the oldest first, a page at a time.

        The keys are those of `/clearing`: a line counts under the object that it was matched to.
        """
        check_returns_to_zero(family)
        found = reader.open_items(family=family, limit=limit, after=place_of(cursor, BY_ACCOUNT))
        return OpenItemsReply(data=found, next_cursor=next_cursor(found, limit))


def _add_journals(app: FastAPI, reader: BooksReader, scope_of: Scope) -> None:
    @app.get("/payments/{payment_id}/journals")
    def journals_of_payment(
        payment_id: Identifier, scope: Annotated[str | None, Depends(scope_of)]
    ) -> JournalsReply:
        """A payment's journals in the order of booking, each with its cause and what reverses it."""
        found = reader.journals_of_payment(payment_id, scope)
        if not found:
            raise not_found()
        return JournalsReply(data=[_as_seen_by(scope, journal) for journal in found])

    @app.get("/payments/{payment_id}/entries")
    def entries_of_payment(
        payment_id: Identifier,
        scope: Annotated[str | None, Depends(scope_of)],
        cursor: Annotated[
            str | None, Query(max_length=40, description="next_cursor of the page before")
        ] = None,
        limit: Limit = 100,
    ) -> EntriesReply:
        """A payment's entries in the order of booking, each with its journal; a merchant sees those on its accounts."""
        found = reader.entries_of_payment(payment_id, scope, after=entry_behind(cursor), limit=limit)
        if not found and cursor is None:
            raise not_found()
        return EntriesReply(data=found, next_cursor=next_entry(found, limit))

    @app.get("/journals/{journal_id}")
    def journal(journal_id: Identifier, scope: Annotated[str | None, Depends(scope_of)]) -> JournalView:
        """One journal with its cause, its entries, what it reverses and what reverses it."""
        found = reader.journal(journal_id, scope)
        if found is None:
            raise not_found()
        return _as_seen_by(scope, found)


class StatementFormat(StrEnum):
    """How a statement is written."""

    JSON = "json"
    CSV = "csv"
    JSONL = "jsonl"


class StatementQuery(BaseModel):
    """What a statement is asked for by; unknown names are refused."""

    model_config = ConfigDict(extra="forbid")

    family: str = Field(min_length=1, max_length=200, description="A family of the chart")
    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217 code, upper case")
    owner: str | None = Field(
        None, min_length=1, max_length=200, description="A merchant may leave itself out"
    )
    since: Annotated[datetime, IN_UTC] = Field(description="From this time on, with its offset from UTC")
    until: Annotated[datetime, IN_UTC] = Field(description="Up to just before this time")
    by: TimeKind = Field(TimeKind.BOOKED, description="Which time counts: that of booking or that of effect")
    as_of: int | None = Field(None, ge=0, le=2**63 - 1, description="Seal position; without it that of now")
    cursor: str | None = Field(None, max_length=CURSOR_MAX, description="next_cursor of the page before")
    limit: int = Field(100, ge=1, le=PAGE_MAX, description="At most so many")
    format: StatementFormat = Field(
        StatementFormat.JSON, description="json: a page; csv and jsonl: all from there on, as text"
    )


#: The media type of each form that is text.
TEXT_TYPES: Final = {
    StatementFormat.CSV: "text/csv",
    StatementFormat.JSONL: "application/jsonl",
}


def _add_statement(app: FastAPI, statements: Statements, scope_of: Scope, now: Now) -> None:
    @app.get(
        "/statement",
        response_model=Statement,
        responses={200: {"content": {media_type: {} for media_type in TEXT_TYPES.values()}}},
    )
    def statement(
        scope: Annotated[str | None, Depends(scope_of)], asked: Annotated[StatementQuery, Query()]
    ) -> Statement | StreamingResponse:
        """An account's opening balance, movements and closing balance; a page at a time, of one seal position.

        As CSV or JSON lines all pages from the cursor on, in one reply.
        """
        owner = owner_in_scope(scope, asked.owner, "owner")
        wanted = DrawUpStatement(
            account=AccountRef(asked.family, owner, asked.currency),
            since=asked.since,
            until=asked.until,
            by=asked.by,
            as_of=asked.as_of,
            cursor=asked.cursor,
            limit=asked.limit,
            now=now(),
        )
        if asked.format is StatementFormat.JSON:
            return draw_up_statement(wanted, statements)
        pages = whole_statement(wanted, statements)
        # Drawn before anything is sent: a refusal is a refusal, not half a file.
        pages = itertools.chain([next(pages)], pages)
        written = as_csv(pages, wanted.until) if asked.format is StatementFormat.CSV else as_json_lines(pages)
        return StreamingResponse(written, media_type=TEXT_TYPES[asked.format])


def _as_seen_by(merchant_id: str | None, journal: JournalView) -> JournalView:
    """An operator sees everything; a merchant the entries on its own accounts."""
    if merchant_id is None:
        return journal
    return replace(journal, entries=tuple(entry for entry in journal.entries if entry.owner == merchant_id))
