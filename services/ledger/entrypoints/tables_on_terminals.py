"""One way to show rows: JSON for programs, a table with figures to the right for people."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

from shared.kernel.visible import visible

_PIPE_COLUMNS: Final = 240
Cursor = Annotated[str | None, typer.Option(help="Go on behind a page: the cursor that it said.")]


def show(
    rows: Sequence[dict[str, Any]],
    columns: Sequence[tuple[str, str]],
    *,
    title: str,
    as_json: bool = False,
) -> None:
    """Print these rows; ``columns`` are (heading, field)."""
    if as_json:
        typer.echo(json.dumps(rows, default=str))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title)
    for heading, field in columns:
        justify: Any = "right" if re.search("_minor|debit|credit|^accounts$", field) else "left"
        # Ids are there to be copied: they fold over lines and are never cut off.
        table.add_column(heading, justify=justify, overflow="fold")
    for row in rows:
        table.add_row(
            *("" if row[field] is None else escape(visible(str(row[field]))) for _, field in columns)
        )
    # In a file or a pipe nothing limits a line.
    Console(width=None if sys.stdout.isatty() else _PIPE_COLUMNS).print(table)


def tell_more(following: str | None) -> None:
    """Say how to go on, beside what may be read by a program; nothing behind the last page."""
    if following is not None:
        typer.echo(f"There is more: --cursor {following}", err=True)
