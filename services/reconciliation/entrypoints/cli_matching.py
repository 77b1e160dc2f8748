"""``reconciliation match``, ``runs``, ``breaks`` and ``explain``, for people in a terminal."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from services.reconciliation.entrypoints.cli_break_queue import add_break_queue
from services.reconciliation.entrypoints.cli_bulk import add_bulk
from shared.runtime.cli import JsonFlag, Reason, command_line, emit
from shared.runtime.cli_token import RoleName, TokenFile, acting

if TYPE_CHECKING:
    from pathlib import Path

    from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
    from services.reconciliation.app.resolve_break import StoredBreak

Limit = Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")]
BreakArgument = Annotated[str, typer.Argument(help="The break's id.")]
Day = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="A day, as 2026-11-30.")]
Resolve = Callable[..., "StoredBreak"]
_IN_LIST: Final = ("run_id", "kind", "as_of", "started_by")
_OF_PAYOUT: Final = (
    "day", "payout_id", "currency", "net_minor", "bank_credit_minor", "residue_minor", "named_by", "explained",
)  # fmt: skip


def add_matching(cli: typer.Typer) -> None:
    """Add the commands."""
    _add_runs(cli)
    _add_breaks(cli)
    _add_explain(cli)


def _add_runs(cli: typer.Typer) -> None:
    @cli.command()
    def match(
        token_file: TokenFile,
        full: Annotated[bool, typer.Option(help="Match everything anew.")] = False,
        as_of: Annotated[
            datetime | None,
            typer.Option(
                formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"],
                help="Judge what is late as of this time in UTC instead of now.",
            ),
        ] = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Match what changed, allocate what the bank says, and find breaks; tell what is new."""
        from services.reconciliation.app.run_matching import RunKind, run_matching

        kind = RunKind.FULL if full else RunKind.INCREMENTAL
        then = as_of.replace(tzinfo=UTC) if as_of else None
        who = acting(command_line(cli), token_file, "operator")
        done = command_line(cli).run(lambda uow: run_matching(kind, who.name, uow, then), "match")
        emit(asdict(done), as_json=as_json)

    @cli.command()
    def runs(limit: Limit = 20, as_json: JsonFlag = False) -> None:
        """List runs, newest first."""
        from services.reconciliation.adapters.runs import list_runs

        found = command_line(cli).run(lambda uow: list_runs(uow.connection, limit), "runs")
        emit(found if as_json else _columns(found, _IN_LIST), as_json=as_json)


def _add_breaks(cli: typer.Typer) -> None:
    group = typer.Typer(
        no_args_is_help=True,
        help="What is wrong: list, show, assign, defer, accept, return, adjust, approve, reject.",
    )
    cli.add_typer(group, name="breaks")
    add_bulk(cli, group)
    add_break_queue(cli, group)

    @group.command()
    def show(break_id: BreakArgument, as_json: JsonFlag = False) -> None:
        """Show a break, its history, the usual cause and what to do."""
        from services.reconciliation.entrypoints.http_matching import break_view

        emit(command_line(cli).run(lambda uow: break_view(break_id, uow), "breaks show"), as_json=as_json)

    @group.command()
    def defer(
        break_id: BreakArgument, due_on: Day, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False
    ) -> None:
        """Accept it as a difference of timing until a day."""
        from services.reconciliation.app.resolve_break import defer_break

        who = acting(command_line(cli), token_file, "operator")
        stored = command_line(cli).run(
            lambda uow: defer_break(break_id, due_on.date(), reason, who, uow), "breaks defer"
        )
        emit(asdict(stored), as_json=as_json)

    _add_proposals(cli, group)
    _add_adjust(cli, group)
    _add_second_words(cli, group)


