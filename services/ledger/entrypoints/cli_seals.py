"""What auditors use: ``ledger heads`` and ``seal-key`` give what they keep, ``verify`` holds the books against it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from shared.runtime.cli import JsonFlag, command_line, refusals

_EXIT_FOUND = 1


def add_auditing(cli: typer.Typer) -> None:
    """Add the commands to the ledger's command line."""
    _add_verify(cli)

    @cli.command()
    def heads() -> None:
        """Print the signed heads that the topic holds, one JSON object per line, to be kept where we cannot write."""
        from services.ledger.adapters.published_heads import published_heads
        from services.ledger.settings import LedgerSettings
        from shared.messaging.broker import BrokerError
        from shared.runtime.settings import load_settings
        from shared.runtime.startup import StartupRefused
        from shared.runtime.surroundings import kafka_broker

        with refusals("ledger"):
            try:
                for head in published_heads(kafka_broker("ledger-heads", load_settings(LedgerSettings))):
                    typer.echo(json.dumps(head.fields()))
            except BrokerError as failed:
                raise StartupRefused(f"LEDGER_KAFKA_BOOTSTRAP_SERVERS: {failed}") from None

    @cli.command("seal-key")
    def seal_key() -> None:
        """Print the public key that heads are signed with, as PEM, for ``verify --public-key``."""
        from services.ledger.adapters.head_keys import public_pem
        from services.ledger.settings import LedgerSettings
        from shared.runtime.settings import load_settings
        from shared.runtime.startup import StartupRefused

        with refusals("ledger"):
            key = load_settings(LedgerSettings).seal_private_key
            if key is None:
                raise StartupRefused("LEDGER_SEAL_PRIVATE_KEY: not set, so no head is signed here")
            typer.echo(public_pem(key.get_secret_value()), nl=False)


def _add_verify(cli: typer.Typer) -> None:

    @cli.command()
    def verify(
        heads: Annotated[
            Path | None,
            typer.Option(
                exists=True,
                dir_okay=False,
                help="Heads kept outside, as `ledger heads` prints them, one per line.",
            ),
        ] = None,
        closes: Annotated[
            Path | None,
            typer.Option(
                exists=True,
                dir_okay=False,
                help="Closes kept outside, as `ledger periods published` prints them, one per line.",
            ),
        ] = None,
        public_key: Annotated[
            list[Path] | None,
            typer.Option(
                exists=True, dir_okay=False, help="PEM of a key that heads are signed with; may be repeated."
            ),
        ] = None,
        after: Annotated[
            int, typer.Option(min=0, help="Begin behind the kept head at this position and trust it.")
        ] = 0,
        as_json: JsonFlag = False,
    ) -> None:
        """Hash journals and notes anew and name the first row that is not what was sealed; exit 1 if there is one."""
        from services.ledger.adapters.kept_heads import closes_in_file, heads_in_file
        from services.ledger.adapters.sealed_books import sealed_books
        from services.ledger.app.verify_seals import verify_seals
        from services.ledger.domain.heads import HeadUnreadable
        from services.ledger.entrypoints.trusted_keys import trusted_keys

        if (heads is not None or closes is not None) and not public_key:
            raise typer.BadParameter(
                "--heads and --closes need --public-key: what nobody signed proves nothing"
            )
        try:
            kept = heads_in_file(heads) if heads is not None else []
            kept_closes = closes_in_file(closes) if closes is not None else []
        except HeadUnreadable as unreadable:
            raise typer.BadParameter(str(unreadable)) from None
        signatures = trusted_keys(public_key or ())
        with command_line(cli).opened() as runtime, sealed_books(runtime.engines["app"]) as books:
            found = verify_seals(books, kept, signatures, after=after, kept_closes=kept_closes)
        if as_json:
            typer.echo(json.dumps(asdict(found)))
        elif found.finding is not None:
            for name, value in asdict(found.finding).items():
                typer.echo(f"{name:<17} {'-' if value is None else value}")
        else:
            typer.echo(
                f"Seals {found.sealed_from} to {found.sealed_to} and {found.notes} notes are as sealed;"
                f" {found.heads} heads agree; {found.closes} closed periods stand."
            )
            if not kept:
                typer.echo(
                    "No kept heads were given: a chain that was rewritten as a whole would not be noticed."
                )
        raise typer.Exit(0 if found.finding is None else _EXIT_FOUND)
