"""Reconciliation's composition root: the only place that picks concrete adapters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from importlib import import_module
from typing import Any, Final

from services.reconciliation.adapters.readers import FORMATS, READERS
from services.reconciliation.adapters.standing_gauges import StandingGauges
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.keep_matched import keep_matched
from services.reconciliation.app.work_out_days import work_out_days
from services.reconciliation.settings import ReconciliationSettings
from shared.runtime.process import Role, ServiceRuntime
from shared.runtime.roles import PeriodicRole
from shared.runtime.service_parts import ServiceParts
from shared.runtime.surroundings import Surroundings

NAME: Final = "reconciliation"


class ReconciliationParts:
    """What this service has beyond every service's parts; nothing connects before it is used."""

    def __init__(self, settings: ReconciliationSettings, surroundings: Surroundings | None = None) -> None:
        self.settings = settings
        self.common: ServiceParts[ReconciliationUnitOfWork] = ServiceParts(
            NAME,
            settings,
            ReconciliationUnitOfWork,
            own_topic="reconciliation.events",
            consumer=NAME,
            surroundings=surroundings,
        )

    def served(self) -> Any:
        """The operator API."""
        self.common.watch()
        StandingGauges(self.common.engine, self.common.clock).register()
        made = _entry("http").application()
        http = self.common.add_mechanism_routes(made)
        tokens = self.common.operator_tokens()
        _entry("http_sources").add_sources(made, http, tokens, FORMATS)
        _entry("http_files").add_files(made, http, tokens, self.settings.file_bytes_max)
        _entry("http_feed").add_feed(made, http, tokens)
        _entry("http_matching").add_matching(made, http, tokens)
        _entry("http_break_queue").add_break_queue(made, http, tokens)
        _entry("http_bulk").add_bulk(made, http, tokens)
        _entry("http_terms").add_terms(made, http, tokens)
        _entry("http_hand_matches").add_hand_matches(made, http, tokens)
        _entry("http_adjusting").add_adjusting(made, http, tokens)
        _entry("http_trace").add_trace(made, http, tokens)
        _entry("http_report").add_report(made, http, tokens)
        _entry("http_periods").add_periods(made, http, tokens)
        return made

    def consumers(self) -> dict[str, Callable[[], Role]]:
        """The group's members, each of one topic: of payments as many as were asked for, of journals one."""
        payments = partial(self.consume, "payment.events")
        further = {f"consume.payment.{number}": payments for number in range(2, self.settings.consumers + 1)}
        return {
            "consume.payment": payments,
            **further,
            "consume.ledger": partial(self.consume, "ledger.events"),
        }

    def consume(self, topic: str) -> Role:
        """One member's loop over a topic."""
        return self.common.consume(_entry("consumer").ROUTES, topics=(topic,))

    def stage(self) -> Role:
        """The worker that lets files hold that were asked for, and stages what comes."""
        turn = partial(_entry("worker").take_turn, READERS, self.common.transactions)
        return PeriodicRole("work.staging", self.settings.staging_interval_s, turn, self.common.clock)

    def announce(self) -> Role:
        """The worker that tells of lines of closed payouts."""
        turn = partial(_entry("worker").announce_some, self.common.transactions)
        return PeriodicRole("work.announcing", self.settings.announcing_interval_s, turn, self.common.clock)

    def watch_folder(self) -> Role:
        """The worker that looks into the watched folder; without one it has nothing to do."""
        settings = self.settings
        turn = partial(
            _entry("worker").look_into,
            settings.watched_folder,
            settings.file_bytes_max,
            self.common.transactions,
        )
        return PeriodicRole("work.folder", settings.folder_interval_s, turn, self.common.clock)

    def match(self) -> Role:
        """Runs as anything changes. Several may be at work: they take turns."""

        def turn() -> bool:
            self.common.transactions.run(keep_matched, name="match")
            return False

        return PeriodicRole("work.match", self.settings.matching_interval_s, turn, self.common.clock)

    def work_out_days(self) -> Role:
        """Works out each day when it is over; several may be at work, one does it."""

        def turn() -> bool:
            self.common.transactions.run(work_out_days, name="work out days")
            return False

        return PeriodicRole("work.days", self.settings.days_interval_s, turn, self.common.clock)

    def tell_matches(self) -> Role:
        """Tells of matches, a batch at a time."""

        def turn() -> bool:
            return self.common.transactions.run(lambda uow: uow.telling.tell(), name="tell matches")

        return PeriodicRole("work.tell", self.settings.telling_interval_s, turn, self.common.clock)

    def report_objects(self) -> Role:
        """Tells payments what lines prove of objects that they hold in doubt or otherwise."""
        after = timedelta(seconds=self.settings.reporting_after_s)

        def turn() -> bool:
            return self.common.transactions.run(lambda uow: uow.reporting.tell(after), name="report objects")

        return PeriodicRole("work.report", self.settings.reporting_interval_s, turn, self.common.clock)


def build(settings: ReconciliationSettings, surroundings: Surroundings | None = None) -> ServiceRuntime:
    """The roles ``serve``, ``relay``, ``consume`` and ``work``, not yet running."""
    parts = ReconciliationParts(settings, surroundings)
    common = parts.common
    return common.runtime(
        parts.served,
        {
            **common.relay_roles(),
            **parts.consumers(),
            "work.staging": parts.stage,
            "work.announcing": parts.announce,
            "work.folder": parts.watch_folder,
            "work.match": parts.match,
            "work.tell": parts.tell_matches,
            "work.days": parts.work_out_days,
            "work.report": parts.report_objects,
            **common.key_roles(),
        },
    )


def _entry(name: str) -> Any:
    """An entry point: they lie above this layer, so they are named here and not imported."""
    return import_module(f"services.reconciliation.entrypoints.{name}")
