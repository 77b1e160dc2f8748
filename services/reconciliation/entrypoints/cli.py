"""The command `reconciliation`: what every service's command line has, and sources, files and payouts for people."""

from __future__ import annotations

from services.reconciliation.entrypoints.cli_feed import add_feed
from services.reconciliation.entrypoints.cli_files import add_files
from services.reconciliation.entrypoints.cli_hand_matches import add_hand_matches
from services.reconciliation.entrypoints.cli_matching import add_matching
from services.reconciliation.entrypoints.cli_periods import add_periods
from services.reconciliation.entrypoints.cli_reading import add_reading
from services.reconciliation.entrypoints.cli_report import add_report
from services.reconciliation.entrypoints.cli_sources import add_sources
from services.reconciliation.entrypoints.cli_terms import add_terms
from services.reconciliation.entrypoints.cli_trace import add_trace
from shared.runtime.cli import service_cli

cli = service_cli(
    "reconciliation",
    "services.reconciliation.settings:ReconciliationSettings",
    "services.reconciliation.bootstrap:build",
)
add_sources(cli)
add_terms(cli)
add_hand_matches(cli)
add_files(cli)
add_feed(cli)
add_reading(cli)
add_matching(cli)
add_trace(cli)
add_report(cli)
add_periods(cli)


def main() -> None:
    """Entry point of the distribution."""
    cli()


if __name__ == "__main__":
    main()
