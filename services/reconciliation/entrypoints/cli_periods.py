"""``reconciliation periods`` and ``days``: months that two people close, and days as they were worked out."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from shared.runtime.cli import JsonFlag, Reason, command_line, emit
from shared.runtime.cli_token import RoleName, TokenFile, acting

if TYPE_CHECKING:
    from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
    from services.reconciliation.domain.periods import PeriodClose

Id = Annotated[str, typer.Argument(help="The close's id: reconciliation periods closes.")]
PeriodArgument = Annotated[str, typer.Argument(metavar="MONTH", help="A month in UTC, as 2026-10.")]
Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="A day in UTC, as 2026-11-30.")]
_IN_LIST: Final = ("period", "closed_at", "proposed_by", "approved_by", "run_id", "digest")
_CLOSE: Final = ("close_id", "period", "state", "proposed_by", "decided_by", "reason")


def add_periods(cli: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        no_args_is_help=True, help="Months, closed in order and for good by two people, rolled forward."
    )
    cli.add_typer(group, name="periods")
    _add_reads(cli, group)
    _add_recompute(cli, group)
    _add_steps(cli, group)
    _add_days(cli)


def _add_reads(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command("list")
    def list_all(as_json: JsonFlag = False) -> None:
        """List closed months in order."""
        from services.reconciliation.adapters.periods import closed_periods

        found = command_line(cli).run(lambda uow: closed_periods(uow.connection), "periods list")
        shown = [{name: row[name] for name in _IN_LIST} for row in found]
        emit(found if as_json else shown, as_json=as_json)

    @group.command()
    def show(period: PeriodArgument, as_json: JsonFlag = False) -> None:
        """Show how a closed month rolls forward: opening + ours - theirs = closing, in minor units."""
        from services.reconciliation.adapters.period_exports import stored_period
        from services.reconciliation.adapters.period_tables import rows_of

        found = command_line(cli).run(
            lambda uow: (stored_period(uow.connection, period), rows_of(uow.connection, "rolls", period)),
            "periods show",
        )
        emit({**found[0], "rolls": found[1]} if as_json else found[1], as_json=as_json)

    @group.command()
    def closes(
        limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 100,
        as_json: JsonFlag = False,
    ) -> None:
        """List closes, proposed and decided, newest first."""
        from services.reconciliation.adapters.periods import list_closes
        from services.reconciliation.entrypoints.period_views import close_view

        found = [
            close_view(each)
            for each in command_line(cli).run(
                lambda uow: list_closes(uow.connection, limit), "periods closes"
            )
        ]
        shown = [{name: row[name] for name in _CLOSE} for row in found]
        emit(found if as_json else shown, as_json=as_json)

    @group.command()
    def export(
        period: PeriodArgument,
        out: Annotated[Path, typer.Option("--out", file_okay=False, help="The folder to write into.")],
        as_json: JsonFlag = False,
    ) -> None:
        """Write a closed month as one JSON file and one CSV per table; the same month is always the same bytes."""
        from services.reconciliation.adapters import period_exports
        from services.reconciliation.adapters.period_tables import tables_of

        def made(uow: ReconciliationUnitOfWork) -> dict[str, bytes]:
            whole = period_exports.as_json(uow.connection, period)
            tables = {
                f"{period}-{table}.csv": period_exports.as_csv(uow.connection, period, table)
                for table in tables_of(uow.connection, period)
            }
            return {f"{period}.json": whole, **tables}

        files = command_line(cli).run(made, "periods export")
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (out / name).write_bytes(content)
        emit(
            [{"file": str(out / name), "bytes": len(content)} for name, content in files.items()],
            as_json=as_json,
        )


def _add_recompute(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command()
    def recompute(period: PeriodArgument, as_json: JsonFlag = False) -> None:
        """Compute a closed month once more from its files' bytes and what it kept; exit 1 where anything differs."""
        from services.reconciliation.adapters.readers import READERS
        from services.reconciliation.adapters.recomputing import recompute as compute
        from shared.kernel.months import Month

        done = command_line(cli).run(
            lambda uow: compute(READERS, Month.read(period), uow.connection, uow.now, uow.ids),
            "periods recompute",
        )
        said = asdict(done) | {"same": done.same}
        if not as_json:
            said["differences"] = len(done.differences)
        emit(said, as_json=as_json)
        if not as_json and done.differences:
            for difference in done.differences:
                typer.echo(json.dumps(difference, default=str))
        raise typer.Exit(0 if done.same else 1)


def _add_steps(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command()
    def propose(
        period: PeriodArgument, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False
    ) -> None:
        """Do a full run, work the month out, and propose to close it so."""
        from services.reconciliation.app.close_month import propose_close
        from shared.kernel.months import Month

        who = acting(command_line(cli), token_file, "operator")
        close = command_line(cli).run(
            lambda uow: propose_close(Month.read(period), reason, who, uow), "periods propose"
        )
        _show(close, as_json=as_json)

    @group.command()
    def approve(close_id: Id, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False) -> None:
        """Close the month with exactly the figures that somebody else proposed."""
        from services.reconciliation.app.close_month import approve_close

        _decide(cli, approve_close, close_id, token_file, reason, role="approver", as_json=as_json)

    @group.command()
    def reject(close_id: Id, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False) -> None:
        """End a proposal."""
        from services.reconciliation.app.close_month import reject_close

        _decide(cli, reject_close, close_id, token_file, reason, role="operator", as_json=as_json)


def _add_days(cli: typer.Typer) -> None:
    @cli.command()
    def days(first_day: Day, last_day: Day, as_json: JsonFlag = False) -> None:
        """Show days as they were worked out once they were over: money by what became of it, by currency."""
        from services.reconciliation.adapters.daily_runs import list_days

        found = command_line(cli).run(
            lambda uow: list_days(uow.connection, first_day.date(), last_day.date()), "days"
        )
        emit(found, as_json=as_json)


def _decide(
    cli: typer.Typer,
    decide: Callable[..., PeriodClose],
    close_id: str,
    token_file: Path | None,
    reason: str,
    *,
    role: RoleName,
    as_json: bool,
) -> None:

    who = acting(command_line(cli), token_file, role)
    close = command_line(cli).run(lambda uow: decide(close_id, reason, who, uow), "periods")
    _show(close, as_json=as_json)


def _show(close: PeriodClose, *, as_json: bool) -> None:
    from services.reconciliation.entrypoints.period_views import close_view

    emit(close_view(close), as_json=as_json)
