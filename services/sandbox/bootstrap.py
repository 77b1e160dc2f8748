"""Owns the composition of the sandbox: the only place that picks concrete adapters."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib import import_module
from typing import Any

from services.sandbox.adapters.connections import Connections
from services.sandbox.adapters.delayed_list import DelayedList
from services.sandbox.adapters.fault_store import SqlFaultStore
from services.sandbox.adapters.planted_store import PlantedStore
from services.sandbox.adapters.report_books import ReportBooks
from services.sandbox.adapters.settlement_store import SettlementStore
from services.sandbox.adapters.unit_of_work import SandboxStore
from services.sandbox.adapters.webhook_http import HttpWebhooks, sign_beta
from services.sandbox.app.beta_ids import BetaIds
from services.sandbox.app.beta_rendering import BETA_VOICE
from services.sandbox.app.fault_script import FaultScript
from services.sandbox.app.manners import Manners
from services.sandbox.app.perform import Processor
from services.sandbox.app.perform_unkeyed import UnkeyedProcessor
from services.sandbox.app.plant_errors import PlantErrors
from services.sandbox.app.report_requests import ReportDesk
from services.sandbox.app.reports import Reports
from services.sandbox.app.run_timers import Timers
from services.sandbox.app.sandbox_clock import SandboxClock
from services.sandbox.app.send_webhooks import WebhookSender
from services.sandbox.app.settle import Settling
from services.sandbox.app.wake_up import WakeUp
from services.sandbox.domain.bank import Lots
from services.sandbox.domain.exchange import PARTS_PER_EURO
from services.sandbox.domain.terms import TERMS, Terms
from services.sandbox.settings import SandboxSettings
from shared.kernel.clock import Clock, SystemClock
from shared.kernel.ids import Ids, UlidIds
from shared.persistence.engine import make_engine
from shared.persistence.schema_version import require_head
from shared.runtime.process import ServiceRuntime
from shared.runtime.settings import required
from shared.runtime.startup import StartupRefused, check


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnWork:
    """What one processor does by itself: sends webhooks, runs timers, forgets what is over."""

    store: SandboxStore
    sender: WebhookSender
    timers: Timers
    webhooks: HttpWebhooks


@dataclass(frozen=True, slots=True, kw_only=True)
class Alpha:
    """The processor alpha in one event loop."""

    processor: Processor
    store: SandboxStore
    api_key: str
    own: OwnWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Beta:
    """The processor beta in one event loop."""

    processor: UnkeyedProcessor
    changes: DelayedList
    api_key: str
    list_delay: timedelta
    own: OwnWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything one event loop works with; the HTTP face and the worker have one each."""

    alpha: Alpha
    beta: Beta | None
    connections: Connections
    rules: SqlFaultStore
    settling: Settling
    desk: ReportDesk
    planting: PlantErrors
    clock: SandboxClock
    wake: Callable[[], None]

    @property
    def own_work(self) -> tuple[OwnWork, ...]:
        return (self.alpha.own,) if self.beta is None else (self.alpha.own, self.beta.own)

    async def close(self) -> None:
        """Close what the loop opened, in the loop."""
        for own in self.own_work:
            own.webhooks.close()
        await self.connections.close()


@dataclass(frozen=True, slots=True)
class _Common:
    """What both processors are made of. Only signatures go by the machine's clock."""

    settings: SandboxSettings
    connections: Connections
    wake_up: WakeUp
    machine_clock: Clock
    clock: SandboxClock
    ids: Ids

    def script(self, processor: str) -> FaultScript:
        return FaultScript(SqlFaultStore(self.connections), processor, self.clock)


def make_parts(
    settings: SandboxSettings,
    wake_up: WakeUp,
    clock: Clock,
    purpose: str,
    *,
    ids: Ids | None = None,
    connections: Connections | None = None,
) -> Parts:
    """Put one event loop's parts together; nothing connects before it is used."""
    connections = connections or Connections(
        settings.database_url,
        application_name=f"sandbox-{purpose}",
        size=settings.database_pool_size,
    )
    ids = ids or UlidIds(clock)
    common = _Common(settings, connections, wake_up, clock, SandboxClock(clock), ids)
    terms, planting = _terms(settings), PlantErrors(PlantedStore(connections), common.clock)
    return Parts(
        alpha=_alpha(common),
        beta=_beta(common) if settings.beta_api_key.get_secret_value() else None,
        connections=connections,
        rules=SqlFaultStore(connections),
        settling=Settling(
            store=SettlementStore(connections),
            terms=terms,
            clock=common.clock,
            lots=Lots(settings.payout_fates_seed, settings.payout_fates_rate),
        ),
        desk=ReportDesk(
            reports=Reports(ReportBooks(connections)),
            planting=planting,
            clock=common.clock,
            processors=tuple(terms),
        ),
        planting=planting,
        clock=common.clock,
        wake=wake_up.ring,
    )


