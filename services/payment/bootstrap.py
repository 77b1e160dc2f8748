"""The payment service's composition root: the only place that picks concrete adapters."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property, partial
from importlib import import_module
from typing import Any, Final

from services.payment.adapters.merchants import KeyDirectory
from services.payment.adapters.probes import watch_payments
from services.payment.adapters.read_models import decided_operations
from services.payment.adapters.risk_waits import risk_left_s
from services.payment.adapters.route_check import refuse_routes_elsewhere
from services.payment.adapters.unit_of_work import PaymentUnitOfWork, unit_of_work_with
from services.payment.domain.risk_states import RiskTerms
from services.payment.domain.routing import Place, Places
from services.payment.settings import PaymentSettings
from shared.runtime.apart import Resting
from shared.runtime.idempotent_http import IdempotentHttp
from shared.runtime.operator_tokens import TokenIssuer
from shared.runtime.process import Role, ServiceRuntime
from shared.runtime.request_threads import THREADS, RequestThreads
from shared.runtime.roles import PeriodicRole
from shared.runtime.service_parts import ServiceParts
from shared.runtime.startup import StartupCheck, check
from shared.runtime.surroundings import Surroundings
from shared.runtime.waiting import Waiters

NAME: Final = "payment"


class PaymentParts:
    """What this service has beyond every service's parts; nothing connects before it is used."""

    def __init__(self, settings: PaymentSettings, surroundings: Surroundings | None = None) -> None:
        self.settings = settings
        self.common: ServiceParts[PaymentUnitOfWork] = ServiceParts(
            NAME,
            settings,
            unit_of_work_with(risk_terms_of(settings)),
            own_topic="payment.events",
            consumer=NAME,
            let_go=lambda uow, event, act: _entry("letting_go").let_go(uow, event, act),
            surroundings=surroundings,
        )
        #: Single queries need no transaction around them; one connection per request thread, and one per poller.
        self.reading = self.common.reading_engine(pool_size=THREADS + 2)
        self.threads = RequestThreads()
        self.waiters = Waiters(self._find_decided)

    @cached_property
    def edge(self) -> Any:
        """What the routers work with."""
        settings, entry = self.settings, _entry("edge_parts")
        keys = KeyDirectory(self.reading, settings.api_key_pepper.get_secret_value())
        signing = settings.merchant_token_private_key
        return entry.EdgeParts(
            http=IdempotentHttp(
                self.common.transactions,
                tally=self.common.repeats,
                waiters=self.waiters,
                present=entry.present_headers,
                threads=self.threads,
                groups=self.common.groups(),
                ids=self.common.ids,
                lease_margin_s=settings.key_lease_margin_s,
            ),
            access=_entry("access").Access(keys, self.threads),
            threads=self.threads,
            reading=self.reading,
            clock=self.common.clock,
            places=places_of(settings),
            operations=self.common.operations(),
            tokens=TokenIssuer(signing.get_secret_value()) if signing else None,
            operators=self.common.operator_tokens(),
        )

    @cached_property
    def app(self) -> Any:
        """The application; its endpoints are also what finishes abandoned keys."""
        return _entry("http").make_app(self.edge)

    def served(self) -> Any:
        """The application with the gauges that are read when it is scraped."""
        self.common.watch()
        watch_payments(self.common.engine)
        return self.app

    def consume(self) -> Role:
        """The consumer of processor.events, webhook.events and risk.events."""
        return self.common.consume(_entry("consumer").ROUTES)

    def wake(self) -> Role:
        """The timer of waiting facts."""
        worker, transactions = _entry("worker"), self.common.transactions
        return PeriodicRole(
            "work.waiting", worker.POLL_S, lambda: worker.wake_due_facts(transactions), self.common.clock
        )

    def return_strays(self) -> Role:
        """The policy that gives strays back without a person."""
        worker, transactions = _entry("worker"), self.common.transactions
        after_s = self.settings.stray_return_after_s
        return PeriodicRole(
            "work.strays",
            worker.RETURN_EVERY_S,
            partial(worker.return_due_strays, transactions, after_s, self._resting(worker.STRAYS)),
            self.common.clock,
        )

    def abandon_payments(self) -> Role:
        """The timer of payments that nobody goes on paying."""
        worker, transactions = _entry("worker"), self.common.transactions
        return PeriodicRole(
            "work.abandoned",
            worker.ABANDON_EVERY_S,
            partial(worker.abandon_due_payments, transactions, resting=self._resting(worker.ABANDONED)),
            self.common.clock,
        )

    def end_risk_checks(self) -> Role:
        """The timer of waits for risk."""
        worker, transactions = _entry("worker"), self.common.transactions
        terms = risk_terms_of(self.settings)
        # Where nobody asks, what was asked before a change of the mode is still ended.
        look_s = worker.risk_look_s(terms.deadline) if terms.required else worker.RISK_LOOK_OFF_S
        left_s = partial(risk_left_s, self.reading, self.common.clock)
        return PeriodicRole(
            "work.risk",
            look_s,
            partial(worker.end_risk_checks_if_due, left_s, transactions, look_s, self._resting(worker.RISK)),
            self.common.clock,
        )

    def _resting(self, role: str) -> Resting:
        return Resting(role, self.common.clock)

    def complete(self) -> Role:
        """The finisher of keys whose owner died."""
        _ = self.app
        http: IdempotentHttp[PaymentUnitOfWork] = self.edge.http
        return http.completer()

    def route_check(self) -> StartupCheck:
        """Whoever takes payments can follow every rule of where they go; what is under way already goes on."""
        configured = places_of(self.settings).accounts
        return check("routes", lambda: refuse_routes_elsewhere(self.reading, configured), "serve")

    def close(self) -> None:
        """Let go of threads."""
        self.waiters.close()
        self.threads.close()

    def _find_decided(self, operation_ids: Sequence[str]) -> Sequence[str]:
        with self.reading.connect() as connection:
            return decided_operations(connection, operation_ids)


