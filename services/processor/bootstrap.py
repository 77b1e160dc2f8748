"""Composition root of the processor service: the only place that picks concrete adapters."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any, Final

import sqlalchemy as sa

from services.processor.adapters.processors import alpha_http, beta_http
from services.processor.adapters.read_models import any_due, feed_ages, open_doubts, waiting_ages
from services.processor.adapters.unattended import tell_unattended, unattended
from services.processor.adapters.unit_of_work import AttemptUnitOfWork
from services.processor.app.call_processor import LaneLimits
from services.processor.app.give_up_late import give_up_all_late
from services.processor.app.ports import Capabilities, Policies, Processor
from services.processor.domain.operation import KINDS
from services.processor.domain.policy import PENDING_LIMITS_S, TOLD_CHECK_S, UNTOLD_CHECK_S, LookUpBy, Policy
from services.processor.settings import ProcessorSettings
from shared.kernel.clock import Clock
from shared.runtime.metric_names import (
    ATTEMPTS_UNATTENDED,
    FEED_CURSOR_AGE_S,
    LADDER_OPEN,
    SENDS_WAITING_OLDEST_S,
)
from shared.runtime.metrics import probe
from shared.runtime.process import Role, ServiceRuntime
from shared.runtime.roles import PeriodicRole
from shared.runtime.service_parts import ServiceParts
from shared.runtime.startup import StartupRefused, check
from shared.runtime.surroundings import Surroundings

NAME: Final = "processor"
QUEUE_TURN_S: Final = 5.0
"""How often what waits to be sent is looked through."""
FEED_TURN_S: Final = 5.0
"""How often the reader asks whether a feed is due."""


def build(settings: ProcessorSettings, surroundings: Surroundings | None = None) -> ServiceRuntime:
    """Return the service's parts, not yet running: serve, relay, consume, work.sender, work.feed, work.queue."""
    parts = ServiceParts(
        NAME,
        settings,
        AttemptUnitOfWork,
        own_topic="processor.events",
        consumer=NAME,
        surroundings=surroundings,
    )
    policies = make_policies(settings)
    processors = make_processors(settings, parts.clock, parts.surroundings.http_transport)

    def consume() -> Role:
        return parts.consume(_edge("consumer").routes(policies))

    def sender() -> Any:
        reading = parts.reading_engine(pool_size=len(policies))
        return _edge("worker").Sender(
            processors, parts.transactions,
            is_any_due=lambda processor: any_due(reading, processor, parts.clock.now()),
            policies=policies, limits=make_limits(settings), owner=parts.owner_id, clock=parts.clock,
            jitter=parts.jitter,
        )  # fmt: skip

    def feed() -> PeriodicRole:
        action = _edge("worker").FeedReader(
            processors, parts.transactions, owner=parts.owner_id, interval_s=settings.feed_interval_s,
            patience_max_s=settings.retry_after_cap_s, clock=parts.clock,
        )  # fmt: skip
        return PeriodicRole("work.feed", min(FEED_TURN_S, settings.feed_interval_s), action, parts.clock)

    def queue() -> PeriodicRole:
        def action() -> bool:
            return parts.transactions.run(give_up_all_late, name="give_up_late")

        return PeriodicRole("work.queue", QUEUE_TURN_S, action, parts.clock)

    def app() -> Any:
        parts.watch()
        _probe(parts.engine, parts.clock, policies)
        made = _edge("http").make_app(parts.engine, parts.operator_tokens())
        parts.add_mechanism_routes(made)
        return made

    return parts.runtime(
        app,
        {
            "consume": consume,
            "work.sender": sender,
            "work.feed": feed,
            "work.queue": queue,
            **parts.key_roles(),
            **parts.relay_roles(),
        },
        # Told, never refused: attempts at one processor must not keep those at the others from being worked.
        own_checks=(check("attempts", lambda: tell_unattended(parts.engine, policies), "work"),),
    )


def make_policies(settings: ProcessorSettings) -> Policies:
    """Return how each configured processor is retried and looked up."""
    alpha = replace(alpha_http.CAPABILITIES, keys_live_s=settings.alpha_keys_live_s)
    policies = {
        "alpha": _policy(
            settings,
            "alpha",
            alpha,
            settings.alpha_visibility_window_s,
            absence_window_s=settings.alpha_absence_window_s,
        )
    }
    if settings.beta_base_url is not None:
        policies["beta"] = _policy(
            settings, "beta", beta_http.CAPABILITIES, settings.beta_visibility_window_s
        )
    return policies


