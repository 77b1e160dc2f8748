"""``ledger statement`` and ``ledger export``: the books on paper, for people and for other accounting programs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.ledger.adapters.plain_text_names import Language
from services.ledger.app.moments import TimeKind, sealed_position
from services.ledger.app.statements import DrawUpStatement, whole_statement
from services.ledger.entrypoints.statement_forms import as_csv, as_document, as_json_lines, rows_of
from shared.runtime.cli import JsonFlag, command_line, emit

if TYPE_CHECKING:
    from services.ledger.adapters.statements import SqlStatements
    from services.ledger.app.statements import Statements

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  # the parser gives times without an offset; they are UTC
_DAYS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]


class Form(StrEnum):
    """How a statement is written."""

    TABLE = "table"
    CSV = "csv"
    JSONL = "jsonl"


def add_statements(cli: typer.Typer) -> None:
    """Add the commands to the ledger's command line."""

    @contextmanager
    def opened() -> Iterator[SqlStatements]:
        from services.ledger.adapters.statements import SqlStatements

        with command_line(cli).opened() as runtime:
            yield SqlStatements(runtime.engines["app"])

    @cli.command()
    def statement(
        family: Annotated[str, typer.Argument(help="Family of the account, as merchant_available.")],
        owner: Annotated[str, typer.Argument(help="Whose it is, as mer_01…")],
        currency: Annotated[str, typer.Argument(help="ISO 4217 code.")],
        *,
        since: Annotated[datetime, typer.Option(formats=_DAYS, help="From here on, in UTC.")] = _EPOCH,
        until: Annotated[
            datetime | None, typer.Option(formats=_DAYS, help="Up to just before; default now.")
        ] = None,
        by: Annotated[TimeKind, typer.Option(help="Which time of a journal counts.")] = TimeKind.BOOKED,
        as_of: Annotated[
            int | None,
            typer.Option(min=0, help="Seal position; default that of now. The same one repeats a statement."),
        ] = None,
        form: Annotated[Form, typer.Option("--format", help="How it is written.")] = Form.TABLE,
        as_json: JsonFlag = False,
    ) -> None:
        """Print an account's opening balance, movements and closing balance; ``--json``: all in one document."""
        from services.ledger.domain.chart import AccountRef
        from shared.kernel.clock import SystemClock

        wanted = DrawUpStatement(
            account=AccountRef(family, owner, currency),
            since=since.replace(tzinfo=UTC),
            until=SystemClock().now() if until is None else until.replace(tzinfo=UTC),
            by=by,
            as_of=as_of,
            now=SystemClock().now(),
        )
        with opened() as books:
            if as_json:
                emit(as_document(whole_statement(wanted, books)), as_json=True)
            else:
                _WRITERS[form](wanted, books)

    @cli.command()
    def export(
        as_of: Annotated[
            int | None,
            typer.Option(min=0, help="Seal position; default that of now. The same one repeats the file."),
        ] = None,
        language: Annotated[
            Language, typer.Option(help="The program that is to read it.")
        ] = Language.BEANCOUNT,
    ) -> None:
        """Print all sealed journals as plain-text accounting, in the format of Beancount or of hledger."""
        from services.ledger.adapters.plain_text import plain_text
        from services.ledger.adapters.statements import SqlStatements

        with command_line(cli).opened() as runtime:
            engine = runtime.engines["app"]
            until = sealed_position(SqlStatements(engine), as_of)
            for line in plain_text(engine, until, language):
                typer.echo(line)


def _as_csv(wanted: DrawUpStatement, books: Statements) -> None:
    for text in as_csv(whole_statement(wanted, books), wanted.until):
        typer.echo(text, nl=False)


def _as_json_lines(wanted: DrawUpStatement, books: Statements) -> None:
    for text in as_json_lines(whole_statement(wanted, books)):
        typer.echo(text, nl=False)


def _as_table(wanted: DrawUpStatement, books: Statements) -> None:
    from rich.console import Console
    from rich.table import Table

    from shared.kernel.money import shown_units

    currency = wanted.account.currency
    table = Table(title=f"{wanted.account.family} of {wanted.account.owner}, {currency}, by {wanted.by} time")
    for heading, right in (("at", False), ("told", False), ("rule", False), ("from, to", False), ("payment", False),
                           ("movement", True), ("balance", True)):  # fmt: skip
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    as_of = closing_minor = 0

    def shown(amount_minor: Any) -> str:
        return shown_units(amount_minor, currency)

    for number, page in enumerate(whole_statement(wanted, books)):
        if number == 0:
            table.add_row(
                str(page.since), "", "opening", "", "", "", shown_units(page.opening_minor, currency)
            )
        for row in rows_of(page):
            parties = f"{row['from_party']} to {row['to_party']}" if row["from_party"] else ""
            table.add_row(
                str(row["at"]), str(row["told_effective_at"] or ""), str(row["rule"]), parties,
                str(row["payment_id"] or ""),
                shown(row["net_minor"]), shown(row["balance_minor"]),
            )  # fmt: skip
        as_of, closing_minor = page.as_of, page.closing_minor
    table.add_row(str(wanted.until), "", "closing", "", "", "", shown_units(closing_minor, currency))
    Console(width=None if sys.stdout.isatty() else 200).print(table)
    typer.echo(f"As of seal {as_of}; what is not sealed yet is not on it.")


_WRITERS = {Form.TABLE: _as_table, Form.CSV: _as_csv, Form.JSONL: _as_json_lines}
