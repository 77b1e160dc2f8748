"""Operator commands that every service with topics has: parked keys, redrive, skip, refill both ways, archive."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.runtime.cli import CommandLine, JsonFlag, Reason, emit
from shared.runtime.cli_token import RoleName, TokenFile, acting
from shared.runtime.startup import StartupRefused

if TYPE_CHECKING:
    from shared.runtime.operations import Act, Operations
    from shared.runtime.process import ServiceRuntime

TopicArgument = Annotated[str, typer.Argument(help="Topic, without the environment's prefix.")]
Version = Annotated[int, typer.Argument(help="Stream version.")]
Folder = Annotated[Path, typer.Option("--folder", help="Where the archive files are.")]
RecordArgument = Annotated[str, typer.Argument(help="Event id, or raw:<topic>:<partition>:<offset>.")]
KeyArgument = Annotated[str, typer.Argument(help="Key of the stream.")]


def add_operations(app: typer.Typer, line: CommandLine) -> None:
    """Add the commands; those whose part a service lacks refuse with one line."""
    parked = typer.Typer(no_args_is_help=True, help="Look at and release keys that are parked.")
    app.add_typer(parked, name="parked")
    _add_parked(parked, line)
    _add_outbox(app, line)


def _add_parked(app: typer.Typer, line: CommandLine) -> None:
    @app.command("list")
    def list_parked(as_json: JsonFlag = False) -> None:
        """List parked keys: consumer, topic, key, reason, since, queued records."""
        with line.opened() as runtime:
            emit(_operations(runtime).parked(), as_json=as_json)

    @app.command()
    def redrive(
        topic: TopicArgument,
        key: KeyArgument,
        token_file: TokenFile,
        reason: Reason,
        as_json: JsonFlag = False,
    ) -> None:
        """Apply a parked key's records again, in order; a second call is a no-op."""
        act = _act(line, token_file, reason, "operator")
        with line.opened() as runtime:
            emit(_operations(runtime).redrive(topic, key, act), as_json=as_json)

    @app.command()
    def skip(
        topic: TopicArgument,
        key: KeyArgument,
        version: Version,
        token_file: TokenFile,
        reason: Reason,
        as_json: JsonFlag = False,
    ) -> None:
        """Propose to count one poison version as applied; another person must approve it."""
        act = _act(line, token_file, reason, "operator")
        with line.opened() as runtime:
            emit(
                _operations(runtime).propose_skip(topic, key, version, act),
                as_json=as_json,
            )

    @app.command("approve-skip")
    def approve(
        topic: TopicArgument,
        key: KeyArgument,
        version: Version,
        token_file: TokenFile,
        reason: Reason,
        as_json: JsonFlag = False,
    ) -> None:
        """Approve a proposed skip: the version counts as applied, and what waits behind it flows."""
        act = _act(line, token_file, reason, "approver")
        with line.opened() as runtime:
            emit(
                _operations(runtime).approve_skip(topic, key, version, act),
                as_json=as_json,
            )

    _add_discard(app, line)


def _add_discard(app: typer.Typer, line: CommandLine) -> None:
    @app.command()
    def discard(
        record: RecordArgument, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False
    ) -> None:
        """Propose to drop one parked record without a version (unreadable, or of an unordered topic)."""
        act = _act(line, token_file, reason, "operator")
        with line.opened() as runtime:
            emit(_operations(runtime).propose_discard(record, act), as_json=as_json)

    @app.command("approve-discard")
    def approve(
        record: RecordArgument, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False
    ) -> None:
        """Approve a proposed discard: the record is dropped and remembered as skipped."""
        act = _act(line, token_file, reason, "approver")
        with line.opened() as runtime:
            emit(_operations(runtime).approve_discard(record, act), as_json=as_json)


def _add_outbox(app: typer.Typer, line: CommandLine) -> None:
    @app.command()
    def refill(
        topic: TopicArgument,
        consumer: Annotated[str, typer.Argument(help="The consumer that rebuilds.")],
        folder: Folder,
        token_file: TokenFile,
        reason: Reason,
        as_json: JsonFlag = False,
    ) -> None:
        """Publish a topic's whole history to <topic>.refill.<consumer>, from archive files and the outbox."""
        act = _act(line, token_file, reason, "operator")
        with line.opened() as runtime:
            emit(
                _operations(runtime).refill(topic, consumer, folder, act),
                as_json=as_json,
            )

    @app.command("take-refill")
    def take_refill(
        topic: TopicArgument, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False
    ) -> None:
        """Read a topic's history from its refill, then go on from the beginning of the live topic.

        For a consumer that is new or lost its database. The topic's producer writes the history first
        (`refill TOPIC CONSUMER`); meanwhile no other process of this service may consume. Safe to repeat.
        """
        act = _act(line, token_file, reason, "operator")
        with line.opened() as runtime:
            from shared.runtime.logs import configure_logs

            # What its loop tells goes to stderr, beside the answer.
            told = runtime.settings
            configure_logs(log_format=told.log_format, level=told.log_level, service=runtime.name)
            emit(_operations(runtime).take_refill(topic, act), as_json=as_json)

    @app.command()
    def archive(folder: Folder, as_json: JsonFlag = False) -> None:
        """Export outbox partitions past their retention to hashed files and drop them; never an unsent
        row.
        """
        with line.opened() as runtime:
            emit(_operations(runtime).archive(folder), as_json=as_json)


def _act(line: CommandLine, token_file: Path | None, reason: str, role: RoleName) -> Act:
    from shared.runtime.operations import Act

    who = acting(line, token_file, role)
    return Act(actor=who.name, reason=reason, role=who.role)


def _operations(runtime: ServiceRuntime) -> Operations[Any]:
    found: Any = runtime.operations
    if found is None:
        raise StartupRefused(f"{runtime.name} has no topics to operate on")
    return found  # type: ignore[no-any-return]
