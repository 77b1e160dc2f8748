"""Rows and records of a small history: added by scenes, written to databases and topics."""

import hashlib
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import psycopg
from confluent_kafka import Producer

from schemas.catalogue import TOPICS
from shared.messaging.broker import Partition
from shared.messaging.kafka import KafkaBroker
from shared.messaging.kafka_settings import NO_TELEMETRY
from tools.auditor.topics import record_row

AT = "2026-11-20T10:00:00Z"
PARTITIONS = 6
SERVICES = ("payment", "processor", "webhook_ingest", "ledger", "risk", "reconciliation", "sandbox")
MERCHANT = "mer_1"
OWNER = "x"
OWNED = "alpha:acct"
"""The processor's account: whose the accounts are that clear with it."""
#: Manual journals that clear a key, each of a key about which payment has an opinion of its own.
CLEARING = {
    "suspense_to_merchant": ("suspense", "merchant_available", "str_1"),
    "suspense_from_merchant": ("merchant_available", "suspense", "str_1"),
    "suspense_surplus_write_off": ("suspense", "write_off", "str_1"),
    "suspense_shortfall_write_off": ("write_off", "suspense", "str_1"),
    "suspense_to_processor_fees": ("processor_fees", "suspense", "str_1"),
    "suspense_from_processor_fees": ("suspense", "processor_fees", "str_1"),
    "receivable_write_off": ("write_off", "processor_receivable", "alpha:acct:cap_1"),
    "receivable_surplus_write_off": ("processor_receivable", "write_off", "alpha:acct:dsp_1"),
}
_LASTING = {
    "merchant_pending", "merchant_available", "fee_revenue", "processor_fees", "adjustments", "write_off", "bank_cash",
}  # fmt: skip
_OF_PROCESSOR = {"processor_receivable", "bank_clearing"}
_EMPTIED = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
       AND NOT relispartition AND relname NOT IN ('alembic_version', 'account_families')