def places_of(settings: PaymentSettings) -> Places:
    """Where payments may go, and where they go without a rule."""
    accounts = {"alpha": settings.alpha_account}
    if settings.beta_account:
        accounts["beta"] = settings.beta_account
    return Places(default=Place(settings.processor, accounts[settings.processor]), accounts=accounts)


def risk_terms_of(settings: PaymentSettings) -> RiskTerms:
    """On which terms operations wait for risk."""
    pairs = (pair.partition("=") for pair in settings.risk_small_minor.split(","))
    return RiskTerms(
        required=settings.risk_mode == "required",
        deadline=timedelta(milliseconds=settings.risk_deadline_ms),
        recheck_after=timedelta(seconds=settings.risk_recheck_after_s),
        small_minor={name: int(amount) for name, _, amount in pairs if name},
    )


def build(settings: PaymentSettings, surroundings: Surroundings | None = None) -> ServiceRuntime:
    """The roles ``serve``, ``relay``, ``consume`` and ``work``, not yet running."""
    parts = PaymentParts(settings, surroundings)
    common = parts.common
    return common.runtime(
        parts.served,
        {
            **common.relay_roles(),
            "consume": parts.consume,
            "work.waiting": parts.wake,
            "work.risk": parts.end_risk_checks,
            "work.abandoned": parts.abandon_payments,
            "work.completer": parts.complete,
            **common.key_roles(),
            **({"work.strays": parts.return_strays} if settings.stray_policy == "automatic" else {}),
        },
        own_checks=(parts.route_check(),),
        on_drain=(parts.waiters.release,),
        close=parts.close,
    )


def _entry(name: str) -> Any:
    """An entry point: they lie above this layer, so they are named here and not imported."""
    return import_module(f"services.payment.entrypoints.{name}")
