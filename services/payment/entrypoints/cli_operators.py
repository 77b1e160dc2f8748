"""Operators' commands in the terminal: what waits for somebody, and what somebody decides about it."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from shared.runtime.cli import REASON_CHARS_MAX, CommandLine, JsonFlag, Reason, command_line, emit, words
from shared.runtime.cli_token import TokenFile, acting

if TYPE_CHECKING:
    from pathlib import Path

    from services.payment.adapters.unit_of_work import PaymentUnitOfWork

Limit = Annotated[int, typer.Option(min=1, max=1_000, help="How many, oldest first.")]
PaymentId = Annotated[str | None, typer.Option("--payment", help="Of this payment alone.")]
CursorText = Annotated[str | None, typer.Option("--cursor", help="Go on behind a page, by what it said.")]
Evidence = Annotated[
    str,
    typer.Option(
        help="Where the proof is: a report, a ticket; to correct a stray, evidence's id in its timeline.",
        callback=words(REASON_CHARS_MAX, chars_min=0),
    ),
]
DecisionArgument = Annotated[str, typer.Argument(help="The decision's id.")]


class Listing(StrEnum):
    """What can wait for somebody."""

    CASES = "cases"
    DOUBTS = "doubts"
    STRAYS = "strays"
    DECISIONS = "decisions"
    WAITING_FACTS = "waiting-facts"
    RISK_REVIEWS = "risk-reviews"


class OperationOutcome(StrEnum):
    """What became of an operation."""

    SUCCEEDED = "succeeded"
    DECLINED = "declined"


class StrayAction(StrEnum):
    """What is done about a stray."""

    RETURN = "return"
    VOID = "void"
    ACCEPT = "accept"
    CORRECT = "correct"


def add_operator_commands(cli: typer.Typer) -> None:
    """Add ``waiting`` and ``decide``; the second person approves with another token."""
    line = command_line(cli)
    _add_waiting(cli, line)
    decide = typer.Typer(
        no_args_is_help=True, help="Decide operations in review, strays, cases and stuck facts."
    )
    cli.add_typer(decide, name="decide")
    _add_deciding(decide, line)
    _add_settling(decide, line)


def print_page(
    line: CommandLine, what: Listing, limit: int, cursor: str | None, payment: str | None, *, as_json: bool
) -> None:
    """Print a page of one of the lists; where there is more, standard error says how to go on."""
    from services.payment.adapters.operator_lists import Behind, Page, read_list

    def look(uow: PaymentUnitOfWork) -> Page:
        behind = Behind.read(cursor) if cursor is not None else None
        return read_list(uow.connection, what.value, limit, behind=behind, payment_id=payment)

    page = line.run(look, what.value)
    emit(page.rows, as_json=as_json)
    if page.next_cursor is not None:
        typer.echo(f"there is more: --cursor {page.next_cursor}", err=True)


def _add_waiting(cli: typer.Typer, line: CommandLine) -> None:
    @cli.command("waiting")
    def waiting(
        what: Annotated[Listing, typer.Argument(help="What to list.")],
        limit: Limit = 100,
        cursor: CursorText = None,
        payment: PaymentId = None,
        as_json: JsonFlag = False,
    ) -> None:
        """List what waits for somebody, with ages and the money at risk."""
        print_page(line, what, limit, cursor, payment, as_json=as_json)

    @cli.command("exposure")
    def exposure(as_json: JsonFlag = False) -> None:
        """Print the money in doubt per processor and currency."""
        from services.payment.adapters.exposure import read_exposure

        with line.opened() as runtime:
            found = runtime.transactions.read(lambda uow: read_exposure(uow.connection), name="exposure")
        emit([asdict(each) for each in found], as_json=as_json)


def _add_deciding(decide: typer.Typer, line: CommandLine) -> None:
    @decide.command("operation")
    def operation(
        operation_id: Annotated[str, typer.Argument(help="The operation's id.")],
        outcome: Annotated[OperationOutcome, typer.Option(help="What became of it.")],
        evidence: Evidence,
        token_file: TokenFile,
        reason: Reason,
        object_id: Annotated[str | None, typer.Option(help="The processor's object that shows it.")] = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Say what became of an operation in review; where money moves another person must approve it."""
        _propose(
            line, "operation", operation_id, outcome.value, token_file, reason, as_json,
            evidence=evidence, object_id=object_id,
        )  # fmt: skip

    @decide.command("stray")
    def stray(
        stray_id: Annotated[str, typer.Argument(help="The stray's id.")],
        action: Annotated[StrayAction, typer.Option(help="What to do about it.")],
        token_file: TokenFile,
        reason: Reason,
        evidence: Evidence = "",
        as_json: JsonFlag = False,
    ) -> None:
        """Return, void, accept or correct a stray; where money moves another person must approve it."""
        _propose(line, "stray", stray_id, action.value, token_file, reason, as_json, evidence=evidence)


