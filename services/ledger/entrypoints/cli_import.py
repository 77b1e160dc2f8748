"""``ledger imports``: journals of another ledger from a file, proposed by one person and approved by another."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.ledger.entrypoints.tables_on_terminals import show
from shared.runtime.cli import CommandLine, JsonFlag, Reason, command_line, emit
from shared.runtime.cli_token import TokenFile, acting

if TYPE_CHECKING:
    from services.ledger.adapters.importing import Imported
    from services.ledger.app.propose_import import ImportProposal

_EXIT_REFUSED = 1
_SHOWN_MAX = 50
FileArgument = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="JSON lines, one journal each.")
]
Digest = Annotated[str, typer.Argument(help="The file's SHA-256, as propose and list show it.")]
Batch = Annotated[int, typer.Option(min=1, max=20_000, help="How many lines are one transaction.")]
Work = Callable[[Any, Any, Callable[[str, int], None]], "Imported"]


def add_import(cli: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(no_args_is_help=True, help="Journals of another ledger from a file, under four eyes.")
    cli.add_typer(group, name="imports")
    line = command_line(cli)
    _add_propose(group, line)
    _add_decisions(group, line)
    _add_book(group, line)
    _add_list(group, line)


def _add_propose(group: typer.Typer, line: CommandLine) -> None:
    @group.command()
    def propose(
        file: FileArgument,
        token_file: TokenFile,
        reason: Reason,
        dry_run: Annotated[
            bool, typer.Option("--dry-run", help="Check all of it and write nothing.")
        ] = False,
        batch: Batch = 2_000,
        as_json: JsonFlag = False,
    ) -> None:
        """Check a file and propose it: its digest, counts and totals are kept, and nothing of it is booked.

        Exit code 1 if any line is refused. Another person has to approve the digest. docs/importing.md has the format.
        """
        from services.ledger.adapters.importing import propose_file

        who = acting(line, token_file, "operator")

        def work(transactions: Any, opened: Any, progress: Callable[[str, int], None]) -> Imported:
            return propose_file(
                transactions, opened, actor=who, reason=reason, dry_run=dry_run, progress=progress
            )

        _through(line, file, batch, work, as_json=as_json)


def _add_decisions(group: typer.Typer, line: CommandLine) -> None:
    @group.command()
    def approve(digest: Digest, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False) -> None:
        """Let exactly this file be booked, as somebody else proposed it."""
        from services.ledger.app.propose_import import approve_import

        who = acting(line, token_file, "approver")
        _tell_proposal(
            line.run(lambda uow: approve_import(_bytes(digest), reason, who, uow), "imports approve"), as_json
        )

    @group.command()
    def reject(digest: Digest, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False) -> None:
        """End a proposal; the same file may be proposed anew."""
        from services.ledger.app.propose_import import reject_import

        who = acting(line, token_file, "operator")
        _tell_proposal(
            line.run(lambda uow: reject_import(_bytes(digest), reason, who, uow), "imports reject"), as_json
        )


def _add_book(group: typer.Typer, line: CommandLine) -> None:
    @group.command()
    def book(
        file: FileArgument,
        token_file: TokenFile,
        reason: Reason,
        batch: Batch = 2_000,
        as_json: JsonFlag = False,
    ) -> None:
        """Book a file whose digest is approved; exit code 1, and nothing is written, if any line is refused by now.

        The same file again is a no-op; one that was cut off goes on where it stopped.
        """
        from services.ledger.adapters.importing import book_file

        who = acting(line, token_file, "operator")

        def work(transactions: Any, opened: Any, progress: Callable[[str, int], None]) -> Imported:
            return book_file(transactions, opened, actor=who, reason=reason, progress=progress)

        _through(line, file, batch, work, as_json=as_json)


def _add_list(group: typer.Typer, line: CommandLine) -> None:
    @group.command("list")
    def list_all(
        limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 100,
        as_json: JsonFlag = False,
    ) -> None:
        """List imports, newest first: which file, who proposed and approved it, and whether all of it is booked."""
        from services.ledger.adapters.import_proposals import list_imports

        with line.opened() as runtime:
            rows = runtime.transactions.read(lambda uow: list_imports(uow.connection, limit), name="imports")
        names = (
            "import_id", "file_name", "journals", "totals", "state", "proposed_by", "decided_by", "finished_at",
            "file_sha256",
        )  # fmt: skip
        show(rows, [(name, name) for name in names], title="Imports", as_json=as_json)


def _through(line: CommandLine, file: Path, batch: int, work: Work, *, as_json: bool) -> None:
    """Read the file through, tell what became of it and how long it took, and end with the exit code."""
    from services.ledger.adapters.import_files import ImportFile

    times = {"begun": time.monotonic()}
    with line.opened() as runtime, _progress(shown=not as_json) as show_progress:

        def progress(what: str, lines: int) -> None:
            times[what] = time.monotonic()
            show_progress(what, lines)

        done = work(runtime.transactions, ImportFile(file, batch), progress)
    if as_json:
        typer.echo(json.dumps({**done.as_json(), **_seconds(times)}))
    else:
        _tell(done)
    raise typer.Exit(_EXIT_REFUSED if done.checked.refused else 0)


def _bytes(digest: str) -> bytes:
    from shared.kernel.errors import Rejected

    try:
        found = bytes.fromhex(digest.removeprefix("sha256:"))
    except ValueError:
        found = b""
    if len(found) != 32:  # noqa: PLR2004 - SHA-256
        raise Rejected("digest_malformed", f"{digest!r} is no SHA-256; expected 64 hexadecimal digits")
    return found


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
    for currency, debits_minor in sorted(checked.totals.items()):
        typer.echo(f"{currency} {debits_minor:,} in minor units on each side.")
    said = {
        "checked": "All of it can be imported; nothing was written.",
        "proposed": f"Proposed by {done.proposed_by}; somebody else has to: ledger imports approve {done.sha256}",
        "approved": f"Proposed by {done.proposed_by}, and approved: ledger imports book FILE",
        "known": f"It was imported before, as {done.import_id}; nothing was written.",
        "imported": f"{done.booked:,} journals are booked, as {done.import_id}.",
    }
    typer.echo(said[done.state])


def _tell_proposal(decided: ImportProposal, as_json: bool) -> None:
    emit({**asdict(decided), "file_sha256": decided.file_sha256.hex()}, as_json=as_json)
