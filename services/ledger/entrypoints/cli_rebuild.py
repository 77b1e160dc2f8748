"""``ledger rebuild``: an empty database filled from refills of the topics, for operators in a terminal."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from shared.runtime.cli import Actor, JsonFlag, Reason, command_line

if TYPE_CHECKING:
    from services.ledger.adapters.restoring import Restored
    from shared.runtime.process import ServiceRuntime

_EXIT_INCOMPLETE = 1


def add_rebuild(cli: typer.Typer) -> None:
    """Add the command to the ledger's command line."""

    @cli.command()
    def rebuild(*, actor: Actor, reason: Reason, as_json: JsonFlag = False) -> None:
        """Fill a new database from the refills of payment.events, reconciliation.events and ledger.events.

        Each is written beforehand by its owner: `payment refill payment.events ledger`, the same of reconciliation, and
        `ledger refill ledger.events ledger` at the old books. Every consumer of the ledger is stopped meanwhile. Exit 1
        if a key is parked or an approval is told by no event; imports are brought again from their files.
        """
        with command_line(cli).opened() as runtime:
            restored = _rebuild(runtime, actor, reason, shown=not as_json)
            parked = len(runtime.operations.parked())
        if as_json:
            typer.echo(json.dumps({**asdict(restored), "parked_keys": parked}))
        else:
            typer.echo(
                f"{restored.restored} decisions restored, {restored.known} known; {parked} keys are parked."
            )
            for adjustment_id in restored.untold:
                typer.echo(f"{adjustment_id} was approved before its decision was an event: book it by hand.")
        raise typer.Exit(_EXIT_INCOMPLETE if parked or restored.untold else 0)


def _rebuild(runtime: ServiceRuntime, actor: str, reason: str, *, shown: bool) -> Restored:
    from services.ledger.adapters.rebuilding import RebuildParts, rebuild_books
    from services.ledger.bootstrap import owners_transactions
    from services.ledger.settings import LedgerSettings
    from shared.kernel.operators import Actor as Who
    from shared.messaging.broker import BrokerError
    from shared.messaging.consumer import ConsumerLoop
    from shared.runtime.settings import load_settings
    from shared.runtime.startup import StartupRefused
    from shared.runtime.surroundings import kafka_broker

    settings = load_settings(LedgerSettings)
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
            return rebuild_books(parts, Who(name=actor, role="operator"), reason, progress)
        except BrokerError as failed:
            raise StartupRefused(f"rebuild: {failed}") from None
