"""Balances in a terminal: of a merchant, of one account, of all families; below zero; at any moment."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from services.ledger.app.moments import EVERYTHING, AskedMoment, Moment, TimeKind, moment_of
from services.ledger.app.pages import BY_CURRENCY, next_cursor, place_of
from services.ledger.entrypoints.tables_on_terminals import Cursor, show, tell_more
from shared.kernel.clock import SystemClock
from shared.runtime.cli import JsonFlag, command_line

if TYPE_CHECKING:
    import sqlalchemy as sa

    from services.ledger.adapters.balances import SqlBalances

_EXIT_UNBALANCED = 1
DAYS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]
At = Annotated[
    datetime | None, typer.Option(formats=DAYS, help="Just before this time, in UTC; without it now.")
]
AsOf = Annotated[
    int | None, typer.Option(min=0, help="Seal position; the same one is answered the same for ever.")
]
By = Annotated[TimeKind, typer.Option(help="Which time counts: that of booking or that of effect.")]
Currency = Annotated[str | None, typer.Option(help="ISO 4217 code.")]


def add_balances(cli: typer.Typer) -> None:
    """Add the commands to the ledger's command line."""
    _add_of_one(cli)
    _add_of_all(cli)

    @cli.command()
    def negative(
        cursor: Cursor = None,
        limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
        as_json: JsonFlag = False,
    ) -> None:
        """Show merchants whose available money is below zero, and since when without a break, oldest first."""
        from services.ledger.adapters.negative_balances import SqlNegativeBalances

        with _engine(cli) as engine:
            found = SqlNegativeBalances(engine).negative_balances(
                SystemClock().now(), limit, place_of(cursor, BY_CURRENCY)
            )
        following = next_cursor(found.balances, limit)
        if as_json:
            typer.echo(json.dumps({**asdict(found), "next_cursor": following}, default=str))
            return
        show(
            [asdict(balance) for balance in found.balances],
            [("merchant", "merchant_id"), ("currency", "currency"), ("balance", "balance_minor"), ("since", "since")],
            title="Available balances below zero, in minor units",
        )  # fmt: skip
        for total in found.totals:
            since = "" if total.oldest is None else f", the oldest since {total.oldest:%Y-%m-%d %H:%M}"
            typer.echo(f"{total.currency}: {total.merchants} merchants owe {total.owed_minor}{since}")
        tell_more(following)


