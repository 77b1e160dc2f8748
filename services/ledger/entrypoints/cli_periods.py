"""``ledger periods``: months that two people close, for people in a terminal."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.ledger.entrypoints.tables_on_terminals import show
from shared.runtime.cli import JsonFlag, Reason, command_line, emit, refusals
from shared.runtime.cli_token import TokenFile, acting

if TYPE_CHECKING:
    from shared.kernel.months import PeriodClose

Id = Annotated[str, typer.Argument(help="The close's id: ledger periods closes.")]


def add_periods(cli: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(no_args_is_help=True, help="Months, closed in order and for good, under four eyes.")
    cli.add_typer(group, name="periods")
    _add_reads(cli, group)
    _add_steps(cli, group)


def _add_reads(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command("list")
    def list_all(as_json: JsonFlag = False) -> None:
        """List closed months in order, each with the end of the chain that it rests on."""
        from services.ledger.adapters.periods import closed_periods
        from services.ledger.entrypoints.http_periods import ClosedView

        found = command_line(cli).run(lambda uow: closed_periods(uow.connection), "periods list")
        shown = ("period", "ends_at", "closed_at", "position", "hash", "key_id", "close_id")
        show(
            [asdict(ClosedView.of(each)) for each in found],
            [(name, name) for name in shown],
            title="Closed periods",
            as_json=as_json,
        )

    @group.command()
    def closes(
        limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 100,
        as_json: JsonFlag = False,
    ) -> None:
        """List closes, proposed and decided, newest first."""
        from services.ledger.adapters.periods import list_closes

        found = command_line(cli).run(lambda uow: list_closes(uow.connection, limit), "periods closes")
        shown = ("id", "period", "state", "proposed_by", "decided_by", "reason")
        show(
            [_view(each) for each in found], [(name, name) for name in shown], title="Closes", as_json=as_json
        )

    @group.command()
    def published() -> None:
        """Print the signed closes that the topic holds, one JSON object per line, to be kept where we cannot write."""
        from services.ledger.adapters.published_heads import published_closes
        from services.ledger.settings import LedgerSettings
        from shared.messaging.broker import BrokerError
        from shared.runtime.settings import load_settings
        from shared.runtime.startup import StartupRefused
        from shared.runtime.surroundings import kafka_broker

        with refusals("ledger"):
            try:
                for close in published_closes(kafka_broker("ledger-closes", load_settings(LedgerSettings))):
                    typer.echo(json.dumps(close.fields()))
            except BrokerError as failed:
                raise StartupRefused(f"LEDGER_KAFKA_BOOTSTRAP_SERVERS: {failed}") from None

    @group.command("show")
    def show_one(close_id: Id, as_json: JsonFlag = False) -> None:
        """Show one close and who did what to it."""
        from services.ledger.app.close_period import stored_close

        emit(
            _view(command_line(cli).run(lambda uow: stored_close(close_id, uow), "periods show")),
            as_json=as_json,
        )


def _add_steps(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command()
    def propose(
        period: Annotated[str, typer.Argument(help="A calendar month in UTC, as 2026-10.")],
        token_file: TokenFile,
        reason: Reason,
        as_json: JsonFlag = False,
    ) -> None:
        """Propose to close a month; another person must approve it."""
        from services.ledger.app.close_period import propose_close
        from shared.kernel.months import Month

        who = acting(command_line(cli), token_file, "operator")
        made = command_line(cli).run(
            lambda uow: propose_close(Month.read(period), reason, who, uow), "periods propose"
        )
        emit(_view(made), as_json=as_json)

    @group.command()
    def approve(close_id: Id, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False) -> None:
        """Close a month that somebody else proposed, for good."""
        from services.ledger.app.close_period import approve_close

        who = acting(command_line(cli), token_file, "approver")
        done = command_line(cli).run(lambda uow: approve_close(close_id, reason, who, uow), "periods approve")
        emit(_view(done), as_json=as_json)

    @group.command()
    def reject(close_id: Id, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False) -> None:
        """End a proposal."""
        from services.ledger.app.close_period import reject_close

        who = acting(command_line(cli), token_file, "operator")
        done = command_line(cli).run(lambda uow: reject_close(close_id, reason, who, uow), "periods reject")
        emit(_view(done), as_json=as_json)


def _view(stored: PeriodClose) -> dict[str, Any]:
    from services.ledger.entrypoints.http_periods import CloseView

    return asdict(CloseView.of(stored))
