"""The ledger's composition root: the only place that picks concrete adapters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

from services.ledger.adapters.account_scales import refuse_other_scales
from services.ledger.adapters.accounts import AccountDirectory
from services.ledger.adapters.booking_lag import BookingMetrics
from services.ledger.adapters.clearing import ClearingFolder, SqlClearing, watch_clearing
from services.ledger.adapters.entry_partitions import make_ahead, watch_partitions
from services.ledger.adapters.former_keys import refuse_former_key
from services.ledger.adapters.head_keys import HeadSigner
from services.ledger.adapters.negative_balances import SqlNegativeBalances
from services.ledger.adapters.read_models import SqlBooksReader
from services.ledger.adapters.sealing import Sealer, watch_sealing
from services.ledger.adapters.snapshotting import Folder
from services.ledger.adapters.statements import SqlStatements
from services.ledger.adapters.unit_of_work import LedgerUnitOfWork, unit_of_work_builder
from services.ledger.app.check_balance import check_balance
from services.ledger.app.fold_snapshots import Folding
from services.ledger.app.tell_negative import tell_negative
from services.ledger.settings import LedgerSettings
from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Transactions
from shared.runtime import metric_names
from shared.runtime.metrics import gauge
from shared.runtime.operator_tokens import TokenVerifier
from shared.runtime.process import Role, ServiceRuntime
from shared.runtime.roles import PeriodicRole
from shared.runtime.service_parts import ServiceParts
from shared.runtime.settings import required
from shared.runtime.startup import StartupCheck, check
from shared.runtime.surroundings import Surroundings

NAME = "ledger"


class LedgerParts:
    """What this service has beyond every service's parts; nothing connects before it is used."""

    def __init__(self, settings: LedgerSettings, surroundings: Surroundings | None = None) -> None:
        self.settings = settings
        self.common: ServiceParts[LedgerUnitOfWork] = ServiceParts(
            NAME,
            settings,
            unit_of_work_builder(AccountDirectory()),
            own_topic="ledger.events",
            consumer=NAME,
            let_go=lambda uow, event, act: _entry("letting_go").let_go(uow, event, act),
            surroundings=surroundings,
        )
        self.reader = SqlBooksReader(self.common.engine)
        self.clearing = SqlClearing(self.common.engine)
        self.negatives = SqlNegativeBalances(self.common.engine)

    def served(self) -> Any:
        """The application with the gauges that are read when it is scraped."""
        self.common.watch()
        watch_sealing(self.common.engine)
        watch_clearing(self.clearing)
        watch_partitions(self.common.engine)
        made = _entry("http").application(
            self.reader,
            SqlStatements(self.common.engine),
            self.negatives,
            now=self.common.clock.now,
            operators=self.common.operator_tokens(),
            merchants=_verifier(self.settings.merchant_token_public_key),
        )
        _entry("http_clearing").add_clearing(made, self.clearing, self.common.operator_tokens())
        http = self.common.add_mechanism_routes(made)
        _entry("http_adjustments").add_adjustments(made, http, self.common.operator_tokens())
        _entry("http_periods").add_periods(made, http, self.common.operator_tokens())
        return made

    def consumers(self) -> dict[str, Callable[[], Role]]:
        """The group's members: one books in the database while another decodes.

        Reports have a member of their own, so that payments are shared evenly by the members of all processes.
        """
        payments = partial(self.consume, "payment.events")
        further = {f"consume.{number}": payments for number in range(2, self.settings.consumers + 1)}
        return {
            "consume": payments,
            **further,
            "consume.reconciliation": partial(self.consume, "reconciliation.events"),
        }

    def consume(self, topic: str) -> Role:
        """One member's loop over a topic."""
        return self.common.consume(_entry("consumer").ROUTES, BookingMetrics(NAME), (topic,))

    def check(self) -> Role:
        """The timer of the trial balance."""
        return self._periodic(
            "work",
            self.settings.balance_check_interval_s,
            lambda: check_balance(self.reader, _tell_imbalance),
        )

    def look_for_negative(self) -> Role:
        """The timer of what merchants owe."""
        clock = self.common.clock
        return self._periodic(
            "work.negatives",
            self.settings.balance_check_interval_s,
            lambda: tell_negative(self.negatives, clock.now(), _tell_negative),
        )

    def seal(self) -> Role:
        """The sealer of this ledger's one shard."""
        settings = self.settings
        sealer = Sealer(
            self.common.transactions,
            self._signer(),
            settings.seal_head_interval_s,
            settings.seal_head_every_seals,
        )
        return self._periodic("work.seals", settings.seal_interval_s, sealer.turn)

    def fold_clearing(self) -> Role:
        """The folder of what transitional accounts hold by key."""
        folder = ClearingFolder(self.common.transactions)
        return self._periodic("work.clearing", self.settings.clearing_interval_s, folder.turn)

    def fold_snapshots(self) -> Role:
        """The folder of snapshots."""
        settings = self.settings
        folding = Folding(
            every_seals=settings.snapshot_every_seals, entries_min=settings.snapshot_entries_min
        )
        folder = Folder(self.common.transactions, folding)
        return self._periodic("work.snapshots", settings.snapshot_interval_s, folder.turn)

    def make_partitions(self) -> Role:
        """Keeps the partitions of entries ahead of those who book."""

        def make() -> None:
            make_ahead(self.common.engine)

        return self._periodic("work.partitions", self.settings.partitions_interval_s, make)

    def room_check(self) -> StartupCheck:
        """No role waits for another one to make room in the books."""
        return check("partitions", lambda: make_ahead(self.common.engine), "consume", "work", "serve")

    def scale_check(self) -> StartupCheck:
        """No role reads amounts in another minor unit than they were booked in."""
        return check("scales", lambda: refuse_other_scales(self.common.engine), "consume", "work", "serve")

    def key_check(self) -> StartupCheck:
        """No role seals rebuilt books with the key of the old ones."""

        def look() -> None:
            signer = self._signer()
            if signer is not None:
                refuse_former_key(self.common.engine, signer.key_id)

        return check("seal key", look, "work")

    def _signer(self) -> HeadSigner | None:
        key = self.settings.seal_private_key
        return HeadSigner(key.get_secret_value()) if key is not None else None

    def _periodic(self, name: str, interval_s: float, turn: Callable[[], bool | float | None]) -> Role:
        return PeriodicRole(name, interval_s, turn, self.common.clock)