def _terms(settings: SandboxSettings) -> dict[str, Terms]:
    """The terms of the processors that there are, with what the settings change of them."""
    for processor in TERMS:
        pairs: dict[str, str] = getattr(settings, f"{processor}_settles_in")
        unknown = sorted({*pairs, *pairs.values()} - set(PARTS_PER_EURO))
        if unknown:
            raise StartupRefused(
                f"SANDBOX_{processor.upper()}_SETTLES_IN: no rate is known for {', '.join(unknown)};"
                f" expected pairs of {', '.join(PARTS_PER_EURO)}"
            )
    terms = {
        "alpha": replace(
            TERMS["alpha"],
            settles_in=settings.alpha_settles_in,
            reserve_basis_points=settings.alpha_reserve_basis_points,
        )
    }
    if settings.beta_api_key.get_secret_value():
        terms["beta"] = replace(
            TERMS["beta"],
            settles_in=settings.beta_settles_in,
            reserve_basis_points=settings.beta_reserve_basis_points,
        )
    return terms


def _alpha(common: _Common) -> Alpha:
    settings, store, manners = common.settings, SandboxStore(common.connections), _manners(common.settings)
    webhooks = HttpWebhooks(
        settings.alpha_webhook_url or "",
        settings.alpha_webhook_secret.get_secret_value(),
        common.machine_clock,
    )
    own = _own_work(common, store, manners, webhooks)
    return Alpha(
        processor=Processor(
            store=store, sender=own.sender, manners=manners, clock=common.clock, ids=common.ids,
            script=common.script("alpha"),
        ),
        store=store,
        api_key=settings.alpha_api_key.get_secret_value(),
        own=own,
    )  # fmt: skip


def _beta(common: _Common) -> Beta:
    settings, common = common.settings, replace(common, ids=BetaIds(common.ids))
    store, manners = SandboxStore(common.connections, "beta"), _beta_manners(settings)
    webhooks = HttpWebhooks(
        settings.beta_webhook_url or "",
        settings.beta_webhook_secret.get_secret_value(),
        common.machine_clock,
        sign_beta,
    )
    own = _own_work(common, store, manners, webhooks)
    return Beta(
        processor=UnkeyedProcessor(
            store=store, sender=own.sender, manners=manners, clock=common.clock, ids=common.ids,
            script=common.script("beta"),
        ),
        changes=DelayedList(common.connections),
        api_key=settings.beta_api_key.get_secret_value(),
        list_delay=timedelta(milliseconds=settings.beta_list_delay_ms),
        own=own,
    )  # fmt: skip


def _own_work(common: _Common, store: SandboxStore, manners: Manners, webhooks: HttpWebhooks) -> OwnWork:
    sender = WebhookSender(
        queue=store,
        transport=webhooks,
        clock=common.clock,
        wake=common.wake_up.ring,
        lease=timedelta(seconds=common.settings.alpha_webhook_lease_s),
    )
    timers = Timers(store=store, manners=manners, clock=common.clock, ids=common.ids)
    return OwnWork(store=store, sender=sender, timers=timers, webhooks=webhooks)


def build(settings: SandboxSettings) -> ServiceRuntime:
    """Return the sandbox's roles, ``serve`` and ``work``, not yet running."""
    if settings.alpha_webhook_url:
        required(settings, "alpha_webhook_secret")
    if settings.beta_api_key.get_secret_value() and settings.beta_webhook_url:
        required(settings, "beta_webhook_secret")
    _terms(settings)
    clock, wake_up = SystemClock(), WakeUp()
    return ServiceRuntime(
        name="sandbox",
        settings=settings,
        app=lambda: _edge("http").application(make_parts(settings, wake_up, clock, "serve")),
        roles={
            "work": lambda: _edge("worker").SandboxWorker(
                lambda: make_parts(settings, wake_up, clock, "work"), wake_up, clock
            )
        },
        checks=[check("SANDBOX_DATABASE_URL", lambda: _require_schema(settings.database_url))],
        clock=clock,
    )


def _require_schema(url: str) -> None:
    """Refuse to start on a schema older than this code."""
    engine = make_engine(url, application_name="sandbox-check", pool_size=1)
    try:
        require_head(engine, "sandbox")
    finally:
        engine.dispose()


def _edge(name: str) -> Any:
    """Return an entry point: they lie above this layer, so they are named here and not imported."""
    return import_module(f"services.sandbox.entrypoints.{name}")


def _manners(settings: SandboxSettings) -> Manners:
    return Manners(
        account=settings.alpha_account,
        sends_webhooks=bool(settings.alpha_webhook_url),
        latency_s=settings.alpha_latency_ms / 1000,
        hang_s=settings.alpha_hang_s,
        late=timedelta(milliseconds=settings.alpha_webhook_late_ms),
        settling=timedelta(milliseconds=settings.alpha_settling_ms),
        visibility=timedelta(milliseconds=settings.alpha_visibility_ms),
        key_life=timedelta(seconds=settings.alpha_key_life_s),
    )


def _beta_manners(settings: SandboxSettings) -> Manners:
    return Manners(
        account=settings.beta_account,
        sends_webhooks=bool(settings.beta_webhook_url),
        latency_s=settings.beta_latency_ms / 1000,
        hang_s=settings.beta_hang_s,
        late=timedelta(milliseconds=settings.beta_webhook_late_ms),
        settling=timedelta(milliseconds=settings.beta_settling_ms),
        visibility=timedelta(milliseconds=settings.beta_list_delay_ms),
        voice=BETA_VOICE,
        looked_up_by_list=True,
    )
