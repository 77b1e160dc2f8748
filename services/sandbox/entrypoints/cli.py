"""Owns the command ``sandbox``."""

from shared.runtime.cli import service_cli

cli = service_cli("sandbox", "services.sandbox.settings:SandboxSettings", "services.sandbox.bootstrap:build")


def main() -> None:
    """Entry point of the distribution."""
    cli()


if __name__ == "__main__":
    main()
