"""The ledger's command line: what every service has, and the books for people in a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from services.ledger.app.clearing import check_returns_to_zero
from services.ledger.app.pages import BY_ACCOUNT, entry_behind, next_cursor, next_entry, place_of
from services.ledger.entrypoints.cli_adjustments import add_adjustments
from services.ledger.entrypoints.cli_balances import add_balances
from services.ledger.entrypoints.cli_clearing import add_clearing
from services.ledger.entrypoints.cli_import import add_import
from services.ledger.entrypoints.cli_periods import add_periods
from services.ledger.entrypoints.cli_proofs import add_proofs
from services.ledger.entrypoints.cli_rebuild import add_rebuild
from services.ledger.entrypoints.cli_seals import add_auditing
from services.ledger.entrypoints.cli_snapshots import add_snapshots
from services.ledger.entrypoints.cli_statements import add_statements
from services.ledger.entrypoints.tables_on_terminals import Cursor, show, tell_more
from shared.runtime.cli import JsonFlag, command_line, service_cli

if TYPE_CHECKING:
    from services.ledger.app.views import BooksReader, JournalView

cli = service_cli("ledger", "services.ledger.settings:LedgerSettings", "services.ledger.bootstrap:build")
add_adjustments(cli)
add_auditing(cli)
add_balances(cli)
add_periods(cli)
add_import(cli)
add_proofs(cli)
add_snapshots(cli)
add_rebuild(cli)
add_statements(cli)
add_clearing(cli)


@cli.command()
def journals(
    payment: Annotated[str, typer.Argument(help="The payment's id.")], as_json: JsonFlag = False
) -> None:
    """Show a payment's journals in the order of booking; exit 1 if there are none."""
    with _reader() as reader:
        found = reader.journals_of_payment(payment, None)
    if not found:
        _nothing_booked(payment)
    if as_json:
        typer.echo(json.dumps([asdict(journal) for journal in found], default=str))
        return
    show(
        [row for journal in found for row in _lines(journal)],
        [
            (name, name)
            for name in ("journal", "rule", "from, to", "account", "debit", "credit", "key", "told")
        ],
        title=f"Journals of {payment}, in minor units",
        as_json=False,
    )


@cli.command()
def journal(
    journal_id: Annotated[str, typer.Argument(help="The journal's id.")], as_json: JsonFlag = False
) -> None:
    """Show one journal with its cause, its entries, what it reverses and what reverses it; exit 1 if there is none."""
    with _reader() as reader:
        found = reader.journal(journal_id, None)
    if found is None:
        typer.echo(f"There is no journal {journal_id}.", err=True)
        raise typer.Exit(1)
    if as_json:
        typer.echo(json.dumps(asdict(found), default=str))
        return
    for name, value in asdict(found).items():
        if name != "entries":
            typer.echo(f"{name:<23}{'-' if value is None else value}")
    show(
        list(_lines(found)), [(name, name) for name in ("account", "debit", "credit", "key")], title="Entries"
    )


@cli.command()
def entries(
    payment: Annotated[str, typer.Argument(help="The payment's id.")],
    cursor: Cursor = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 1_000,
    as_json: JsonFlag = False,
) -> None:
    """Show a payment's entries in the order of booking, each with its journal and its place in the chain.

    Exit 1 if there are none.
    """
    with _reader() as reader:
        found = reader.entries_of_payment(payment, None, after=entry_behind(cursor), limit=limit)
    if not found and cursor is None:
        _nothing_booked(payment)
    show(
        [asdict(entry) for entry in found],
        [
            ("journal", "journal_id"),
            ("rule", "rule"),
            ("family", "family"),
            ("owner", "owner"),
            ("side", "side"),
            ("amount", "amount_minor"),
            ("currency", "currency"),
            ("key", "clearing_key"),
            ("seal", "seal_position"),
            ("told", "told_effective_at"),
        ],
        title=f"Entries of {payment}, in minor units",
        as_json=as_json,
    )
    tell_more(next_entry(found, limit))


@cli.command("open-items")
def open_items(
    family: Annotated[str | None, typer.Option(help="Only this family of accounts.")] = None,
    cursor: Cursor = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 100,
    as_json: JsonFlag = False,
) -> None:
    """Show what has not returned to zero on transitional accounts, oldest first."""
    with _reader() as reader:
        check_returns_to_zero(family)
        found = reader.open_items(family=family, limit=limit, after=place_of(cursor, BY_ACCOUNT))
    show(
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
    tell_more(next_cursor(found, limit))


@cli.command("posting-rules")
def posting_rules() -> None:
    """Print the posting rules as the Markdown of docs/posting-rules.md."""
    from services.ledger.domain.rules_document import render

    typer.echo(render(), nl=False)


def _nothing_booked(payment: str) -> NoReturn:
    """A mistyped id must not look like a payment that moved nothing."""
    typer.echo(f"Nothing is booked of a payment {payment}.", err=True)
    raise typer.Exit(1)


@contextmanager
def _reader() -> Iterator[BooksReader]:
    from services.ledger.adapters.long_reads import patient_reads
    from services.ledger.adapters.read_models import SqlBooksReader

    with command_line(cli).opened() as runtime:
        yield SqlBooksReader(patient_reads(runtime.engines["app"]))


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
            "told": (journal.told_effective_at or "") if first else "",
        }


def main() -> None:
    """Entry point of the distribution."""
    cli()


if __name__ == "__main__":
    main()
