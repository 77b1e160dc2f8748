"""The queries behind the reads of journals, open items and the whole books."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from services.ledger.adapters.balances import SqlBalances
from services.ledger.adapters.clearing import SqlClearing
from services.ledger.adapters.tables import ACCOUNTS, ENTRIES, EXCHANGE_RATES, JOURNALS, LATE_JOURNALS, SEALS
from services.ledger.app.clearing import ClearingWanted
from services.ledger.app.moments import EVERYTHING, Moment
from services.ledger.app.pages import Place
from services.ledger.app.views import (
    AccountBalance,
    EntryView,
    JournalView,
    OpenItem,
    PaymentEntry,
    RateView,
    TrialBalance,
    TrialBalanceLine,
)
from services.ledger.domain.chart import balance_on_normal_side

_DEBIT = sa.func.coalesce(sa.func.sum(ENTRIES.c.amount_minor).filter(ENTRIES.c.side == "debit"), 0)
_CREDIT = sa.func.coalesce(sa.func.sum(ENTRIES.c.amount_minor).filter(ENTRIES.c.side == "credit"), 0)
_JOINED = ACCOUNTS.join(ENTRIES, ENTRIES.c.account_id == ACCOUNTS.c.account_id)


class SqlBooksReader:
    """Answers in one read-only transaction each, from one snapshot."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine.execution_options(postgresql_readonly=True)
        self._balances = SqlBalances(engine)
        self._clearing = SqlClearing(engine)

    def account_balances(
        self,
        *,
        family: str | None,
        owner: str | None,
        currency: str | None,
        after: int,
        limit: int,
        moment: Moment = EVERYTHING,
    ) -> list[AccountBalance]:
        """Accounts with their sums, a page at a time in the order of their ids."""
        return self._balances.accounts_page(
            family=family, owner=owner, currency=currency, after=after, limit=limit, moment=moment
        )

    def trial_balance(self) -> TrialBalance:
        """Every single entry summed by family and currency: this one believes no snapshot of an account."""
        accounts = sa.func.count(ACCOUNTS.c.account_id.distinct())
        lines = (
            sa.select(
                ACCOUNTS.c.currency,
                ACCOUNTS.c.family,
                _DEBIT.label("debit"),
                _CREDIT.label("credit"),
                accounts.label("accounts"),
            )
            .select_from(_JOINED)
            .group_by(ACCOUNTS.c.currency, ACCOUNTS.c.family)
            .order_by(ACCOUNTS.c.currency, ACCOUNTS.c.family)
        )
        found = [
            TrialBalanceLine(
                currency=row.currency,
                family=row.family,
                debit_minor=int(row.debit),
                credit_minor=int(row.credit),
                balance_minor=balance_on_normal_side(row.family, int(row.debit), int(row.credit)),
                accounts=row.accounts,
            )
            for row in self._all(lines)
        ]
        imbalance: dict[str, int] = {}
        for line in found:
            imbalance[line.currency] = imbalance.get(line.currency, 0) + line.debit_minor - line.credit_minor
        return TrialBalance(lines=tuple(found), imbalance_minor=imbalance)

    def open_items(self, *, family: str | None, limit: int, after: Place | None = None) -> list[OpenItem]:
        """Clearing keys that have not returned to zero, the oldest first, behind a place."""
        found = self._clearing.open_keys(ClearingWanted(family=family, limit=limit, after=after))
        return [
            OpenItem(
                account_id=key.account_id,
                family=key.family,
                owner=key.owner,
                currency=key.currency,
                clearing_key=key.clearing_key,
                balance_minor=key.balance_minor,
                since=key.since,
            )
            for key in found
        ]

    def journals_of_payment(self, payment_id: str, merchant_id: str | None) -> list[JournalView]:
        """The payment's journals in the order of booking; none for a merchant that it does not belong to."""
        return self._journals(JOURNALS.c.payment_id == payment_id, merchant_id)

    def entries_of_payment(
        self, payment_id: str, merchant_id: str | None, *, after: tuple[int, int], limit: int
    ) -> list[PaymentEntry]:
        """The payment's entries behind (position, line), of its merchant's own accounts if one is named."""
        place = sa.tuple_(ENTRIES.c.journal_position, ENTRIES.c.line)
        query = (
            sa.select(
                JOURNALS.c.position, ENTRIES.c.line, JOURNALS.c.journal_id, JOURNALS.c.rule, ACCOUNTS.c.family,
                ACCOUNTS.c.owner, ENTRIES.c.side, ENTRIES.c.amount_minor, ENTRIES.c.currency, ENTRIES.c.clearing_key,
                JOURNALS.c.effective_at, LATE_JOURNALS.c.told_effective_at, JOURNALS.c.booked_at,
                SEALS.c.position.label("seal_position"),
            )
            .select_from(
                JOURNALS.join(ENTRIES, ENTRIES.c.journal_position == JOURNALS.c.position)
                .join(ACCOUNTS, ACCOUNTS.c.account_id == ENTRIES.c.account_id)
                .outerjoin(SEALS, SEALS.c.journal_position == JOURNALS.c.position)
                .outerjoin(LATE_JOURNALS, LATE_JOURNALS.c.journal_position == JOURNALS.c.position)
            )
            .where(JOURNALS.c.payment_id == payment_id, place > sa.tuple_(*after))
            .order_by(JOURNALS.c.position, ENTRIES.c.line)
            .limit(limit)
        )  # fmt: skip
        if merchant_id is not None:
            query = query.where(JOURNALS.c.merchant_id == merchant_id, ACCOUNTS.c.owner == merchant_id)
        return [PaymentEntry(**row._asdict()) for row in self._all(query)]

    def journal(self, journal_id: str, merchant_id: str | None) -> JournalView | None:
        found = self._journals(JOURNALS.c.journal_id == journal_id, merchant_id)
        return found[0] if found else None

    def _journals(self, which: sa.ColumnElement[bool], merchant_id: str | None) -> list[JournalView]:
        original, reversal = JOURNALS.alias("original"), JOURNALS.alias("reversal")
        query = (
            sa.select(
                JOURNALS,
                original.c.journal_id.label("reverses_journal_id"),
                reversal.c.journal_id.label("reversed_by_journal_id"),
                ENTRIES.c.line,
                ENTRIES.c.side,
                ENTRIES.c.amount_minor.label("entry_minor"),
                ENTRIES.c.currency.label("entry_currency"),
                ENTRIES.c.clearing_key,
                ACCOUNTS.c.family,
                ACCOUNTS.c.owner,
                SEALS.c.position.label("seal_position"),
                LATE_JOURNALS.c.told_effective_at,
                EXCHANGE_RATES.c.rate,
                EXCHANGE_RATES.c.from_currency,
                EXCHANGE_RATES.c.to_currency,
            )
            .select_from(
                JOURNALS.join(ENTRIES, ENTRIES.c.journal_position == JOURNALS.c.position)
                .join(ACCOUNTS, ACCOUNTS.c.account_id == ENTRIES.c.account_id)
                .outerjoin(original, original.c.position == JOURNALS.c.reverses_position)
                .outerjoin(reversal, reversal.c.reverses_position == JOURNALS.c.position)
                .outerjoin(SEALS, SEALS.c.journal_position == JOURNALS.c.position)
                .outerjoin(LATE_JOURNALS, LATE_JOURNALS.c.journal_position == JOURNALS.c.position)
                .outerjoin(EXCHANGE_RATES, EXCHANGE_RATES.c.journal_position == JOURNALS.c.position)
            )
            .where(which)
            .order_by(JOURNALS.c.position, ENTRIES.c.line)
        )
        if merchant_id is not None:
            query = query.where(JOURNALS.c.merchant_id == merchant_id)
        grouped: dict[int, list[sa.Row[Any]]] = {}
        for row in self._all(query):
            grouped.setdefault(row.position, []).append(row)
        return [_journal_view(rows) for rows in grouped.values()]

    def _all(self, query: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        with self._engine.connect() as connection:
            return connection.execute(query).all()


def _journal_view(rows: Sequence[sa.Row[Any]]) -> JournalView:
    first = rows[0]
    return JournalView(
        position=first.position,
        journal_id=first.journal_id,
        rule=first.rule,
        cause_event_id=first.cause_event_id,
        cause_event_type=first.cause_event_type,
        fact_key=first.fact_key,
        payment_id=first.payment_id,
        merchant_id=first.merchant_id,
        currency=first.currency,
        amount_minor=first.amount_minor,
        from_party=first.from_party,
        to_party=first.to_party,
        reverses_journal_id=first.reverses_journal_id,
        reversed_by_journal_id=first.reversed_by_journal_id,
        effective_at=first.effective_at,
        told_effective_at=first.told_effective_at,
        booked_at=first.booked_at,
        seal_position=first.seal_position,
        exchange_rate=first.rate
        and RateView(rate=first.rate, from_currency=first.from_currency, to_currency=first.to_currency),
        entries=tuple(
            EntryView(
                line=row.line,
                family=row.family,
                owner=row.owner,
                side=row.side,
                amount_minor=row.entry_minor,
                currency=row.entry_currency,
                clearing_key=row.clearing_key,
            )
            for row in rows
        ),
    )
