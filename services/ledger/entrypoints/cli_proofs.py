"""``ledger prove`` and ``check-proof``: one journal's place in the chain, for people without access to the books."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from shared.runtime.cli import JsonFlag, command_line

_EXIT_REFUSED = 1
KeptHeads = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="Heads kept outside, as `ledger heads` prints them, one per line."
    ),
]


def add_proofs(cli: typer.Typer) -> None:
    """Add the commands to the ledger's command line."""

    @cli.command()
    def prove(
        journal: Annotated[str, typer.Argument(help="The journal's id.")], heads: KeptHeads = None
    ) -> None:
        """Print the proof that a journal stands at its place in the chain, up to the nearest signed head behind it."""
        from services.ledger.adapters.kept_heads import heads_in_file
        from services.ledger.adapters.proof_files import written_proof
        from services.ledger.adapters.sealed_books import sealed_books
        from services.ledger.app.prove_journal import prove_journal
        from services.ledger.domain.heads import HeadUnreadable

        try:
            kept = heads_in_file(heads) if heads is not None else []
        except HeadUnreadable as unreadable:
            raise typer.BadParameter(str(unreadable)) from None
        with command_line(cli).opened() as runtime, sealed_books(runtime.engines["app"]) as books:
            proof = prove_journal(journal, books, kept)
        sys.stdout.write(written_proof(proof).decode())

    @cli.command("check-proof")
    def check_proof(
        file: Annotated[
            Path, typer.Argument(exists=True, dir_okay=False, help="What `ledger prove` printed.")
        ],
        public_key: Annotated[
            list[Path],
            typer.Option(
                exists=True, dir_okay=False, help="PEM of a key that heads are signed with; may be repeated."
            ),
        ],
        heads: KeptHeads = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Check a proof without any database; exit 1 and say why if it does not hold."""
        from services.ledger.adapters.kept_heads import heads_in_file
        from services.ledger.adapters.proof_files import read_proof
        from services.ledger.app.prove_journal import checked_proof
        from services.ledger.domain.heads import HeadUnreadable
        from services.ledger.domain.proofs import ProofRefused
        from services.ledger.entrypoints.trusted_keys import trusted_keys

        signatures = trusted_keys(public_key)
        try:
            kept = None if heads is None else heads_in_file(heads)
            proven = checked_proof(read_proof(file.read_bytes()), signatures, kept)
        except HeadUnreadable as unreadable:
            raise typer.BadParameter(str(unreadable)) from None
        except ProofRefused as refused:
            typer.echo(f"It proves nothing: {refused}", err=True)
            raise typer.Exit(_EXIT_REFUSED) from None
        head = proven.head
        if as_json:
            said = {"journal": dict(proven.journal), "shard": proven.shard, "position": proven.position}
            typer.echo(json.dumps({**said, "head": head.fields(), "head_kept": kept is not None}))
            return
        typer.echo(
            f"Journal {proven.journal['journal_id']} ({proven.journal['rule']}, {proven.journal['amount_minor']}"
            f" {proven.journal['currency']} in minor units) stands at {proven.position} of the chain whose head at"
            f" {head.position} was signed at {head.signed_at}."
        )
        if kept is None:
            typer.echo("Whether that head is one that you kept was not compared: no --heads was given.")
