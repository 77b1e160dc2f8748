"""``reconciliation breaks bulk``: many breaks at once, seen first, for people in a terminal."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from shared.runtime.cli import JsonFlag, Reason, command_line, emit
from shared.runtime.cli_token import TokenFile, acting

if TYPE_CHECKING:
    from pathlib import Path

    from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
    from services.reconciliation.app.bulk_breaks import BulkResult

_SHOWN: Final = ("break_id", "type", "state", "becomes", "refused", "at_risk_minor", "currency")


def add_bulk(cli: typer.Typer, group: typer.Typer) -> None:
    """Add the command to the group of breaks."""

    @group.command()
    def bulk(  # noqa: PLR0917 - options by name
        action: Annotated[str, typer.Argument(help="defer, accept, approve, reject or assign.")],
        token_file: TokenFile,
        reason: Reason,
        break_id: Annotated[list[str] | None, typer.Option(help="This break; once per break.")] = None,
        state: Annotated[str | None, typer.Option(help="All in this state; what the action is for.")] = None,
        kind: Annotated[str | None, typer.Option(help="Only of this type.")] = None,
        currency: Annotated[str | None, typer.Option(help="Only in this currency.")] = None,
        at_risk_max_minor: Annotated[
            int | None, typer.Option(help="Only up to so much money at risk.")
        ] = None,
        due_on: Annotated[
            datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Until when to defer, as 2026-11-30.")
        ] = None,
        owner: Annotated[str | None, typer.Option(help="To whom to assign; to nobody without.")] = None,
        preview: Annotated[
            str | None, typer.Option(help="The token of the preview that was seen: act on exactly that.")
        ] = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Show what would become of each break, with a token; with --preview TOKEN, do it, all or nothing."""
        given = {
            "action": action, "break_ids": break_id or [], "state": state, "kind": kind, "currency": currency,
            "at_risk_max_minor": at_risk_max_minor, "due_on": None if due_on is None else due_on.date().isoformat(),
            "owner": owner,
        }  # fmt: skip
        done = asdict(_run(cli, given, preview, token_file, reason))
        if as_json:
            emit(done, as_json=True)
            return
        emit([{name: row[name] for name in _SHOWN} for row in done["rows"]], as_json=False)
        emit({name: value for name, value in done.items() if name != "rows"}, as_json=False)


def _run(
    cli: typer.Typer, given: dict[str, Any], preview: str | None, token_file: Path | None, reason: str
) -> BulkResult:
    from services.reconciliation.app.bulk_breaks import BulkAction, act_in_bulk, preview_bulk
    from services.reconciliation.entrypoints.http_bulk import SelectBody
    from shared.runtime.models import validate_model

    approves = preview is not None and given["action"] == BulkAction.APPROVE
    who = acting(command_line(cli), token_file, "approver" if approves else "operator")

    def work(uow: ReconciliationUnitOfWork) -> BulkResult:
        body = validate_model(SelectBody, given)
        wanted = body.meant(body.action)
        if preview is None:
            return preview_bulk(wanted, who, uow)
        return act_in_bulk(wanted, preview, reason, who, uow)

    return command_line(cli).run(work, "breaks bulk")
