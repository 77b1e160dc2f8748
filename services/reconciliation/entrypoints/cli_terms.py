"""``reconciliation terms``: tolerances, agreed fees and calendars, agreed in twos, for people in a terminal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from shared.runtime.cli import JsonFlag, Reason, command_line, emit
from shared.runtime.cli_token import RoleName, TokenFile, acting

if TYPE_CHECKING:
    from pathlib import Path

    from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
    from services.reconciliation.domain.terms import Term

TermArgument = Annotated[str, typer.Argument(help="The term's id.")]
ValidFrom = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%dT%H:%M:%S%z"],
        help="Counts from then on, as 2026-12-01T00:00:00Z; from its approval on where nothing is said.",
    ),
]
Ended = Annotated[bool, typer.Option("--ended", help="From then on nothing is agreed.")]
Source = Annotated[str, typer.Option(help="The source that it is about.")]
Currency = Annotated[str, typer.Option(help="ISO 4217 code.")]
_SHOWN: Final = ("term_id", "kind", "state", "valid_from", "proposed_by", "decided_by")


def add_terms(cli: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(
        no_args_is_help=True,
        help="What may differ, what processors take, and their days of business: propose, approve, reject.",
    )
    cli.add_typer(group, name="terms")
    _add_reads(cli, group)
    _add_proposals(cli, group)
    _add_decisions(cli, group)


def _add_reads(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command("list")
    def list_all(
        kind: Annotated[str | None, typer.Option(help="tolerance, agreed_fee or calendar.")] = None,
        state: Annotated[str | None, typer.Option(help="PROPOSED, APPROVED or REJECTED.")] = None,
        limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 50,
        as_json: JsonFlag = False,
    ) -> None:
        """List terms, the newest proposal first."""
        from services.reconciliation.adapters.terms import list_terms, shown

        found = command_line(cli).run(
            lambda uow: list_terms(uow.connection, kind=kind, state=state, limit=limit), "terms list"
        )
        rows = [shown(term) for term in found]
        emit(rows if as_json else [{name: row[name] for name in _SHOWN} for row in rows], as_json=as_json)

    @group.command("show")
    def show_one(term_id: TermArgument, as_json: JsonFlag = False) -> None:
        """Show one of them, and who did what to it."""
        from services.reconciliation.entrypoints.http_terms import term_view

        emit(command_line(cli).run(lambda uow: term_view(term_id, uow), "terms show"), as_json=as_json)


def _add_proposals(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command()
    def tolerance(  # noqa: PLR0917 - options by name
        source: Source,
        currency: Currency,
        field: Annotated[str, typer.Option(help="gross, fee or bank.")],
        token_file: TokenFile,
        reason: Reason,
        minor: Annotated[int | None, typer.Option(help="How much may differ, in minor units.")] = None,
        valid_from: ValidFrom = None,
        ended: Ended = False,
        as_json: JsonFlag = False,
    ) -> None:
        """Propose how much may differ without a break; somebody else has to approve it."""
        given = {
            "kind": "tolerance",
            "source": source,
            "currency": currency,
            "field": field,
            "tolerance_minor": minor,
        }
        _propose(cli, given, token_file, reason, valid_from, ended=ended, as_json=as_json)

    @group.command()
    def fee(  # noqa: PLR0917 - options by name
        source: Source,
        currency: Currency,
        category: Annotated[str, typer.Option(help="Of which lines: charge, refund, dispute, ...")],
        token_file: TokenFile,
        reason: Reason,
        per_million: Annotated[int | None, typer.Option(help="Share of the gross.")] = None,
        fixed_minor: Annotated[int | None, typer.Option(help="Fixed part, in minor units.")] = None,
        valid_from: ValidFrom = None,
        ended: Ended = False,
        as_json: JsonFlag = False,
    ) -> None:
        """Propose what the processor takes by contract; somebody else has to approve it."""
        given = {
            "kind": "agreed_fee", "source": source, "currency": currency, "category": category,
            "per_million": per_million, "fixed_minor": fixed_minor,
        }  # fmt: skip
        _propose(cli, given, token_file, reason, valid_from, ended=ended, as_json=as_json)

    @group.command()
    def calendar(  # noqa: PLR0917 - options by name
        processor: Annotated[str, typer.Option(help="The processor's name.")],
        token_file: TokenFile,
        reason: Reason,
        time_zone: Annotated[str | None, typer.Option(help="IANA name of its clock's zone.")] = None,
        settles_after_days: Annotated[
            int | None, typer.Option(help="Business days until it reports.")
        ] = None,
        lost_after_days: Annotated[int | None, typer.Option(help="Further ones until it is missing.")] = None,
        holiday: Annotated[list[str] | None, typer.Option(help="A closed day, once per day.")] = None,
        valid_from: ValidFrom = None,
        ended: Ended = False,
        as_json: JsonFlag = False,
    ) -> None:
        """Propose a processor's days of business, all of them; somebody else has to approve it."""
        given = {
            "kind": "calendar", "processor": processor, "time_zone": time_zone,
            "settles_after_days": settles_after_days, "lost_after_days": lost_after_days,
            "holidays": None if ended else holiday or [],
        }  # fmt: skip
        _propose(cli, given, token_file, reason, valid_from, ended=ended, as_json=as_json)


def _add_decisions(cli: typer.Typer, group: typer.Typer) -> None:
    @group.command()
    def approve(
        term_id: TermArgument, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False
    ) -> None:
        """Let it count, as somebody else proposed it."""
        from services.reconciliation.app.agree_terms import approve_term

        _decide(cli, approve_term, term_id, token_file, reason, role="approver", as_json=as_json)

    @group.command()
    def reject(
        term_id: TermArgument, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False
    ) -> None:
        """End a proposal."""
        from services.reconciliation.app.agree_terms import reject_term

        _decide(cli, reject_term, term_id, token_file, reason, role="operator", as_json=as_json)


def _propose(
    cli: typer.Typer,
    given: dict[str, Any],
    token_file: Path | None,
    reason: str,
    valid_from: datetime | None,
    *,
    ended: bool,
    as_json: bool,
) -> None:
    from services.reconciliation.adapters.terms import shown
    from services.reconciliation.app.agree_terms import propose_term
    from services.reconciliation.entrypoints.http_terms import ProposeTermBody
    from shared.runtime.models import validate_model

    who = acting(command_line(cli), token_file, "operator")
    moment = None if valid_from is None else valid_from.isoformat()
    said = {**given, "ended": ended, "valid_from": moment, "reason": reason}

    def work(uow: ReconciliationUnitOfWork) -> Term:
        wanted = validate_model(ProposeTermBody, said).said(uow.now)
        return propose_term(wanted, reason, who, uow)

    emit(shown(command_line(cli).run(work, "terms propose")), as_json=as_json)


def _decide(
    cli: typer.Typer,
    step: Callable[..., Term],
    term_id: str,
    token_file: Path | None,
    reason: str,
    *,
    role: RoleName,
    as_json: bool,
) -> None:
    from services.reconciliation.adapters.terms import shown

    who = acting(command_line(cli), token_file, role)
    emit(shown(command_line(cli).run(lambda uow: step(term_id, reason, who, uow), "terms")), as_json=as_json)
