"""Composition root of webhook ingest: the only place that picks concrete adapters."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from pydantic import SecretStr

from services.webhook_ingest.adapters.unit_of_work import DeliveryUnitOfWork
from services.webhook_ingest.app.erase_bodies import erase_bodies
from services.webhook_ingest.app.ports import Source
from services.webhook_ingest.domain import alpha_facts, beta_facts
from services.webhook_ingest.domain.beta_signature import verify_seal
from services.webhook_ingest.domain.reading import BETA_NAMES
from services.webhook_ingest.domain.signature import Secret
from services.webhook_ingest.settings import WebhookIngestSettings, secrets_of
from shared.runtime.process import ServiceRuntime
from shared.runtime.request_threads import RequestThreads
from shared.runtime.roles import PeriodicRole
from shared.runtime.service_parts import ServiceParts
from shared.runtime.surroundings import Surroundings

NAME: Final = "webhook_ingest"
ERASE_EVERY_S: Final = 3_600.0


def build(settings: WebhookIngestSettings, surroundings: Surroundings | None = None) -> ServiceRuntime:
    """Return the service's parts, not yet running: serve, relay, work."""
    parts = ServiceParts(
        NAME, settings, DeliveryUnitOfWork, own_topic="webhook.events", surroundings=surroundings
    )
    threads = RequestThreads()

    def erase() -> PeriodicRole:
        def action() -> bool:
            return parts.transactions.run(erase_bodies, name="erase_bodies")

        return PeriodicRole("work", ERASE_EVERY_S, action, parts.clock)

    def app() -> Any:
        parts.watch()
        http = import_module("services.webhook_ingest.entrypoints.http")
        intake = http.Intake(
            sources(settings), parts.transactions, clock=parts.clock, threads=threads,
            refused_kept_per_minute=settings.refused_kept_per_minute, groups=parts.groups(),
        )  # fmt: skip
        return http.make_app(intake, parts.transactions, parts.operator_tokens())

    return parts.runtime(
        app,
        {"work": erase, **parts.relay_roles()},
        close=threads.close,
    )


def sources(settings: WebhookIngestSettings) -> Mapping[str, Source]:
    """Return whose deliveries we take, by the last part of the path."""
    found = [
        Source(
            processor="alpha",
            account=settings.alpha_account,
            signature_header="alpha-signature",
            secrets=_secrets(settings.alpha_webhook_secrets),
            read_event=alpha_facts.fact_of_event,
        )
    ]
    if settings.beta_webhook_secrets.get_secret_value():
        beta = Source(
            processor="beta",
            account=settings.beta_account,
            signature_header="x-beta-seal",
            secrets=_secrets(settings.beta_webhook_secrets),
            read_event=beta_facts.fact_of_notice,
            verify=verify_seal,
            names=BETA_NAMES,
        )
        found.append(beta)
    return {source.processor: source for source in found}


def _secrets(setting: SecretStr) -> tuple[Secret, ...]:
    return tuple(Secret(key, expires_at) for key, expires_at in secrets_of(setting.get_secret_value()))