def _policy(
    settings: ProcessorSettings,
    processor: str,
    capabilities: Capabilities,
    visibility_window_s: float,
    *,
    absence_window_s: float = 0.0,
) -> Policy:
    if capabilities.look_up_by is LookUpBy.DELAYED_LIST and not visibility_window_s:
        raise StartupRefused(
            f"PROCESSOR_{processor.upper()}_VISIBILITY_WINDOW_S: {processor} shows what it did in a list, and late; "
            "expected more than 0 seconds, or what is not there yet would count as never done"
        )
    common = Policy(
        keys_live_s=capabilities.keys_live_s,
        look_up_by=capabilities.look_up_by,
        slow_check_s=TOLD_CHECK_S if capabilities.webhooks or capabilities.feed else UNTOLD_CHECK_S,
        ladder_s=settings.ladder_s(processor),
        visibility_window_s=visibility_window_s,
        absence_window_s=absence_window_s,
        backoff_base_s=settings.send_backoff_base_s,
        backoff_cap_s=settings.send_backoff_cap_s,
        retry_after_cap_s=settings.retry_after_cap_s,
        lease_s=settings.lease_s,
        lease_margin_s=settings.lease_margin_s,
    )
    by_kind = {
        kind: replace(
            common,
            ladder_s=settings.ladder_s(processor, kind),
            pending_limit_s=settings.pending_limit_s(processor, kind) or PENDING_LIMITS_S[kind],
        )
        for kind in KINDS
    }
    # A customer waits for an authorization; what concerns money already held or taken waits as long as it takes.
    by_kind["authorize"] = replace(by_kind["authorize"], queue_s=settings.authorize_queue_s)
    return replace(common, by_kind=by_kind)


def make_limits(settings: ProcessorSettings) -> Mapping[str, LaneLimits]:
    """Return how much each processor's lane may do at once."""
    return {
        "alpha": LaneLimits(
            concurrent_calls=settings.alpha_concurrent_calls, call_timeout_s=settings.alpha_timeout_s
        ),
        "beta": LaneLimits(
            concurrent_calls=settings.beta_concurrent_calls, call_timeout_s=settings.beta_timeout_s
        ),
    }


def make_processors(
    settings: ProcessorSettings, clock: Clock, transport: Any = None
) -> Callable[[], Sequence[Processor]]:
    """Return the maker of every configured processor; each event loop makes its own connections."""

    def make() -> Sequence[Processor]:
        processors: list[Processor] = [
            alpha_http.AlphaProcessor(
                base_url=settings.alpha_base_url,
                api_key=settings.alpha_api_key.get_secret_value(),
                account=settings.alpha_account,
                total_timeout_s=settings.alpha_timeout_s,
                connections=settings.alpha_concurrent_calls,
                transport=transport,
            )
        ]
        if settings.beta_base_url is not None:
            beta = beta_http.BetaProcessor(
                base_url=settings.beta_base_url,
                api_key=settings.beta_api_key.get_secret_value(),
                account=settings.beta_account,
                total_timeout_s=settings.beta_timeout_s,
                connections=settings.beta_concurrent_calls,
                clock=clock,
                transport=transport,
            )
            processors.append(beta)
        return processors

    return make


def _probe(engine: sa.Engine, clock: Clock, configured: Collection[str]) -> None:
    def doubts() -> Any:
        with engine.connect() as connection:
            return open_doubts(connection)

    def ages() -> Any:
        with engine.connect() as connection:
            return feed_ages(connection, clock.now())

    def waiting() -> Any:
        with engine.connect() as connection:
            return waiting_ages(connection)

    def elsewhere() -> Any:
        with engine.connect() as connection:
            return unattended(connection, configured)

    probe(ATTEMPTS_UNATTENDED, elsewhere)
    probe(LADDER_OPEN, doubts)
    probe(SENDS_WAITING_OLDEST_S, waiting)
    probe(FEED_CURSOR_AGE_S, ages)


def _edge(name: str) -> Any:
    """Return an entry point: they lie above this layer, so they are named here and not imported."""
    return import_module(f"services.processor.entrypoints.{name}")