@contextmanager
def owners_transactions(settings: LedgerSettings) -> Iterator[Transactions[LedgerUnitOfWork]]:
    """Transactions of the tables' owner, for the one command that restores what was decided."""
    url = required(settings, "owner_database_url")
    engine = make_engine(url, application_name=f"{NAME}-owner", pool_size=1, statement_timeout_ms=300_000)
    try:
        yield Transactions(
            engine,
            unit_of_work_builder(AccountDirectory()),
            source=f"/tieout/{NAME}",
            clock=SystemClock(),
            ids=UlidIds(),
        )
    finally:
        engine.dispose()


def build(settings: LedgerSettings, surroundings: Surroundings | None = None) -> ServiceRuntime:
    """The ledger's roles (``serve``, ``consume``, ``relay``, ``work``), not yet running."""
    parts = LedgerParts(settings, surroundings)
    common = parts.common
    return common.runtime(
        parts.served,
        {
            **parts.consumers(),
            "work": parts.check,
            "work.negatives": parts.look_for_negative,
            "work.seals": parts.seal,
            "work.clearing": parts.fold_clearing,
            "work.snapshots": parts.fold_snapshots,
            "work.partitions": parts.make_partitions,
            **common.key_roles(),
            **common.relay_roles(),
        },
        own_checks=(parts.room_check(), parts.key_check(), parts.scale_check()),
    )


def _tell_imbalance(currency: str, imbalance_minor: int) -> None:
    gauge(metric_names.LEDGER_IMBALANCE_MINOR, imbalance_minor, currency)


def _tell_negative(currency: str, owed_minor: int, oldest_s: float) -> None:
    gauge(metric_names.LEDGER_NEGATIVE_MINOR, owed_minor, currency)
    gauge(metric_names.LEDGER_NEGATIVE_OLDEST_S, oldest_s, currency)


def _verifier(public_key: str | None) -> TokenVerifier | None:
    return TokenVerifier(public_key) if public_key else None


def _entry(name: str) -> Any:
    """An entry point: they lie above this layer, so they are named here and not imported."""
    return import_module(f"services.ledger.entrypoints.{name}")
