"""The command `webhook-ingest`: what every service's command line has."""

from __future__ import annotations

from shared.runtime.cli import service_cli

cli = service_cli(
    "webhook-ingest",
    "services.webhook_ingest.settings:WebhookIngestSettings",
    "services.webhook_ingest.bootstrap:build",
)


def main() -> None:
    """Run the command line."""
    cli()
