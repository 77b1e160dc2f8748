"""The command `processor`: what every service's command line has."""

from __future__ import annotations

from shared.runtime.cli import service_cli

cli = service_cli(
    "processor", "services.processor.settings:ProcessorSettings", "services.processor.bootstrap:build"
)


def main() -> None:
    """Run the command line."""
    cli()
