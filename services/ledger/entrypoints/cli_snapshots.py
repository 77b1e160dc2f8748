"""``ledger snapshots``: throwing them away and folding them anew, for when ``ledger verify`` says one is wrong."""

from __future__ import annotations

import typer

from shared.runtime.cli import command_line


def add_snapshots(cli: typer.Typer) -> None:
    """Add the commands to the ledger's command line."""
    snapshots = typer.Typer(no_args_is_help=True, help="Snapshots of accounts: derived, to begin reads at.")
    cli.add_typer(snapshots, name="snapshots")

    @snapshots.command()
    def rebuild() -> None:
        """Throw all snapshots away and fold them anew; reads stay exact meanwhile, and are slower."""
        from services.ledger.adapters.snapshots import snapshot_status
        from services.ledger.adapters.snapshotting import rebuild as fold_anew
        from services.ledger.app.fold_snapshots import Folding
        from services.ledger.settings import LedgerSettings
        from shared.runtime.settings import load_settings

        settings = load_settings(LedgerSettings)
        folding = Folding(
            every_seals=settings.snapshot_every_seals, entries_min=settings.snapshot_entries_min
        )
        with command_line(cli).opened() as runtime:
            gone = fold_anew(runtime.transactions, folding)
            _, made = snapshot_status(runtime.engines["app"])
        typer.echo(f"{gone} snapshots thrown away, {made} made.")

    @snapshots.command()
    def status() -> None:
        """Show up to which seal snapshots are folded, and how many there are."""
        from services.ledger.adapters.snapshots import snapshot_status

        with command_line(cli).opened() as runtime:
            folded, count = snapshot_status(runtime.engines["app"])
        typer.echo(f"{count} snapshots, folded up to seal {folded}.")
