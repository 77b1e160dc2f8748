"""Owns the command ``sandbox``."""

from services.sandbox.entrypoints.cli_reports import add_reports
from shared.runtime.cli import service_cli

cli = service_cli("sandbox", "services.sandbox.settings:SandboxSettings", "services.sandbox.bootstrap:build")
add_reports(cli)


def main() -> None:
    """Entry point of the distribution."""
    cli()


if __name__ == "__main__":
    main()