def _add_settling(decide: typer.Typer, line: CommandLine) -> None:
    @decide.command("approve")
    def approve(
        decision: DecisionArgument, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False
    ) -> None:
        """Approve somebody else's proposal: it is done at once."""
        _settle(line, decision, token_file, reason, as_json, approve=True)

    @decide.command("reject")
    def reject(
        decision: DecisionArgument, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False
    ) -> None:
        """Reject a proposal: everything stays as it was."""
        _settle(line, decision, token_file, reason, as_json, approve=False)

    @decide.command("close-case")
    def close(
        case_id: Annotated[str, typer.Argument(help="The case's id.")],
        token_file: TokenFile,
        reason: Reason,
        as_json: JsonFlag = False,
    ) -> None:
        """Close a case; what blocks duplicates goes on blocking them."""
        from services.payment.app.close_case import CloseCase, close_case

        who = acting(line, token_file, "operator")
        command = CloseCase(case_id=case_id, reason=reason, actor=who)
        payment_id = line.run(lambda uow: close_case(command, uow), "close case")
        emit({"case_id": case_id, "payment_id": payment_id, "closed_by": who.name}, as_json=as_json)

    @decide.command("dismiss-fact")
    def dismiss(
        waiting_id: Annotated[str, typer.Argument(help="The waiting fact's id.")],
        token_file: TokenFile,
        reason: Reason,
        as_json: JsonFlag = False,
    ) -> None:
        """Let a fact rest that has fitted nowhere; should it fit one day, it counts all the same."""
        from services.payment.app.dismiss_fact import DismissFact, dismiss_fact

        who = acting(line, token_file, "operator")
        command = DismissFact(waiting_id=waiting_id, reason=reason, actor=who)
        payment_id = line.run(lambda uow: dismiss_fact(command, uow), "dismiss fact")
        emit({"waiting_id": waiting_id, "payment_id": payment_id, "dismissed_by": who.name}, as_json=as_json)


def _propose(
    line: CommandLine,
    kind: str,
    subject_id: str,
    outcome: str,
    token_file: Path | None,
    reason: str,
    as_json: bool,
    *,
    evidence: str,
    object_id: str | None = None,
) -> None:
    from services.payment.app.decide import Propose, propose
    from services.payment.domain.decisions import DecisionKind, Outcome

    command = Propose(
        kind=DecisionKind(kind),
        subject_id=subject_id,
        outcome=Outcome(outcome),
        reason=reason,
        evidence=evidence,
        object_id=object_id,
        actor=acting(line, token_file, "operator"),
    )
    emit(asdict(line.run(lambda uow: propose(command, uow), "propose decision")), as_json=as_json)


def _settle(
    line: CommandLine, decision: str, token_file: Path | None, reason: str, as_json: bool, *, approve: bool
) -> None:
    from services.payment.app.decide import Settle, settle

    who = acting(line, token_file, "approver" if approve else "operator")
    command = Settle(decision_id=decision, approve=approve, reason=reason, actor=who)
    emit(asdict(line.run(lambda uow: settle(command, uow), "settle decision")), as_json=as_json)
