"""The ledger's composition root: the only place that picks concrete adapters."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from services.ledger.adapters.accounts import AccountDirectory
from services.ledger.adapters.booking_lag import BookingMetrics
from services.ledger.adapters.clearing import ClearingFolder, SqlClearing, watch_clearing
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
from shared.runtime import metric_names
from shared.runtime.metrics import gauge
from shared.runtime.operator_tokens import TokenVerifier
from shared.runtime.process import Role, ServiceRuntime
from shared.runtime.roles import PeriodicRole
from shared.runtime.service_parts import ServiceParts
from shared.runtime.surroundings import Surroundings

NAME = "ledger"


def build(settings: LedgerSettings, surroundings: Surroundings | None = None) -> ServiceRuntime:
    """The ledger's roles (``serve``, ``consume``, ``relay``, ``work``), not yet running."""
    parts: ServiceParts[LedgerUnitOfWork] = ServiceParts(
        NAME, settings, unit_of_work_builder(AccountDirectory()), own_topic="ledger.events", consumer=NAME,
        surroundings=surroundings,
    )  # fmt: skip
    reader = SqlBooksReader(parts.engine)
    clearing = SqlClearing(parts.engine)
    negatives = SqlNegativeBalances(parts.engine)

    def app() -> Any:
        parts.watch()
        watch_sealing(parts.engine)
        watch_clearing(clearing)
        made = _entry("http").application(
            reader,
            SqlStatements(parts.engine),
            negatives,
            now=parts.clock.now,
            operators=parts.operator_tokens(),
            merchants=_verifier(settings.merchant_token_public_key),
        )
        _entry("http_clearing").add_clearing(made, clearing, parts.operator_tokens())
        parts.add_mechanism_routes(made)
        return made

    def consume() -> Role:
        return parts.consume(_entry("consumer").ROUTES, BookingMetrics(NAME))

    def work() -> Role:
        def look() -> None:
            check_balance(reader, _tell_imbalance)

        return PeriodicRole("work", settings.balance_check_interval_s, look, parts.clock)

    def look_for_negative() -> Role:
        def look() -> None:
            tell_negative(negatives, parts.clock.now(), _tell_negative)

        return PeriodicRole("work.negatives", settings.balance_check_interval_s, look, parts.clock)

    def seal() -> Role:
        key = settings.seal_private_key
        signer = HeadSigner(key.get_secret_value()) if key is not None else None
        sealer = Sealer(
            parts.transactions, signer, settings.seal_head_interval_s, settings.seal_head_every_seals
        )
        return PeriodicRole("work.seals", settings.seal_interval_s, sealer.turn, parts.clock)

    def fold() -> Role:
        folder = ClearingFolder(parts.transactions)
        return PeriodicRole("work.clearing", settings.clearing_interval_s, folder.turn, parts.clock)

    def snapshot() -> Role:
        folder = Folder(parts.transactions, _folding(settings))
        return PeriodicRole("work.snapshots", settings.snapshot_interval_s, folder.turn, parts.clock)

    # Several members share the partitions: one books in the database while another decodes.
    further = {f"consume.{number}": consume for number in range(2, settings.consumers + 1)}
    consumers = {"consume": consume, **further}
    workers = {
        "work": work,
        "work.negatives": look_for_negative,
        "work.seals": seal,
        "work.clearing": fold,
        "work.snapshots": snapshot,
    }
    return ServiceRuntime(
        name=NAME,
        settings=settings,
        app=app,
        roles={**consumers, **workers, **parts.key_roles(), **parts.relay_roles()},
        checks=parts.checks(),
        transactions=parts.transactions,
        engines={"app": parts.engine},
        operations=parts.operations(),
        close=parts.close,
        clock=parts.clock,
    )


def _tell_imbalance(currency: str, imbalance_minor: int) -> None:
    gauge(metric_names.LEDGER_IMBALANCE_MINOR, imbalance_minor, currency)


def _tell_negative(currency: str, owed_minor: int, oldest_s: float) -> None:
    gauge(metric_names.LEDGER_NEGATIVE_MINOR, owed_minor, currency)
    gauge(metric_names.LEDGER_NEGATIVE_OLDEST_S, oldest_s, currency)


def _folding(settings: LedgerSettings) -> Folding:
    return Folding(every_seals=settings.snapshot_every_seals, entries_min=settings.snapshot_entries_min)


def _verifier(public_key: str | None) -> TokenVerifier | None:
    return TokenVerifier(public_key) if public_key else None


def _entry(name: str) -> Any:
    """An entry point: they lie above this layer, so they are named here and not imported."""
    return import_module(f"services.ledger.entrypoints.{name}")
