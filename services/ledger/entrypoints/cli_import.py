"""``ledger import``: journals of another ledger from a file, for operators in a terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.ledger.entrypoints.tables_on_terminals import show
from shared.runtime.cli import JsonFlag, Reason, command_line
from shared.runtime.cli_token import TokenFile, acting

if TYPE_CHECKING:
    from services.ledger.adapters.importing import Imported

_EXIT_REFUSED = 1
_SHOWN_MAX = 50


def add_import(cli: typer.Typer) -> None:
    """Add the commands."""
    _add_import(cli)
    _add_list(cli)


def _add_import(cli: typer.Typer) -> None:
    @cli.command("import")
    def import_journals(
        file: Annotated[
            Path,
            typer.Argument(exists=True, dir_okay=False, readable=True, help="JSON lines, one journal each."),
        ],
        *,
        token_file: TokenFile,
        reason: Reason,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Check all of it and write nothing.")
        ] = False,
        batch: Annotated[
            int, typer.Option(min=1, max=20_000, help="How many lines are one transaction.")
        ] = 2_000,
        as_json: JsonFlag = False,
    ) -> None:
        """Import journals from another ledger; exit 1, and nothing is written, if any line is refused.

        The same file again is a no-op; one that was cut off goes on where it stopped. docs/importing.md has the format.
        """
        done, times = _bring(cli, file, token_file, reason, batch, dry_run=dry_run, shown=not as_json)
        if as_json:
            typer.echo(json.dumps({**done.as_json(), **_seconds(times)}))
        else:
            _tell(done)
        raise typer.Exit(_EXIT_REFUSED if done.checked.refused else 0)


def _add_list(cli: typer.Typer) -> None:
    @cli.command("imports")
    def imports(
        limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 100,
        as_json: JsonFlag = False,
    ) -> None:
        """List imports, newest first: who brought which file, and whether all of it is booked."""
        from services.ledger.adapters.imports import list_imports

        with command_line(cli).opened() as runtime:
            found = runtime.transactions.read(lambda uow: list_imports(uow.connection, limit), name="imports")
        rows = [{**asdict(each), "file_sha256": each.file_sha256.hex()} for each in found]
        names = (
            "import_id",
            "file_name",
            "journals",
            "begun_by",
            "reason",
            "begun_at",
            "finished_at",
            "file_sha256",
        )
        show(rows, [(name, name) for name in names], title="Imports", as_json=as_json)


def _bring(
    cli: typer.Typer,
    file: Path,
    token_file: Path | None,
    reason: str,
    batch: int,
    *,
    dry_run: bool,
    shown: bool,
) -> tuple[Imported, dict[str, float]]:
    """Import the file; what became of it, and when each step was done."""
    from services.ledger.adapters.import_files import ImportFile
    from services.ledger.adapters.importing import import_file

    who = acting(command_line(cli), token_file, "operator")
    times = {"begun": time.monotonic()}
    with command_line(cli).opened() as runtime, _progress(shown=shown) as show_progress:

        def progress(what: str, lines: int) -> None:
            times[what] = time.monotonic()
            show_progress(what, lines)

        done = import_file(
            runtime.transactions,
            ImportFile(file, batch),
            actor=who,
            reason=reason,
            dry_run=dry_run,
            progress=progress,
        )
    return done, times


def _seconds(times: dict[str, float]) -> dict[str, float | None]:
    """How long checking and booking took."""
    began, checked, booked = (times.get(step) for step in ("begun", "checked", "booked"))
    return {
        "checking_s": None if began is None or checked is None else round(checked - began, 3),
        "booking_s": None if checked is None or booked is None else round(booked - checked, 3),
    }


@contextmanager
def _progress(*, shown: bool) -> Iterator[Callable[[str, int], None]]:
    """A line on standard error that counts, where a person sees it."""
    from rich.console import Console

    console = Console(stderr=True)
    if not shown or not console.is_terminal:
        yield lambda _what, _lines: None
        return
    with console.status("reading") as status:
        yield lambda what, lines: status.update(f"{what} {lines:,} lines")


def _tell(done: Imported) -> None:
    checked = done.checked
    typer.echo(
        f"{checked.lines:,} lines, {checked.journals:,} journals, {checked.already:,} of them booked before."
    )
    if checked.refused:
        rows = [asdict(each) for each in checked.refused[:_SHOWN_MAX]]
        show(
            rows,
            [(name, name) for name in ("line", "code", "field", "detail")],
            title="Refused",
            as_json=False,
        )
        typer.echo(f"{len(checked.refused):,} lines are refused, so nothing of the file was written.")
        return
    said = {
        "checked": "All of it can be imported; nothing was written.",
        "known": f"It was imported before, as {done.import_id}; nothing was written.",
        "imported": f"{done.booked:,} journals are booked, as {done.import_id}.",
    }
    typer.echo(said[done.state])
