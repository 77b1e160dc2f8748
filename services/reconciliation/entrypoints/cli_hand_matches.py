"""``reconciliation hand-matches``: match by hand what no rule matches, in twos, for people in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from shared.runtime.cli import JsonFlag, Reason, command_line, emit
from shared.runtime.cli_token import RoleName, TokenFile, acting

if TYPE_CHECKING:
    from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork

HandMatchArgument = Annotated[str, typer.Argument(help="The match's id.")]
_SHOWN: Final = (
    "hand_match_id", "state", "source", "currency", "theirs_minor", "ours_minor", "proposed_by", "approved_by",
)  # fmt: skip
#: Each decision with the role that it asks for, as its route does, and what it does.
_DECISIONS: Final[dict[str, tuple[RoleName, str]]] = {
    "approve": ("approver", "Let runs match it, as somebody else proposed it."),
    "reject": ("operator", "End a proposal."),
    "take-back": ("operator", "Propose that it counts no more; somebody else has to approve that."),
    "approve-take-back": ("approver", "Let the next run undo it, as somebody else proposed."),
    "keep": ("operator", "End the proposal to take it back."),
}


def add_hand_matches(cli: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(
        no_args_is_help=True, help="Match by hand what no rule matches: propose, approve, take back, list."
    )
    cli.add_typer(group, name="hand-matches")
    _add_reads(cli, group)
    _add_proposal(cli, group)
    for name, (role, what) in _DECISIONS.items():
        _add_decision(cli, group, name, role, what)


def _add_reads(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command("list")
    def list_all(
        state: Annotated[str | None, typer.Option(help="PROPOSED, APPROVED, BACK_PROPOSED, ...")] = None,
        source: Annotated[str | None, typer.Option(help="Of whose lines.")] = None,
        limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 50,
        as_json: JsonFlag = False,
    ) -> None:
        """List matches by hand, the newest proposal first."""
        from services.reconciliation.adapters.hand_matches import list_hand_matches

        rows = command_line(cli).run(
            lambda uow: list_hand_matches(uow.connection, state=state, source=source, limit=limit),
            "hand-matches list",
        )
        emit(rows if as_json else [{name: row[name] for name in _SHOWN} for row in rows], as_json=as_json)

    @group.command("show")
    def show_one(hand_match_id: HandMatchArgument, as_json: JsonFlag = False) -> None:
        """Show one with its lines and items, and who did what to it."""
        from services.reconciliation.entrypoints.http_hand_matches import hand_match_view

        found = command_line(cli).run(lambda uow: hand_match_view(hand_match_id, uow), "hand-matches show")
        emit(found, as_json=as_json)


def _add_proposal(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command()
    def propose(
        source: Annotated[str, typer.Option(help="Whose lines.")],
        line: Annotated[list[str], typer.Option(help="A line's id, once per line.")],
        item: Annotated[
            list[str], typer.Option(help="An item's key, once per item: a break's subject names it.")
        ],
        token_file: TokenFile,
        reason: Reason,
        as_json: JsonFlag = False,
    ) -> None:
        """Pair lines with items of ours that come to the same; somebody else has to approve it."""
        from services.reconciliation.app.match_by_hand import propose_hand_match
        from services.reconciliation.entrypoints.http_hand_matches import (
            ProposeHandMatchBody,
            hand_match_view,
        )
        from shared.runtime.models import validate_model

        given = {"source": source, "line_ids": line, "item_keys": item, "reason": reason}
        who = acting(command_line(cli), token_file, "operator")

        def work(uow: ReconciliationUnitOfWork) -> dict[str, object]:
            body = validate_model(ProposeHandMatchBody, given)
            made = propose_hand_match(body.source, body.line_ids, body.item_keys, reason, who, uow)
            return hand_match_view(made.hand_match_id, uow)

        emit(command_line(cli).run(work, "hand-matches propose"), as_json=as_json)


def _add_decision(cli: typer.Typer, group: typer.Typer, name: str, role: RoleName, what: str) -> None:
    @group.command(name, help=what)
    def decide(
        hand_match_id: HandMatchArgument, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False
    ) -> None:
        from services.reconciliation.entrypoints.http_hand_matches import DECISIONS, hand_match_view

        _, step = DECISIONS[name]
        who = acting(command_line(cli), token_file, role)

        def work(uow: ReconciliationUnitOfWork) -> dict[str, object]:
            return hand_match_view(step(hand_match_id, reason, who, uow).hand_match_id, uow)

        emit(command_line(cli).run(work, f"hand-matches {name}"), as_json=as_json)
