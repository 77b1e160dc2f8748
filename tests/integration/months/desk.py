"""Reconciliation at work on a month: its real consumer, staging, announcing and runs, on a real database.

The clock stands where the month stands. Files come through the use cases that the API and the watched folder call.
"""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa

from schemas.catalogue import TOPICS, encode
from schemas.generated import JournalPostedV1
from services.reconciliation.adapters.explained_days import explained_days
from services.reconciliation.adapters.explaining import explained_payouts
from services.reconciliation.adapters.readers import FORMATS, READERS
from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
from services.reconciliation.app.declare_source import declare_source
from services.reconciliation.app.receive_file import IncomingFile, receive_file
from services.reconciliation.app.run_matching import Run, RunKind, run_matching
from services.reconciliation.domain.sources import Source, SourceKind
from services.reconciliation.entrypoints.consumer import ROUTES
from services.reconciliation.entrypoints.worker import announce_some, stage_one
from services.reconciliation.tests.agreed import agree_before
from services.sandbox.domain.bank import account_number
from services.sandbox.domain.business_days import is_business_day
from shared.kernel.clock import SystemClock
from shared.kernel.ids import UlidIds
from shared.kernel.jitter import Jitter
from shared.kernel.operators import Actor
from shared.messaging.broker import Broker, DeliveryFailure
from shared.messaging.consumer import ConsumerLoop
from shared.messaging.envelope import write_headers
from shared.messaging.memory import MemoryBroker
from shared.persistence.engine import make_engine
from shared.persistence.unit_of_work import Transactions
from tests.integration.months.answers import Answer
from tests.integration.months.key import LOST_AFTER_DAYS
from tests.integration.months.naming import names_of
from tests.integration.months.trade import PROCESSORS, START, Told
from tests.integration.months.world import (
    BANK_FORMAT_OF,
    CLOSED_DAYS,
    FORMAT_OF,
    TERMS_OF,
    Delivery,
    bank_source,
)

ADA = Actor(name="ada", role="operator")
_HUNDRED = 100
SENT_AT_ONCE = 10_000
_OWN_EVENTS = """
SELECT position, event_id, event_type, convert_from(payload, 'UTF8') AS payload FROM outbox
 WHERE position > %(after)s AND event_type IN (
       'SettlementLineAccepted.v1', 'SettlementLineAmended.v1', 'BankCreditAllocated.v1', 'PayoutReturned.v1')
 ORDER BY position
"""


