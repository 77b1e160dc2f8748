"""``ledger clearing``: what has not returned to zero, how much and for how long."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from services.ledger.app.pages import BY_ACCOUNT, place_of
from services.ledger.entrypoints.tables_on_terminals import Cursor, tell_more
from shared.runtime.cli import JsonFlag, command_line

if TYPE_CHECKING:
    from services.ledger.app.clearing import ClearingReport

_PIPE_COLUMNS = 240


def add_clearing(cli: typer.Typer) -> None:
    """Add the command to the ledger's command line."""

    @cli.command()
    def clearing(
        family: Annotated[str | None, typer.Option(help="Only this family, as bank_clearing.")] = None,
        currency: Annotated[str | None, typer.Option(help="Only this currency, ISO 4217.")] = None,
        min_age_s: Annotated[int, typer.Option(min=0, help="Only what is at least so old, in seconds.")] = 0,
        cursor: Cursor = None,
        limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many keys.")] = 100,
        as_json: JsonFlag = False,
    ) -> None:
        """Show what has not returned to zero, by clearing key, the oldest first, and its sums."""
        from services.ledger.adapters.clearing import SqlClearing
        from services.ledger.app.clearing import ClearingWanted, report_clearing

        with command_line(cli).opened() as runtime:
            wanted = ClearingWanted(
                family=family,
                currency=currency,
                min_age_s=min_age_s,
                limit=limit,
                after=place_of(cursor, BY_ACCOUNT),
            )
            report = report_clearing(wanted, SqlClearing(runtime.engines["app"]))
        if as_json:
            typer.echo(json.dumps(asdict(report), default=str))
        else:
            _print(report)
        tell_more(report.next_cursor)


def _print(report: ClearingReport) -> None:
    from rich.console import Console
    from rich.table import Table

    sums = Table(title="Not returned to zero, in minor units")
    for heading in ("family", "currency", "keys", "sum", "oldest"):
        sums.add_column(heading, justify="right" if heading in {"keys", "sum", "oldest"} else "left")
    for each in report.sums:
        age = str(timedelta(seconds=each.oldest_s))
        sums.add_row(each.family, each.currency, str(each.keys), str(each.open_minor), age)
    keys = Table(title="The oldest keys")
    for heading in ("family", "owner", "key", "currency", "balance", "age"):
        # Keys are there to be copied: they fold over lines and are never cut off.
        keys.add_column(
            heading, justify="right" if heading in {"balance", "age"} else "left", overflow="fold"
        )
    for key in report.keys:
        age = str(timedelta(seconds=key.age_s))
        keys.add_row(key.family, key.owner, key.clearing_key, key.currency, str(key.balance_minor), age)
    console = Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS)
    console.print(sums)
    console.print(keys)