"""

Row = dict[str, Any]
Tables = dict[str, list[Row]]


def fact_key(object_id: str, status: str) -> str:
    return f"alpha:acct:{object_id}:{status}:1"


class TinyRows:
    """Rows per service and table, with what was told of them."""

    def __init__(self) -> None:
        self.rows: dict[str, Tables] = {service: defaultdict(list) for service in SERVICES}
        self.versions: Counter[tuple[str, str]] = Counter()
        self.records: list[Row] = []
        self.journals = 0
        self.accounts: dict[tuple[str, str], int] = {}

    def add(self, service: str, table: str, **row: Any) -> None:
        self.rows[service][table].append(row)

    def tell(
        self, service: str, topic: str, key: str, event: str, cause_id: str = "cause", **data: Any
    ) -> str:
        self.versions[topic, key] += 1
        payload = json.dumps(data).encode()
        digest = "\\x" + hashlib.sha256(payload).hexdigest()
        event_id = f"evt_{len(self.records):03}"
        row = {
            "shard": 0, "topic": topic, "key": key, "stream_version": self.versions[topic, key],
            "event_id": event_id, "event_type": f"{event}.v1", "data_schema": "/schema", "source": f"/tieout/{service}",
            "subject": key, "event_time": AT, "cause_id": cause_id, "payload": "\\x" + payload.hex(),
            "payload_sha256": digest, "sent_at": AT, "sent_epoch": 1,
        }  # fmt: skip
        self.add(service, "outbox", **row)
        self.records.append({**row, "bytes": payload})
        return event_id

    def of_payment(self, payment_id: str, event: str, **data: Any) -> str:
        named = {"payment_id": payment_id, "merchant_id": MERCHANT, "currency": "EUR", **data}
        return self.tell("payment", "payment.events", payment_id, event, **named)

    def walk(self, payment_id: str, subject: str, subject_id: str, *states: str) -> None:
        for before, state in zip((None, *states), states, strict=False):
            self.add(
                "payment", "status_history", payment_id=payment_id, subject=subject, subject_id=subject_id,
                from_state=before, to_state=state, implied=False, cause_id="cause", at=AT,
            )  # fmt: skip

    def book(
        self, rule: str, cause: str, fact: str, subject: str, payment_id: str | None, amount: int,
        *legs: tuple[str, str | None, int], reverses: int | None = None, cause_type: str = "Any",
    ) -> int:  # fmt: skip
        self.journals += 1
        self.add(
            "ledger", "journals", position=self.journals, journal_id=f"jrn_{self.journals}", rule=rule,
            cause_event_id=cause, cause_event_type=cause_type, fact_key=fact, subject=subject, payment_id=payment_id,
            merchant_id=MERCHANT, currency="EUR", amount_minor=amount, reverses_position=reverses,
            entry_count=len(legs), effective_at=AT, booked_at=AT,
        )  # fmt: skip
        for line, (family, clearing_key, net) in enumerate(legs, 1):
            self.add(
                "ledger", "entries", journal_position=self.journals, line=line, account_id=self._account(family),
                side="debit" if net > 0 else "credit", amount_minor=abs(net), currency="EUR", clearing_key=clearing_key,
            )  # fmt: skip
        journal_id = f"jrn_{self.journals}"
        self.tell("ledger", "ledger.events", payment_id or journal_id, "JournalPosted", journal_id=journal_id)
        return self.journals

    def _account(self, family: str) -> int:
        key = (family, "EUR")
        if key not in self.accounts:
            self.accounts[key] = len(self.accounts) + 1
            transitional = family not in _LASTING
            owner = OWNED if family in _OF_PROCESSOR else OWNER
            self.add(
                "ledger", "accounts", account_id=self.accounts[key], family=family, owner=owner, currency="EUR",
                normal_side="debit", transitional=transitional, scale=2,
            )  # fmt: skip
        return self.accounts[key]

    def write(self, service: str, admin_url: str) -> None:
        """Empty the database and write the history again; without triggers, as a restored backup would be."""
        with psycopg.connect(admin_url) as connection:
            connection.execute("SET session_replication_role = replica")
            for (table,) in connection.execute(_EMPTIED.encode()).fetchall():
                connection.execute(f"DELETE FROM {table}".encode())
            for table, rows in self.rows[service].items():
                for row in rows:
                    columns = ", ".join(f'"{name}"' for name in row)
                    connection.execute(
                        f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns}"
                        f" FROM jsonb_populate_record(NULL::{table}, %s::jsonb)".encode(),
                        [json.dumps(row)],
                    )

    def publish(self, bootstrap: str, prefix: str, records: list[Row] | None = None) -> None:
        """Send the records as a relay would, each to the partition of its key, or to the one it names."""
        producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5, **NO_TELEMETRY})
        for row in self.records if records is None else records:
            producer.produce(
                prefix + row["topic"], value=row["bytes"], key=row["key"].encode(),
                partition=row.get("partition", partition_of(row["key"])),
                headers={
                    "ce_id": row["event_id"], "ce_type": row["event_type"], "ce_time": row["event_time"],
                    "ce_streamversion": str(row["stream_version"]),
                },
            )  # fmt: skip
        assert producer.flush(20) == 0

    def as_read(self) -> Iterator[tuple[object, ...]]:
        """The records as an auditor reads them from topics that have all of them once."""
        ends: Counter[tuple[str, int]] = Counter()
        for row in self.records:
            at = row["topic"], partition_of(row["key"])
            headers = {
                "ce_id": row["event_id"], "ce_type": row["event_type"], "ce_time": row["event_time"],
                "ce_streamversion": str(row["stream_version"]),
            }  # fmt: skip
            yield record_row(
                topic=at[0], partition=at[1], offset=ends[at], key=row["key"].encode(), value=row["bytes"],
                headers={name: text.encode() for name, text in headers.items()},
            )  # fmt: skip
            ends[at] += 1

    def commit_all(self, bootstrap: str, prefix: str) -> None:
        """Commit the end of every partition for every consumer."""
        broker = KafkaBroker(bootstrap, topic_prefix=prefix)
        for consumer in {name for topic in TOPICS.values() for name in topic.consumers}:
            ends = {
                Partition(topic.name, number): self.ends(topic.name)[number]
                for topic in TOPICS.values() if consumer in topic.consumers for number in range(PARTITIONS)
            }  # fmt: skip
            broker.set_offsets(consumer, ends)

    def ends(self, topic: str) -> Counter[int]:
        return Counter(partition_of(row["key"]) for row in self.records if row["topic"] == topic)


def partition_of(key: str) -> int:
    return zlib.crc32(key.encode()) % PARTITIONS