def _add_proposals(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command()
    def accept(
        break_id: BreakArgument, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False
    ) -> None:
        """Propose to accept the difference as it is."""
        from services.reconciliation.app.resolve_break import propose_acceptance

        _resolve(cli, propose_acceptance, break_id, token_file, reason, as_json=as_json)

    @group.command("return")
    def give_back(
        break_id: BreakArgument, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False
    ) -> None:
        """Propose that payment gives the second or stray charge back."""
        from services.reconciliation.app.propose_return import propose_return

        _resolve(cli, propose_return, break_id, token_file, reason, as_json=as_json)


def _add_adjust(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command()
    def adjust(  # noqa: PLR0917 - each parameter that a template may take
        break_id: BreakArgument,
        template: Annotated[str, typer.Option(help="One of `ledger adjustments templates`.")],
        token_file: TokenFile,
        reason: Reason,
        amount: Annotated[
            int | None, typer.Option(min=1, help="Minor units; all that is at risk without.")
        ] = None,
        merchant: Annotated[str | None, typer.Option(help="Whose account, where it takes one.")] = None,
        clearing_key: Annotated[
            str | None, typer.Option(help="The key to clear, where it takes one.")
        ] = None,
        processor: Annotated[str | None, typer.Option(help="The processor, where it takes one.")] = None,
        account: Annotated[str | None, typer.Option(help="Our account there.")] = None,
        bank_account: Annotated[
            str | None, typer.Option(help="The bank account, where it takes one.")
        ] = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Propose that the ledger adjusts the books or writes it off."""
        from services.reconciliation.app.propose_adjustment import WantedAdjustment, propose_adjustment

        given = {
            "merchant_id": merchant, "clearing_key": clearing_key, "processor": processor, "account": account,
            "bank_account": bank_account,
        }  # fmt: skip
        wanted = WantedAdjustment(
            template=template,
            parameters={name: value for name, value in given.items() if value is not None},
            amount_minor=amount,
        )

        def propose(one: str, why: str, who: Any, uow: ReconciliationUnitOfWork) -> StoredBreak:
            return propose_adjustment(one, wanted, why, who, uow)

        _resolve(cli, propose, break_id, token_file, reason, as_json=as_json)


def _add_second_words(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command()
    def approve(
        break_id: BreakArgument,
        proposal: Annotated[str, typer.Option(help="What you read: `proposal` in `breaks show`.")],
        token_file: TokenFile,
        reason: Reason,
        as_json: JsonFlag = False,
    ) -> None:
        """Resolve it as somebody else proposed: exactly the proposal that was read."""
        from services.reconciliation.app.approve_break import approve_break

        def agree(one: str, why: str, who: Any, uow: ReconciliationUnitOfWork) -> StoredBreak:
            return approve_break(one, proposal, why, who, uow)

        _resolve(cli, agree, break_id, token_file, reason, role="approver", as_json=as_json)

    @group.command()
    def reject(
        break_id: BreakArgument, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False
    ) -> None:
        """Open it again; the adjustment or return that it waits for is withdrawn."""
        from services.reconciliation.app.reject_break import reject_break

        _resolve(cli, reject_break, break_id, token_file, reason, as_json=as_json)


def _add_explain(cli: typer.Typer) -> None:
    group = typer.Typer(no_args_is_help=True, help="Payouts and days explained to zero.")
    cli.add_typer(group, name="explain")

    @group.command()
    def payouts(
        first_day: Day,
        last_day: Day,
        payout: Annotated[str | None, typer.Option(help="Only this payout.")] = None,
        limit: Limit = 100,
        as_json: JsonFlag = False,
    ) -> None:
        """Show what each payout is made of, what the bank credited, and what is left."""
        from services.reconciliation.adapters.explaining import explained_payouts

        first, last = first_day.date(), last_day.date()
        found = command_line(cli).run(
            lambda uow: explained_payouts(uow.connection, first, last, payout_id=payout, limit=limit),
            "explain payouts",
        )
        emit(found if as_json else _columns(found, _OF_PAYOUT), as_json=as_json)

    @group.command()
    def days(first_day: Day, last_day: Day, as_json: JsonFlag = False) -> None:
        """Show the same per day and currency."""
        from services.reconciliation.adapters.explained_days import explained_days

        first: date = first_day.date()
        found = command_line(cli).run(
            lambda uow: explained_days(uow.connection, first, last_day.date()), "explain days"
        )
        emit(found, as_json=as_json)


def _resolve(
    cli: typer.Typer,
    resolve: Resolve,
    break_id: str,
    token_file: Path | None,
    reason: str,
    *,
    role: RoleName = "operator",
    as_json: bool,
) -> None:

    who = acting(command_line(cli), token_file, role)

    def work(uow: ReconciliationUnitOfWork) -> StoredBreak:
        return resolve(break_id, reason, who, uow)

    stored = command_line(cli).run(work, "breaks")
    emit(asdict(stored) | {"proposal": stored.proposal}, as_json=as_json)


def _columns(rows: list[dict[str, Any]], names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in names} for row in rows]
