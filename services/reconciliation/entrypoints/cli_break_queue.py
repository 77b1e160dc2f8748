"""``reconciliation breaks list`` and ``assign``: what to work on, and who does, for people in a terminal."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Final

import typer

from shared.runtime.cli import JsonFlag, Reason, command_line, emit
from shared.runtime.cli_token import TokenFile, acting

_SHOWN: Final = ("break_id", "type", "state", "at_risk_minor", "currency", "age_days", "owner", "subject")


def add_break_queue(cli: typer.Typer, group: typer.Typer) -> None:
    """Add the commands to the group of breaks."""

    @group.command("list")
    def list_all(  # noqa: PLR0917 - options by name
        state: Annotated[str, typer.Option(help="unsettled, or one state.")] = "unsettled",
        kind: Annotated[str | None, typer.Option(help="Only of this type.")] = None,
        currency: Annotated[str | None, typer.Option(help="Only in this currency.")] = None,
        owner: Annotated[str | None, typer.Option(help="Only what is theirs.")] = None,
        unowned: Annotated[bool, typer.Option("--unowned", help="Only what is nobody's.")] = False,
        age_min_days: Annotated[int | None, typer.Option(help="Only what is at least so old.")] = None,
        at_risk_min_minor: Annotated[
            int | None, typer.Option(help="Only with at least so much money at risk.")
        ] = None,
        payout: Annotated[str | None, typer.Option(help="Only this payout and lines of it.")] = None,
        file: Annotated[str | None, typer.Option(help="Only lines that stand as this file says.")] = None,
        cursor: Annotated[str | None, typer.Option(help="next_cursor of the page before.")] = None,
        limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 50,
        as_json: JsonFlag = False,
    ) -> None:
        """List breaks that fit, the most money at risk first; of more than --limit it says where to go on."""
        from services.reconciliation.adapters.break_queue import queue
        from services.reconciliation.entrypoints.http_break_queue import Filters
        from shared.runtime.models import validate_model

        given = {
            "state": state, "kind": kind, "currency": currency, "owner": owner, "unowned": unowned,
            "age_min_days": age_min_days, "at_risk_min_minor": at_risk_min_minor, "payout_id": payout, "file_id": file,
            "cursor": cursor,
        }  # fmt: skip
        found = command_line(cli).run(
            lambda uow: queue(uow.connection, uow.now, validate_model(Filters, given).meant(), limit=limit),
            "breaks list",
        )
        if as_json:
            emit({"data": found.breaks, "next_cursor": found.next_cursor}, as_json=True)
            return
        emit([{name: row[name] for name in _SHOWN} for row in found.breaks], as_json=False)
        if found.next_cursor is not None:
            emit({"next_cursor": found.next_cursor}, as_json=False)

    @group.command()
    def assign(
        break_id: Annotated[str, typer.Argument(help="The break's id.")],
        token_file: TokenFile,
        reason: Reason,
        owner: Annotated[str | None, typer.Option(help="Whose it is from now on; nobody's without.")] = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Say whose it is; what was decided or proposed of it stays as it is. Many at once: `breaks bulk assign`."""
        from services.reconciliation.app.assign_break import assign_break
        from services.reconciliation.entrypoints.http_break_queue import AssignBody
        from shared.runtime.models import validate_model

        who = acting(command_line(cli), token_file, "operator")
        stored = command_line(cli).run(
            lambda uow: assign_break(
                break_id,
                validate_model(AssignBody, {"owner": owner, "reason": reason}).owner,
                reason,
                who,
                uow,
            ),
            "breaks assign",
        )
        emit(asdict(stored), as_json=as_json)
