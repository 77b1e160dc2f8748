"""``ledger rebuild``: an empty database filled from refills of the topics, for operators in a terminal."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from shared.runtime.cli import JsonFlag, Reason, command_line
from shared.runtime.cli_token import TokenFile, acting

if TYPE_CHECKING:
    from services.ledger.adapters.rebuilding import Rebuilt
    from shared.kernel.operators import Actor
    from shared.runtime.process import ServiceRuntime

_EXIT_INCOMPLETE = 1


def add_rebuild(cli: typer.Typer) -> None:
    """Add the command to the ledger's command line."""

    @cli.command()
    def rebuild(*, token_file: TokenFile, reason: Reason, as_json: JsonFlag = False) -> None:
        """Fill a new database from the refills of payment.events, reconciliation.events and ledger.events.

        Each is written beforehand, when every role of the old books is stopped: `payment refill payment.events ledger`,
        the same of reconciliation, and `ledger refill ledger.events ledger` at the old books. No role of the new ones
        runs meanwhile. Exit 1 if a key is parked, an approval is told by no event, a journal is not as it was told, or
        a month that was closed is not; imports are brought again from their files: then repeat this, to see that
        nothing is missing.
        """
        who = acting(command_line(cli), token_file, "admin")
        with command_line(cli).opened() as runtime:
            rebuilt = _rebuild(runtime, who, reason, shown=not as_json)
            parked = len(runtime.operations.parked())
        if as_json:
            typer.echo(json.dumps({**asdict(rebuilt), "parked_keys": parked}, default=str))
        else:
            show(rebuilt, parked)
        closes = rebuilt.closes
        missing = rebuilt.decisions.untold or rebuilt.different.count or closes.waiting or closes.untold
        whole = not (parked or missing)
        raise typer.Exit(0 if whole else _EXIT_INCOMPLETE)


def show(rebuilt: Rebuilt, parked: int) -> None:
    """Say what was found, and what people have to do about what was not."""
    decisions, different, closes = rebuilt.decisions, rebuilt.different, rebuilt.closes
    typer.echo(f"{rebuilt.taken_over} events of the archive were taken over.")
    typer.echo(f"{decisions.restored} decisions restored, {decisions.known} known; {parked} keys are parked.")
    for adjustment_id in decisions.untold:
        typer.echo(f"{adjustment_id} was approved before its decision was an event: book it by hand.")
    if different.count:
        named = ", ".join(different.journal_ids)
        typer.echo(
            f"{different.count} journals were told and are not in the books as they were told: {named}."
        )
        typer.echo("Import their files, or write the refills of their facts anew; then repeat this.")
    typer.echo(f"{closes.restored} closes of months restored, {closes.known} known.")
    if closes.anew:
        typer.echo(
            f"Closed here by people meanwhile, with theirs or a later month: {', '.join(closes.anew)}."
        )
    if closes.waiting:
        typer.echo(
            f"Not closed until all that was told before their end is here: {', '.join(closes.waiting)}."
        )
    for close_id in closes.untold:
        typer.echo(f"{close_id} closed a month before its decision was an event: close it by two people.")


def _rebuild(runtime: ServiceRuntime, who: Actor, reason: str, *, shown: bool) -> Rebuilt:
    from services.ledger.adapters.rebuilding import RebuildParts, rebuild_books
    from services.ledger.bootstrap import owners_transactions
    from services.ledger.settings import LedgerSettings
    from shared.messaging.broker import BrokerError
    from shared.messaging.consumer import ConsumerLoop
    from shared.runtime.logs import configure_logs
    from shared.runtime.settings import load_settings
    from shared.runtime.startup import StartupRefused
    from shared.runtime.surroundings import kafka_broker

    settings = load_settings(LedgerSettings)
    # The consumer's lines, as in a role: beside what is printed, not in it.
    configure_logs(log_format=settings.log_format, level=settings.log_level, service=runtime.name)
    made = (runtime.roles[name]() for name in ("consume", "consume.reconciliation"))
    with owners_transactions(settings) as owner:
        parts = RebuildParts(
            broker=kafka_broker("ledger-rebuild", settings),
            loops=[loop for loop in made if isinstance(loop, ConsumerLoop)],
            app=runtime.transactions,
            owner=owner,
        )
        progress = (lambda topic: typer.echo(f"{topic} is read")) if shown else (lambda _: None)
        try:
            return rebuild_books(parts, who, reason, progress)
        except BrokerError as failed:
            raise StartupRefused(f"rebuild: {failed}") from None
