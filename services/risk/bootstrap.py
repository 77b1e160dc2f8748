"""Risk's composition root: the only place that picks concrete adapters."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from services.risk.adapters.read_models import forget_attempts
from services.risk.adapters.rule_sets import RulesInMemory
from services.risk.adapters.unit_of_work import RiskUnitOfWork, unit_of_work_builder
from services.risk.settings import RiskSettings
from shared.runtime.idempotent_http import IdempotentHttp
from shared.runtime.process import Role, ServiceRuntime
from shared.runtime.request_threads import RequestThreads
from shared.runtime.roles import PeriodicRole
from shared.runtime.service_parts import ServiceParts
from shared.runtime.surroundings import Surroundings

NAME: Final = "risk"
FORGET_EVERY_S: Final = 3_600.0


def build(settings: RiskSettings, surroundings: Surroundings | None = None) -> ServiceRuntime:
    """The roles ``serve``, ``relay``, ``consume`` and ``work``, not yet running."""
    parts: ServiceParts[RiskUnitOfWork] = ServiceParts(
        NAME, settings, unit_of_work_builder(RulesInMemory()), own_topic="risk.events", consumer=NAME,
        surroundings=surroundings,
    )  # fmt: skip
    http: IdempotentHttp[RiskUnitOfWork] = IdempotentHttp(
        parts.transactions, tally=parts.repeats, threads=RequestThreads(), ids=parts.ids
    )
    # Made for the worker, too: the endpoints are what finishes abandoned keys.
    application = _entry("http").make_app(http, parts.operator_tokens(), parts.operations())

    def app() -> Any:
        parts.watch()
        return application

    def consume() -> Role:
        return parts.consume(_entry("consumer").ROUTES)

    def forget() -> Role:
        def action() -> bool:
            return parts.transactions.run(
                lambda uow: forget_attempts(uow.connection, uow.now), name="forget attempts"
            )

        return PeriodicRole("work.forget", FORGET_EVERY_S, action, parts.clock)

    return parts.runtime(
        app,
        {
            **parts.relay_roles(),
            "consume": consume,
            "work.forget": forget,
            "work.completer": http.completer,
            **parts.key_roles(),
        },
        close=http.close,
    )


def _entry(name: str) -> Any:
    """An entry point: they lie above this layer, so they are named here and not imported."""
    return import_module(f"services.risk.entrypoints.{name}")
