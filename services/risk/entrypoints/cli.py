"""The command `risk`: what every service's command line has, and the rules for people in a terminal."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from shared.runtime.cli import JsonFlag, Reason, command_line, emit, service_cli
from shared.runtime.cli_token import TokenFile, acting

if TYPE_CHECKING:
    from services.risk.adapters.unit_of_work import RiskUnitOfWork
    from services.risk.app.ports import StoredRuleSet

cli = service_cli("risk", "services.risk.settings:RiskSettings", "services.risk.bootstrap:build")
rules = typer.Typer(no_args_is_help=True, help="Rule sets: propose, approve, reject, list, show, try.")
cli.add_typer(rules, name="rules")

VersionArgument = Annotated[int, typer.Argument(min=1, help="The rule set's version.")]
RulesFile = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="A JSON file: limits, velocity, blocked.")
]


@rules.command()
def propose(file: RulesFile, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False) -> None:
    """Propose a whole rule set from a file; another person must approve it."""
    from services.risk.app.change_rules import propose_rule_set
    from services.risk.entrypoints.requests import RulesBody
    from shared.runtime.models import read_model

    who = acting(command_line(cli), token_file, "operator")

    def work(uow: RiskUnitOfWork) -> StoredRuleSet:
        document = read_model(RulesBody, file.read_bytes()).document()
        return propose_rule_set(document, reason, who, uow)

    _show(command_line(cli).run(work, "rules propose"), as_json=as_json)


@rules.command()
def approve(
    version: VersionArgument, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False
) -> None:
    """Put a proposal of somebody else in force."""
    from services.risk.app.change_rules import approve_rule_set

    who = acting(command_line(cli), token_file, "approver")
    _tell(
        command_line(cli).run(lambda uow: approve_rule_set(version, reason, who, uow), "rules approve"),
        as_json=as_json,
    )


@rules.command()
def reject(
    version: VersionArgument, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False
) -> None:
    """End a proposal."""
    from services.risk.app.change_rules import reject_rule_set

    who = acting(command_line(cli), token_file, "operator")
    _tell(
        command_line(cli).run(lambda uow: reject_rule_set(version, reason, who, uow), "rules reject"),
        as_json=as_json,
    )


@rules.command("list")
def list_all(
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="At most so many.")] = 20,
    as_json: JsonFlag = False,
) -> None:
    """List rule sets, newest first."""
    from services.risk.adapters.read_models import list_rule_sets

    found = [
        asdict(view)
        for view in command_line(cli).run(lambda uow: list_rule_sets(uow.connection, limit), "rules list")
    ]
    if not as_json:
        shown = ("version", "state", "proposed_by", "approved_by", "reason")
        found = [{name: row[name] for name in shown} for row in found]
    emit(found, as_json=as_json)


@rules.command()
def show(version: VersionArgument, as_json: JsonFlag = False) -> None:
    """Show a rule set, its rules and who did what to it."""
    from services.risk.app.change_rules import stored_rule_set

    _show(command_line(cli).run(lambda uow: stored_rule_set(version, uow), "rules show"), as_json=as_json)


@rules.command("try")
def try_one(
    version: VersionArgument,
    merchant: Annotated[str, typer.Option(help="The merchant's id.")],
    amount: Annotated[int, typer.Option(min=1, help="In minor units.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")],
    operation: Annotated[str, typer.Option(help="authorize, sale or capture.")] = "sale",
    customer: Annotated[str | None, typer.Option(help="The merchant's id of the customer.")] = None,
    payment_method: Annotated[str | None, typer.Option(help="The processor's token.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what a rule set would decide of a payment now; counts and keeps nothing."""
    from services.risk.app.try_rules import try_rules
    from services.risk.entrypoints.http import tried_attempt
    from services.risk.entrypoints.requests import TryBody
    from shared.runtime.models import validate_model

    given = {
        "merchant": merchant, "amount": amount, "currency": currency, "operation": operation, "customer": customer,
        "payment_method": payment_method,
    }  # fmt: skip

    def work(uow: RiskUnitOfWork) -> dict[str, Any]:
        body = validate_model(TryBody, given)
        judgement = try_rules(version, tried_attempt(body, uow), uow)
        return {"decision": judgement.verdict.value, "reasons": list(judgement.reasons)}

    emit(command_line(cli).run(work, "rules try"), as_json=as_json)


@cli.command()
def decisions(
    payment: Annotated[str, typer.Argument(help="The payment's id.")], as_json: JsonFlag = False
) -> None:
    """Show what was decided of a payment, and why."""
    from services.risk.adapters.read_models import decisions_of

    found = [
        asdict(view)
        for view in command_line(cli).run(lambda uow: decisions_of(uow.connection, payment), "decisions")
    ]
    emit(found, as_json=as_json)


def _show(stored: StoredRuleSet, *, as_json: bool) -> None:
    from services.risk.app.views import RuleSetView

    emit(asdict(RuleSetView.of(stored)), as_json=as_json)


def _tell(stored: StoredRuleSet, *, as_json: bool) -> None:
    """What was decided, as over HTTP; `rules show` has the rules."""
    from services.risk.app.views import RuleSetLife

    emit(asdict(RuleSetLife.of(stored)), as_json=as_json)


def main() -> None:
    """Entry point of the distribution."""
    cli()


if __name__ == "__main__":
    main()