class MonthClock(SystemClock):
    """The wall says where the month is; how long anything takes stays the machine's."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        """Where the month stands."""
        return self.at


def _sure(failure: DeliveryFailure | None) -> None:
    assert failure is None, failure


class MonthDesk:
    """One database of the service, and the topics that it reads."""

    def __init__(self, url: str, at: datetime, broker: Broker | None = None) -> None:
        self.engine = make_engine(url, application_name="reconciliation-month", pool_size=4)
        self.clock = MonthClock(at)
        self.ids = UlidIds()
        self.transactions = Transactions(
            self.engine, ReconciliationUnitOfWork, source="/tieout/reconciliation", clock=self.clock, ids=self.ids
        )  # fmt: skip
        self.broker = broker or MemoryBroker()
        for topic in TOPICS.values():
            self.broker.ensure_topic(topic.name, partitions=topic.partitions, settings={})
        self._loop = ConsumerLoop(
            self.broker, self.transactions, ROUTES, clock=SystemClock(), jitter=Jitter()
        )
        self._member = self._loop.join()
        self._producer = self.broker.make_producer()
        self._versions: dict[tuple[str, str], int] = defaultdict(int)
        self._position = self._sent = 0

    def close(self) -> None:
        """Leave everything."""
        self._member.close()
        self._producer.close()
        self.engine.dispose()

    def declare(self) -> None:
        """Sources, calendars and prices, as the sandbox's terms are."""
        for processor in PROCESSORS:
            self._declare(
                Source(
                    source=processor, kind=SourceKind.SETTLEMENT, format=FORMAT_OF[processor], processor=processor,
                    account=f"acct_{processor}", options={},
                )
            )  # fmt: skip
        for currency, form in BANK_FORMAT_OF.items():
            name = bank_source(currency)
            own = {"account_number": account_number(currency)}
            self._declare(
                Source(source=name, kind=SourceKind.BANK, format=form, bank_account=name, options=own)
            )
        with self.engine.begin() as connection:
            for processor in PROCESSORS:
                _agree(connection, processor)

    def publish(self, told: Iterable[Told], *, but: Iterable[Told] = ()) -> None:
        """Events of payments, each with the journal that the ledger made of it, but for these."""
        left_out = {each.event_id for each in but}
        for each in told:
            payment_id = each.event.payment_id
            self._send("payment.events", payment_id, each.event, each.event_id, each.at)
            if each.posted and each.event_id not in left_out:
                journal = _journal(each.event_id, type(each.event).__name__, each.at, each.event.amount_minor)
                self._send("ledger.events", payment_id, journal, f"evt_j{each.event_id[5:]}", each.at)
        self._flush()

    def post_unexplained(self, at: datetime, journal_id: str, amount_minor: int) -> None:
        """A journal whose cause nobody told."""
        cause = f"evt_{'x' * 6}{journal_id[-20:]}"
        journal = msgspec.structs.replace(
            _journal(cause, "PaymentCapturedV1", at, amount_minor), journal_id=journal_id
        )
        self._send("ledger.events", journal_id, journal, f"evt_j{cause[5:]}", at)
        self._flush()

    def hear(self, topic: str, key: str, said: Any, event_id: str) -> None:
        """One event of another service, told now."""
        self._send(topic, key, said, event_id, self.clock.at)
        self._flush()

    def tell_what_is_proved(self) -> None:
        """Tell payments what lines prove of their objects."""
        while self.run(lambda uow: uow.reporting.tell(timedelta(0))):
            pass

    def consume(self) -> None:
        """Until nothing waits on the topics."""
        idle = 0
        while idle < 2:
            idle = (
                0
                if self._loop.turn(self._member, 0.0 if isinstance(self.broker, MemoryBroker) else 1.0)
                else idle + 1
            )

    def take_in(self, files: Iterable[Delivery]) -> None:
        """Receive and stage; every one of them has to be readable."""
        for file in files:
            incoming = IncomingFile(
                source=file.source, name=file.name, sha256=hashlib.sha256(file.content).digest(),
                byte_count=len(file.content), content=lambda file=file: io.BytesIO(file.content),
            )  # fmt: skip
            self.run(lambda uow, incoming=incoming: receive_file(incoming, "ada", ADA, uow))
        while stage_one(READERS, self.transactions):
            pass

    def announce(self) -> None:
        """Tell of lines; the ledger books what was told."""
        while announce_some(self.transactions):
            pass
        self.post_own()

    def post_own(self) -> None:
        """The journals of what reconciliation told itself."""
        with self.engine.connect() as connection:
            rows = connection.exec_driver_sql(_OWN_EVENTS, {"after": self._position}).mappings().all()
        for row in rows:
            self._position = row["position"]
            said = msgspec.json.decode(row["payload"])
            amount_minor = abs(said.get("net_minor", said.get("amount_minor", 1))) or 1
            journal = _journal(row["event_id"], row["event_type"], self.clock.now(), amount_minor)
            self._send(
                "ledger.events", journal.journal_id, journal, f"evt_o{row['event_id'][5:]}", self.clock.now()
            )
        self._flush()
        self.consume()

    def match(self, kind: RunKind = RunKind.INCREMENTAL) -> Run:
        """One run as of now, and what it has to tell; the ledger books that."""
        run = self.run(lambda uow: run_matching(kind, "month", uow))
        while self.run(lambda uow: uow.telling.tell()):
            pass
        self.post_own()
        return run

    def breaks(self) -> set[Answer]:
        """Breaks that stand, spoken of as the answer key does."""
        with self.engine.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT subject, type, at_risk_minor FROM breaks WHERE state <> 'SELF_CLOSED'"
            ).all()
            names = names_of(connection, [subject for subject, _, _ in found])
        return {Answer(names[subject], kind, at_risk_minor) for subject, kind, at_risk_minor in found}

    def explained(self) -> list[dict[str, Any]]:
        """Every payout of the month."""
        last = START.date() + timedelta(days=2 * CLOSED_DAYS)
        return self.run(
            lambda uow: explained_payouts(uow.connection, START.date(), last, payout_id=None, limit=1_000_000)
        )

    def days(self) -> list[dict[str, Any]]:
        """Every day and currency of the month."""
        last = START.date() + timedelta(days=2 * CLOSED_DAYS)
        return self.run(lambda uow: explained_days(uow.connection, START.date(), last))

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Plain reading."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    def _declare(self, source: Source) -> None:
        self.run(lambda uow: declare_source(source, "a month", ADA, FORMATS, uow))

    def run(self, work: Any) -> Any:
        """One transaction."""
        return self.transactions.run(work, name="month")

    def _send(self, topic: str, key: str, data: Any, event_id: str, at: datetime) -> None:
        encoded = encode(topic, data)
        self._versions[topic, key] += 1
        row = {
            "event_id": event_id, "event_type": encoded.event_type, "source": "/tieout/month", "event_time": at,
            "data_schema": encoded.data_schema, "cause_id": "month", "stream_version": self._versions[topic, key],
            "subject": None, "traceparent": None,
        }  # fmt: skip
        self._producer.produce(
            topic, key=key.encode(), value=encoded.payload, headers=write_headers(row), on_delivery=_sure
        )
        self._sent += 1
        if self._sent % SENT_AT_ONCE == 0:
            self._flush()

    def _flush(self) -> None:
        while self._producer.flush(10):
            pass


def _agree(connection: sa.Connection, processor: str) -> None:
    terms = TERMS_OF[processor]
    closed = [day for day in _days() if day.weekday() < 5 and not is_business_day(day)]
    agree_before(
        connection, "calendar", processor=processor, time_zone="UTC", settles_after_days=terms.available_after_days,
        lost_after_days=LOST_AFTER_DAYS, holidays=closed,
    )  # fmt: skip
    for currency in BANK_FORMAT_OF:
        price = terms.prices.get(currency, terms.price)
        agree_before(
            connection, "agreed_fee", source=processor, category="charge", currency=currency,
            per_million=price.basis_points * _HUNDRED, fixed_minor=price.fee_minor(0, currency),
        )  # fmt: skip


def _days() -> Iterator[date]:
    return (START.date() + timedelta(days=offset) for offset in range(2 * CLOSED_DAYS))


def _journal(event_id: str, event_type: str, at: datetime, amount_minor: int) -> JournalPostedV1:
    return JournalPostedV1(
        journal_id=f"jrn_{event_id.removeprefix('evt_')}", rule="month", fact_key=event_id, cause_event_id=event_id,
        cause_event_type=event_type if ".v" in event_type else f"{event_type[:-2]}.v1", currency="EUR",
        amount_minor=amount_minor, effective_at=datetime.combine(at.date(), time(), at.tzinfo),
    )  # fmt: skip
