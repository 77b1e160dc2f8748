"""``ledger adjustments``: manual journals by template, for people in a terminal."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.ledger.entrypoints.tables_on_terminals import show
from shared.kernel.decisions import DecisionState
from shared.runtime.cli import JsonFlag, Reason, command_line, emit
from shared.runtime.cli_token import TokenFile, acting

if TYPE_CHECKING:
    from services.ledger.adapters.unit_of_work import LedgerUnitOfWork
    from services.ledger.domain.adjustments import Adjustment

Id = Annotated[str, typer.Argument(help="The adjustment's id.")]
Attachment = Annotated[str, typer.Option(help="Where the document lies that says so.")]


def add_adjustments(cli: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(no_args_is_help=True, help="Manual journals by template, under four eyes.")
    cli.add_typer(group, name="adjustments")
    _add_reads(cli, group)
    _add_proposals(cli, group)
    _add_decisions(cli, group)


def _add_reads(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command()
    def templates(as_json: JsonFlag = False) -> None:
        """List what may be booked by hand, and what each takes."""
        from services.ledger.entrypoints.http_adjustments import templates_for_people

        found = templates_for_people()
        rows = found if as_json else [_bounded(row) for row in found]
        names = ("template", "debit", "credit", "takes", "bound", "purpose")
        show(rows, [(name, name) for name in names], title="Templates", as_json=as_json)

    @group.command("list")
    def list_all(
        state: Annotated[DecisionState | None, typer.Option(help="Only those that are so.")] = None,
        limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 100,
        as_json: JsonFlag = False,
    ) -> None:
        """List adjustments, newest first."""
        from services.ledger.adapters.adjustments import list_adjustments

        found = command_line(cli).run(
            lambda uow: list_adjustments(uow.connection, state, limit), "adjustments list"
        )
        shown = ("id", "template", "amount", "currency", "state", "proposed_by", "decided_by", "reverses")
        show(
            [_view(each) for each in found],
            [(name, name) for name in shown],
            title="Adjustments, in minor units",
            as_json=as_json,
        )

    @group.command("show")
    def show_one(adjustment_id: Id, as_json: JsonFlag = False) -> None:
        """Show one adjustment and who did what to it."""
        from services.ledger.app.adjust_books import stored_adjustment

        found = command_line(cli).run(lambda uow: stored_adjustment(adjustment_id, uow), "adjustments show")
        emit(_view(found), as_json=as_json)


def _add_proposals(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command()
    def propose(
        template: Annotated[str, typer.Argument(help="Its name: ledger adjustments templates.")],
        *,
        amount: Annotated[int, typer.Option(help="In minor units, above zero.")],
        currency: Annotated[str, typer.Option(help="ISO 4217 code.")],
        token_file: TokenFile,
        reason: Reason,
        attachment: Attachment,
        merchant: Annotated[str | None, typer.Option(help="The merchant's id.")] = None,
        key: Annotated[str | None, typer.Option(help="The clearing key: ledger clearing.")] = None,
        processor: Annotated[str | None, typer.Option(help="The processor's name.")] = None,
        account: Annotated[str | None, typer.Option(help="Our account at the processor.")] = None,
        bank_account: Annotated[str | None, typer.Option(help="Our bank account.")] = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Propose an adjustment; another person must approve it."""
        from services.ledger.app.adjust_books import propose_adjustment
        from services.ledger.entrypoints.http_adjustments import ProposeBody
        from shared.runtime.models import validate_model

        who = acting(command_line(cli), token_file, "operator")
        given = {
            "template": template, "amount": amount, "currency": currency, "merchant_id": merchant,
            "clearing_key": key, "processor": processor, "account": account, "bank_account": bank_account,
            "reason": reason, "attachment": attachment,
        }  # fmt: skip

        def work(uow: LedgerUnitOfWork) -> Adjustment:
            wanted = validate_model(ProposeBody, given).proposed()
            return propose_adjustment(wanted, who, uow)

        emit(_view(command_line(cli).run(work, "adjustments propose")), as_json=as_json)

    @group.command()
    def reverse(
        adjustment_id: Id,
        token_file: TokenFile,
        reason: Reason,
        attachment: Attachment,
        as_json: JsonFlag = False,
    ) -> None:
        """Propose to take an approved adjustment back, exactly and once."""
        from services.ledger.app.adjust_books import propose_reversal

        who = acting(command_line(cli), token_file, "operator")
        made = command_line(cli).run(
            lambda uow: propose_reversal(adjustment_id, reason, attachment, who, uow),
            "adjustments reverse",
        )
        emit(_view(made), as_json=as_json)


def _add_decisions(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command()
    def approve(adjustment_id: Id, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False) -> None:
        """Book an adjustment that somebody else proposed."""
        from services.ledger.app.adjust_books import approve_adjustment

        who = acting(command_line(cli), token_file, "approver")
        done = command_line(cli).run(
            lambda uow: approve_adjustment(adjustment_id, reason, who, uow), "adjustments approve"
        )
        emit(_view(done), as_json=as_json)

    @group.command()
    def reject(adjustment_id: Id, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False) -> None:
        """End a proposal."""
        from services.ledger.app.adjust_books import reject_adjustment

        who = acting(command_line(cli), token_file, "operator")
        done = command_line(cli).run(
            lambda uow: reject_adjustment(adjustment_id, reason, who, uow), "adjustments reject"
        )
        emit(_view(done), as_json=as_json)


def _bounded(row: dict[str, Any]) -> dict[str, Any]:
    """As people read it: floor and ceiling of a template in one column."""
    floor, takes_back = row["floor"], row["takes_back"]
    bound = f"{takes_back} not past 0" if takes_back else f"{floor} >= 0" if floor else ""
    return {**row, "takes": ", ".join(row["takes"]), "bound": bound}


def _view(stored: Adjustment) -> dict[str, Any]:
    from services.ledger.entrypoints.http_adjustments import AdjustmentView

    return asdict(AdjustmentView.of(stored))
