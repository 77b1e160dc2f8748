"""``reconciliation upload`` and ``files``: files in and out, for people in a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from shared.runtime.cli import JsonFlag, Reason, command_line, emit
from shared.runtime.cli_token import TokenFile, acting

_SHOWN: Final = ("id", "source", "name", "state", "line_count", "quarantined_count", "received_at")
FileArgument = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The report or statement.")]
FileId = Annotated[str, typer.Argument(help="The file's id: reconciliation files list.")]


def add_files(cli: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True, help="Files that came in: list, show, quarantine, gaps, download, prefer."
    )
    cli.add_typer(group, name="files")
    _add_upload(cli)
    _add_reads(cli, group)
    _add_gaps(cli, group)
    _add_download(cli, group)
    _add_prefer(cli, group)


def _add_prefer(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command()
    def prefer(file_id: FileId, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False) -> None:
        """Let what a file says hold over those of its source that contradict it, though they came later.

        The worker does it in its turn: `files show` says what became of it.
        """
        from services.reconciliation.app.prefer_file import ask_to_prefer
        from services.reconciliation.entrypoints.http_files import whole_view

        line = command_line(cli)
        who = acting(line, token_file, "operator")

        def work(uow: Any) -> dict[str, Any]:
            ask_to_prefer(file_id, reason, who, uow)
            return whole_view(file_id, uow)

        shown = line.run(work, "files prefer")
        asked = {key: shown["preferences"][-1][key] for key in ("asked_by", "reason", "asked_at")}
        said = {
            **{key: shown[key] for key in _SHOWN},
            "preference": shown["preferences"][-1]["state"],
            **asked,
        }
        emit(shown if as_json else said, as_json=as_json)


def _add_upload(cli: typer.Typer) -> None:
    @cli.command()
    def upload(
        file: FileArgument,
        source: Annotated[str, typer.Option(help="Whose file it is: reconciliation sources list.")],
        token_file: TokenFile,
        name: Annotated[str | None, typer.Option(help="Another name than the file has here.")] = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Send a file in. The same bytes of the same source are the same file, however often they are sent."""
        from services.reconciliation.adapters.spooling import Spool
        from services.reconciliation.entrypoints.http_files import view_of
        from services.reconciliation.entrypoints.receiving import receive_spooled

        line = command_line(cli)
        who = acting(line, token_file, "operator")
        with line.opened() as runtime, Spool(runtime.settings.file_bytes_max) as spool:  # type: ignore[attr-defined]
            _spool(file, spool)
            received = receive_spooled(runtime.transactions, source, name or file.name, spool, who)
        shown = {**view_of(received.file), "is_new": received.is_new}
        emit(shown if as_json else {key: shown[key] for key in (*_SHOWN, "is_new")}, as_json=as_json)


def _spool(file: Path, spool: Any) -> None:
    """Read the file, showing how far it is where somebody looks."""
    from rich.progress import Progress

    from services.reconciliation.adapters.spooling import COPY_BYTES

    with file.open("rb") as content, Progress(transient=True, disable=not sys.stderr.isatty()) as progress:
        bar = progress.add_task(file.name, total=file.stat().st_size)
        while piece := content.read(COPY_BYTES):
            spool.write(piece)
            progress.advance(bar, len(piece))


def _add_reads(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command("list")
    def list_all(
        source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
        state: Annotated[str | None, typer.Option(help="RECEIVED, STAGED or REFUSED.")] = None,
        limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 100,
        as_json: JsonFlag = False,
    ) -> None:
        """List files, newest first."""
        from services.reconciliation.adapters.files import list_files
        from services.reconciliation.entrypoints.http_files import view_of

        found = command_line(cli).run(
            lambda uow: list_files(uow.connection, source=source, state=state, limit=limit), "files list"
        )
        rows = [view_of(file) for file in found]
        emit(rows if as_json else [{key: row[key] for key in _SHOWN} for row in rows], as_json=as_json)

    @group.command()
    def show(file_id: FileId, as_json: JsonFlag = False) -> None:
        """Show a file, the totals that it states (those that do not hold first), and who had it hold."""
        from services.reconciliation.entrypoints.http_files import whole_view

        emit(command_line(cli).run(lambda uow: whole_view(file_id, uow), "files show"), as_json=as_json)

    @group.command()
    def quarantine(
        file_id: FileId,
        limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 100,
        as_json: JsonFlag = False,
    ) -> None:
        """List lines of a file that could not be read, with what was expected."""
        from services.reconciliation.adapters.file_reports import quarantined_lines_of
        from services.reconciliation.app.find_file import found_file

        def work(uow: Any) -> list[dict[str, Any]]:
            found_file(file_id, uow)
            return quarantined_lines_of(uow.connection, file_id, after=0, limit=limit)

        emit(command_line(cli).run(work, "files quarantine"), as_json=as_json)


def _add_gaps(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command()
    def gaps(
        source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
        limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 100,
        as_json: JsonFlag = False,
    ) -> None:
        """List parts of statements that do not go on where another one ended, with what was expected."""
        from services.reconciliation.adapters.file_reports import statement_gaps

        found = command_line(cli).run(
            lambda uow: statement_gaps(uow.connection, source=source, limit=limit), "files gaps"
        )
        shown = (
            "source",
            "file_id",
            "statement",
            "part",
            "field",
            "code",
            "expected",
            "found_minor",
            "received_at",
        )
        emit(found if as_json else [{key: row[key] for key in shown} for row in found], as_json=as_json)


def _add_download(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command()
    def download(
        file_id: FileId,
        to: Annotated[
            Path, typer.Argument(dir_okay=False, help="Where to write it; nothing may lie there yet.")
        ],
        as_json: JsonFlag = False,
    ) -> None:
        """Write a file's bytes as they came, and check them against its hash."""
        import hashlib

        from services.reconciliation.adapters.spooling import COPY_BYTES
        from services.reconciliation.app.find_file import found_file
        from shared.kernel.errors import InvariantViolation

        def work(uow: Any) -> tuple[str, str]:
            file, digest = found_file(file_id, uow), hashlib.sha256()
            content = uow.files.content(file_id)
            with to.open("xb") as target:
                while piece := content.read(COPY_BYTES):
                    digest.update(piece)
                    target.write(piece)
            return file.sha256, digest.hexdigest()

        with command_line(cli).opened() as runtime:
            kept, found = runtime.transactions.read(work, name="files download")
        if kept != found:
            raise InvariantViolation("file_is_kept", f"{file_id} was received as {kept} and is {found}")
        emit({"id": file_id, "sha256": found, "path": str(to)}, as_json=as_json)
