"""The ledger's command line: what every service has, and the books for people in a terminal."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.ledger.entrypoints.cli_clearing import add_clearing
from services.ledger.entrypoints.cli_seals import add_auditing
from services.ledger.entrypoints.cli_statements import add_statements
from shared.runtime.cli import JsonFlag, command_line, service_cli

if TYPE_CHECKING:
    from services.ledger.app.views import BooksReader, JournalView

cli = service_cli("ledger", "services.ledger.settings:LedgerSettings", "services.ledger.bootstrap:build")
add_auditing(cli)
add_statements(cli)
add_clearing(cli)
_EXIT_UNBALANCED = 1
_PIPE_COLUMNS = 240


@cli.command()
def balances(
    merchant: Annotated[str, typer.Argument(help="The merchant's id.")],
    currency: Annotated[str | None, typer.Option(help="ISO 4217 code.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Show a merchant's pending and available money per currency."""
    with _reader() as reader:
        found = reader.merchant_balances(merchant, currency)
    _show(
        [asdict(balance) for balance in found],
        [("currency", "currency"), ("pending", "pending_minor"), ("available", "available_minor")],
        title=f"Balances of {merchant}, in minor units",
        as_json=as_json,
    )


@cli.command("trial-balance")
def trial_balance(as_json: JsonFlag = False) -> None:
    """Sum all entries by currency and family; exit 1 unless every currency comes to zero."""
    with _reader() as reader:
        found = reader.trial_balance()
    if as_json:
        typer.echo(json.dumps({"balanced": found.balanced, **asdict(found)}))
    else:
        _show(
            [asdict(line) for line in found.lines],
            [
                ("currency", "currency"),
                ("family", "family"),
                ("debit", "debit_minor"),
                ("credit", "credit_minor"),
                ("balance", "balance_minor"),
            ],
            title="Trial balance, in minor units",
            as_json=False,
        )
        for currency, imbalance_minor in found.imbalance_minor.items():
            typer.echo(f"{currency}: debits - credits = {imbalance_minor}")
        typer.echo("The books balance." if found.balanced else "THE BOOKS DO NOT BALANCE.")
    raise typer.Exit(0 if found.balanced else _EXIT_UNBALANCED)


@cli.command()
def journals(
    payment: Annotated[str, typer.Argument(help="The payment's id.")], as_json: JsonFlag = False
) -> None:
    """Show a payment's journals in the order of booking."""
    with _reader() as reader:
        found = reader.journals_of_payment(payment, None)
    if as_json:
        typer.echo(json.dumps([asdict(journal) for journal in found], default=str))
        return
    _show(
        [row for journal in found for row in _lines(journal)],
        [(name, name) for name in ("journal", "rule", "from, to", "account", "debit", "credit", "key")],
        title=f"Journals of {payment}, in minor units",
        as_json=False,
    )


@cli.command("open-items")
def open_items(
    family: Annotated[str | None, typer.Option(help="Only this family of accounts.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    as_json: JsonFlag = False,
) -> None:
    """Show what has not returned to zero on transitional accounts, oldest first."""
    with _reader() as reader:
        found = reader.open_items(family=family, limit=limit)
    _show(
        [asdict(item) for item in found],
        [
            ("family", "family"),
            ("owner", "owner"),
            ("key", "clearing_key"),
            ("currency", "currency"),
            ("balance", "balance_minor"),
            ("since", "since"),
        ],
        title="Open items, in minor units",
        as_json=as_json,
    )


@cli.command("posting-rules")
def posting_rules() -> None:
    """Print the posting rules as the Markdown of docs/posting-rules.md."""
    from services.ledger.domain.rules_document import render

    typer.echo(render(), nl=False)


@contextmanager
def _reader() -> Iterator[BooksReader]:
    from services.ledger.adapters.read_models import SqlBooksReader

    with command_line(cli).opened() as runtime:
        yield SqlBooksReader(runtime.engines["app"])


def _lines(journal: JournalView) -> Iterator[dict[str, Any]]:
    for entry in journal.entries:
        first = entry.line == 1
        parties = f"{journal.from_party} to {journal.to_party}" if journal.from_party else ""
        yield {
            "journal": journal.journal_id if first else "",
            "rule": journal.rule if first else "",
            "from, to": parties if first else "",
            "account": f"{entry.family} {entry.owner} {entry.currency}",
            "debit": entry.amount_minor if entry.side == "debit" else "",
            "credit": entry.amount_minor if entry.side == "credit" else "",
            "key": entry.clearing_key or "",
        }


def _show(
    rows: Sequence[dict[str, Any]], columns: Sequence[tuple[str, str]], *, title: str, as_json: bool
) -> None:
    """JSON for programs; for people a table with figures to the right."""
    if as_json:
        typer.echo(json.dumps(rows, default=str))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    for heading, field in columns:
        justify: Any = "right" if re.search("_minor|debit|credit", field) else "left"
        # Ids are there to be copied: they fold over lines and are never cut off.
        table.add_column(heading, justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(str(row[field]) for _, field in columns))
    # In a file or a pipe nothing limits a line.
    Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS).print(table)


def main() -> None:
    """Entry point of the distribution."""
    cli()


if __name__ == "__main__":
    main()
