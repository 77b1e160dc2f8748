"""The ledger's read-only HTTP face: balances, statements, journals, the trial balance; for operators, and merchants on
their own.

A merchant sees its own balances, and of its payments' journals the entries on its own accounts. What belongs to
somebody else does not exist for it (404).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated

from fastapi import Depends, FastAPI, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from services.ledger.app.statements import (
    PAGE_MAX,
    DrawUpStatement,
    Statement,
    Statements,
    TimeKind,
    draw_up_statement,
)
from services.ledger.app.views import (
    AccountBalance,
    BooksReader,
    JournalView,
    MerchantBalance,
    OpenItem,
    TrialBalanceLine,
)
from services.ledger.domain.chart import AccountRef
from shared.kernel.errors import Rejected
from shared.runtime.http import api
from shared.runtime.operator_tokens import OperatorRole, TokenVerifier, bearer, operator_with, unauthorized

Currency = Annotated[str | None, Query(pattern="^[A-Z]{3}$", description="ISO 4217 code, upper case")]
Name = Annotated[str | None, Query(min_length=1, max_length=200)]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]
Identifier = Annotated[str, Path(pattern="^[a-z]{2,8}_[0-9a-z]{1,40}$")]


@dataclass(frozen=True, slots=True, kw_only=True)
class BalancesReply:
    data: list[MerchantBalance]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountsReply:
    data: list[AccountBalance]
    next_after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBalanceReply:
    balanced: bool
    imbalance_minor: dict[str, int]
    lines: list[TrialBalanceLine]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenItemsReply:
    data: list[OpenItem]


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalsReply:
    data: list[JournalView]


Scope = Callable[[Request], str | None]


def application(
    reader: BooksReader,
    statements: Statements,
    *,
    operators: TokenVerifier | None,
    merchants: TokenVerifier | None,
) -> FastAPI:
    """The application. Without a public key nobody of that kind gets in."""
    app = api(title="ledger")
    viewer = operator_with(operators, OperatorRole.VIEWER)
    _add_operator_routes(app, reader, viewer)
    scope_of = _scope_of(operators, merchants)
    _add_shared_routes(app, reader, scope_of)
    _add_statement(app, statements, scope_of)
    return app


def _scope_of(operators: TokenVerifier | None, merchants: TokenVerifier | None) -> Scope:
    """A dependency: the merchant that the caller is confined to, or None for an operator."""

    def scope(request: Request) -> str | None:
        token = bearer(request)
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


def _add_operator_routes(app: FastAPI, reader: BooksReader, viewer: Callable[..., object]) -> None:
    needs_operator = [Depends(viewer)]

    @app.get("/accounts", dependencies=needs_operator)
    def accounts(
        family: Name = None,
        owner: Name = None,
        currency: Currency = None,
        after: Annotated[int, Query(ge=0)] = 0,
        limit: Limit = 100,
    ) -> AccountsReply:
        """Accounts with what stands on each side, a page at a time."""
        found = reader.account_balances(
            family=family, owner=owner, currency=currency, after=after, limit=limit
        )
        return AccountsReply(data=found, next_after=found[-1].account_id if len(found) == limit else None)

    @app.get("/trial-balance", dependencies=needs_operator)
    def trial_balance() -> TrialBalanceReply:
        """Every entry summed by family and currency; each currency must come to zero."""
        found = reader.trial_balance()
        return TrialBalanceReply(
            balanced=found.balanced, imbalance_minor=found.imbalance_minor, lines=list(found.lines)
        )

    @app.get("/open-items", dependencies=needs_operator)
    def open_items(family: Name = None, limit: Limit = 100) -> OpenItemsReply:
        """What has not returned to zero on transitional accounts, by clearing key, oldest first."""
        return OpenItemsReply(data=reader.open_items(family=family, limit=limit))


def _add_shared_routes(app: FastAPI, reader: BooksReader, scope_of: Scope) -> None:
    @app.get("/balances")
    def balances(
        scope: Annotated[str | None, Depends(scope_of)], merchant: Name = None, currency: Currency = None
    ) -> BalancesReply:
        """A merchant's pending and available money per currency."""
        wanted = merchant or scope
        if wanted is None:
            raise Rejected("field_missing", "Name a merchant.", status=422, param="merchant", stored=False)
        if scope is not None and wanted != scope:
            raise _not_found()
        return BalancesReply(data=reader.merchant_balances(wanted, currency))

    @app.get("/payments/{payment_id}/journals")
    def journals_of_payment(
        payment_id: Identifier, scope: Annotated[str | None, Depends(scope_of)]
    ) -> JournalsReply:
        """A payment's journals in the order of booking, each with its cause and what reverses it."""
        found = reader.journals_of_payment(payment_id, scope)
        if not found:
            raise _not_found()
        return JournalsReply(data=[_as_seen_by(scope, journal) for journal in found])

    @app.get("/journals/{journal_id}")
    def journal(journal_id: Identifier, scope: Annotated[str | None, Depends(scope_of)]) -> JournalView:
        """One journal with its cause, its entries, what it reverses and what reverses it."""
        found = reader.journal(journal_id, scope)
        if found is None:
            raise _not_found()
        return _as_seen_by(scope, found)


class StatementQuery(BaseModel):
    """What a statement is asked for by; unknown names are refused."""

    model_config = ConfigDict(extra="forbid")

    family: str = Field(min_length=1, max_length=200)
    currency: str = Field(pattern="^[A-Z]{3}$", description="ISO 4217 code, upper case")
    owner: str | None = Field(None, min_length=1, max_length=200)
    since: datetime
    until: datetime
    by: TimeKind = TimeKind.BOOKED
    as_of: int | None = Field(None, ge=0, le=2**63 - 1, description="Seal position; without it that of now")
    cursor: str | None = Field(None, max_length=100)
    limit: int = Field(100, ge=1, le=PAGE_MAX)


def _add_statement(app: FastAPI, statements: Statements, scope_of: Scope) -> None:
    @app.get("/statement")
    def statement(
        scope: Annotated[str | None, Depends(scope_of)], asked: Annotated[StatementQuery, Query()]
    ) -> Statement:
        """An account's opening balance, movements and closing balance; a page at a time, of one seal position."""
        owner = asked.owner or scope
        if owner is None:
            raise Rejected("field_missing", "Name an owner.", status=422, param="owner", stored=False)
        if scope is not None and owner != scope:
            raise _not_found()
        wanted = DrawUpStatement(
            account=AccountRef(asked.family, owner, asked.currency),
            since=asked.since,
            until=asked.until,
            by=asked.by,
            as_of=asked.as_of,
            cursor=asked.cursor,
            limit=asked.limit,
        )
        return draw_up_statement(wanted, statements)


def _as_seen_by(merchant_id: str | None, journal: JournalView) -> JournalView:
    """An operator sees everything; a merchant the entries on its own accounts."""
    if merchant_id is None:
        return journal
    return replace(journal, entries=tuple(entry for entry in journal.entries if entry.owner == merchant_id))


def _not_found() -> Rejected:
    return Rejected("not_found", "There is no such thing.", status=404, stored=False)