def _add_of_one(cli: typer.Typer) -> None:
    @cli.command()
    def balances(
        merchant: Annotated[str, typer.Argument(help="The merchant's id.")],
        currency: Currency = None,
        by: By = TimeKind.EFFECTIVE,
        at: At = None,
        as_of: AsOf = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Show a merchant's pending and available money per currency, and what becomes available when."""
        from services.ledger.app.balances import merchant_balances

        with _books(cli) as books:
            moment = _moment(books, by, at, as_of)
            found = merchant_balances(merchant, currency, moment, books)
        if as_json:
            _emit_as_of(moment, data=[asdict(balance) for balance in found])
            return
        show(
            [{**asdict(balance), "arriving": _arriving(balance.arriving)} for balance in found],
            [
                ("currency", "currency"),
                ("pending", "pending_minor"),
                ("available", "available_minor"),
                ("becomes available", "arriving"),
            ],
            title=f"Balances of {merchant}, in minor units",
        )

    @cli.command()
    def balance(
        family: Annotated[str, typer.Argument(help="Family of the account, as merchant_available.")],
        owner: Annotated[str, typer.Argument(help="Whose it is, as mer_01…")],
        currency: Annotated[str, typer.Argument(help="ISO 4217 code.")],
        by: By = TimeKind.BOOKED,
        at: At = None,
        as_of: AsOf = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Show one account with what stands on each side."""
        from services.ledger.app.balances import account_balance
        from services.ledger.domain.chart import AccountRef

        with _books(cli) as books:
            moment = _moment(books, by, at, as_of)
            found = account_balance(AccountRef(family, owner, currency), moment, books)
        if as_json:
            _emit_as_of(moment, account=asdict(found))
            return
        show(
            [asdict(found)],
            [("family", "family"), ("owner", "owner"), ("currency", "currency"), *_SIDES],
            title="One account, in minor units",
        )


def _add_of_all(cli: typer.Typer) -> None:
    @cli.command("trial-balance")
    def trial_balance(
        currency: Currency = None,
        by: By = TimeKind.BOOKED,
        at: At = None,
        as_of: AsOf = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Sum the books by currency and family, now or at a moment; exit 1 unless every currency comes to zero.

        Now, in all currencies, it adds up every single entry and believes no snapshot.
        """
        from services.ledger.adapters.read_models import SqlBooksReader
        from services.ledger.app.balances import trial_balance_of

        with _engine(cli) as engine:
            books = _sql_balances(engine)
            moment = _moment(books, by, at, as_of)
            every_entry = moment == EVERYTHING and currency is None
            found = (
                SqlBooksReader(engine).trial_balance()
                if every_entry
                else trial_balance_of(currency, moment, books)
            )
        if as_json:
            typer.echo(json.dumps({"balanced": found.balanced, "as_of": moment.as_of, **asdict(found)}))
        else:
            show(
                [asdict(line) for line in found.lines],
                [("currency", "currency"), ("family", "family"), *_SIDES],
                title="Trial balance, in minor units",
            )
            for code, imbalance_minor in found.imbalance_minor.items():
                typer.echo(f"{code}: debits - credits = {imbalance_minor}")
            typer.echo("The books balance." if found.balanced else "THE BOOKS DO NOT BALANCE.")
        raise typer.Exit(0 if found.balanced else _EXIT_UNBALANCED)

    @cli.command()
    def tree(
        currency: Currency = None,
        by: By = TimeKind.BOOKED,
        at: At = None,
        as_of: AsOf = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Show the families under whose money they are, with subtotals per currency."""
        from services.ledger.app.account_tree import account_tree
        from services.ledger.app.balances import families_of

        with _books(cli) as books:
            moment = _moment(books, by, at, as_of)
            branches = account_tree(families_of(currency, moment, books))
        if as_json:
            _emit_as_of(moment, branches=[asdict(branch) for branch in branches])
            return
        rows = []
        for branch in branches:
            total = {**asdict(branch), "balance_minor": branch.net_debit_minor, "name": branch.owners}
            rows += [total, *({**asdict(line), "name": f"  {line.family}"} for line in branch.families)]
        show(
            rows,
            [("currency", "currency"), ("accounts of", "name"), ("accounts", "accounts"), *_SIDES],
            title="Account tree, in minor units; subtotals are debits less credits",
        )


_SIDES = [("debit", "debit_minor"), ("credit", "credit_minor"), ("balance", "balance_minor")]


def _moment(books: SqlBalances, by: TimeKind, at: datetime | None, as_of: int | None) -> Moment:
    in_utc = None if at is None else at.replace(tzinfo=UTC)
    return moment_of(AskedMoment(by=by, at=in_utc, as_of=as_of), books, SystemClock().now())


def _emit_as_of(moment: Moment, **said: object) -> None:
    """As over HTTP: of which seal position it is; null where everything booked counts, sealed or not."""
    typer.echo(json.dumps({"as_of": moment.as_of, **said}, default=str))


def _arriving(arrivals: tuple[object, ...]) -> str:
    from services.ledger.app.views import Arrival

    found = [arrival for arrival in arrivals if isinstance(arrival, Arrival)]
    return ", ".join(f"{arrival.amount_minor} on {arrival.available_on:%Y-%m-%d}" for arrival in found)


@contextmanager
def _engine(cli: typer.Typer) -> Iterator[sa.Engine]:
    from services.ledger.adapters.long_reads import patient_reads

    with command_line(cli).opened() as runtime:
        yield patient_reads(runtime.engines["app"])


@contextmanager
def _books(cli: typer.Typer) -> Iterator[SqlBalances]:
    with _engine(cli) as engine:
        yield _sql_balances(engine)


def _sql_balances(engine: sa.Engine) -> SqlBalances:
    from services.ledger.adapters.balances import SqlBalances

    return SqlBalances(engine)
