"""The auditor's copy: everything that the checks compare, side by side in one private SQLite database.

Databases and topics cannot be joined where they are. Copied here, each invariant is one query, and a set of any size
costs one pass. The copy lives in a temporary file that nobody else sees and that goes with the process.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

from tools.auditor.model import VIOLATIONS_SHOWN_MAX, Check, Invariant
from tools.auditor.reconciliation_queries import RECONCILIATION_INDEXES, RECONCILIATION_TABLES, STORED_FILES

BATCH_ROWS: Final = 20_000

TABLES: Final[dict[str, tuple[str, ...]]] = {
    # what the contract says
    "topics": ("topic", "versioned", "producer"),
    "subscriptions": ("topic", "consumer", "event_type", "handling"),
    "own_legal": ("subject", "from_state", "to_state"),
    # what the brokers say
    "committed": ("consumer", "topic", "partition", "next_offset"),
    "topic_starts": ("topic", "partition", "low_offset"),
    "records": ("topic", "partition", "offset", "key", "event_id", "event_type", "version", "sha", "time_us"),
    # what every service's database says
    "outbox": ("service", "topic", "key", "version", "event_id", "event_type", "sha", "cause_id", "sent", "day"),
    "streams": ("service", "topic", "key", "last_version"),
    "dropped_days": ("service", "day"),
    "inbox": ("consumer", "event_id", "sha", "topic", "key", "version", "outcome"),
    "inbox_versions": ("consumer", "topic", "key", "last_version"),
    "inbox_horizons": ("consumer", "horizon_us"),
    "parked_keys": ("consumer", "topic", "key", "reason", "detail"),
    "parked_records": ("consumer", "event_id", "topic", "key", "version", "sha"),
    "quarantined": ("consumer", "event_id", "topic", "key", "reason", "sha"),
    "skipped": ("consumer", "topic", "key", "version"),
    "dead_letters": ("service", "consumer", "topic", "key", "event_id"),
    # payment
    "payments": (
        "payment_id", "merchant_id", "status", "currency", "amount", "authorized", "capturable", "captured",
        "refunded", "adopted", "reserved", "disputed_open", "reversed", "settled", "stray", "fee_total",
        "fee_returned", "released", "day",
    ),
    "operations": (
        "operation_id", "payment_id", "type", "state", "amount", "takes_money", "refund_id", "dispute_id",
    ),
    "refunds": (
        "refund_id", "payment_id", "amount", "currency", "state", "operation_id", "adopted", "fee_returned",
        "capture_id",
    ),
    "objects": (
        "object_id", "payment_id", "object_type", "status", "amount", "currency", "role", "operation_id",
        "stray_id", "counted", "implied", "fact_key", "parent_id", "clearing_key", "settled",
    ),
    "settlement_lines": ("line_key", "payment_id", "object_key", "category", "gross", "currency"),
    "strays": (
        "stray_id", "payment_id", "kind", "amount", "currency", "returned", "reserved", "released", "mismatch",
        "taken_back", "accepted",
    ),
    "disputes": (
        "dispute_id", "payment_id", "object_id", "clearing_key", "status", "amount", "currency", "stray_id",
        "withdrawn", "reinstated", "written_off", "fee", "capture_id",
    ),
    "reversals": (
        "reversal_id", "payment_id", "object_id", "clearing_key", "currency", "stray_id", "taken", "given_back",
        "cause", "capture_id",
    ),
    "history": ("history_id", "payment_id", "subject", "subject_id", "from_state", "to_state"),
    "stored_legal": ("subject", "from_state", "to_state"),
    "evidence": ("payment_id", "fact_key"),
    "waiting": ("waiting_id", "payment_id", "overdue"),
    "cases": ("case_id", "payment_id", "reason", "closed", "subject", "operation_id"),
    "keys": ("scope", "endpoint", "state", "resource_id", "status", "in_body", "sent_again", "reply_id"),
    "events": (
        "event_id", "event_type", "payment_id", "merchant_id", "amount", "currency", "fact_key", "operation_id",
        "refund_id", "stray_id", "direction", "kind", "fee", "fee_returned", "was_succeeded",
        "charged_to", "dispute_id", "reversal_id", "held", "settled_fact_key", "object_key", "version",
    ),
    "commands": ("event_id", "kind", "payment_id", "operation_id", "amount", "currency"),
    # processor, webhook_ingest
    "attempts": ("operation_id", "payment_id", "kind", "amount", "currency", "state", "closing", "sends"),
    "deliveries": ("delivery_id", "processor_event_id", "verdict"),
    "claims": ("processor_event_id", "times_seen"),
    "refused": ("reason", "number"),
    "webhook_events": ("event_id", "event_type", "delivery_id", "fact_key"),
    # risk, and what payment asked of it
    "asked": ("event_id", "operation_id", "payment_version", "waits"),
    "risk_waits": ("operation_id", "payment_id", "state", "risk", "risk_by", "payment_version", "overdue"),
    "decisions": (
        "decision_id", "operation_id", "payment_id", "payment_version", "rules", "decision", "cause_event_id",
        "in_force",
    ),
    "told_decisions": ("decision_id", "operation_id", "payment_version", "rules", "decision"),
    # ledger
    "journals": (
        "position", "journal_id", "rule", "cause_event_id", "fact_key", "subject", "payment_id", "merchant_id",
        "currency", "amount", "reverses", "entry_count", "day", "cause_event_type",
    ),
    "entries": ("position", "line", "family", "owner", "currency", "clearing_key", "net"),
    "snapshots": (
        "account_id", "position", "number", "debits", "credits", "number_found", "debits_found", "credits_found",
    ),
    "seals": ("shard", "position", "journal_position", "is_next", "continues", "has_journal"),
    "sealed_up_to": ("shard", "up_to", "unsealed", "example"),
    "seal_heads": ("position", "journal_id", "hash", "sealed_journal_id", "sealed_hash"),
    "closed_periods": ("period", "position", "hash", "sealed_hash", "booked_later"),
    "adjustments": (
        "adjustment_id", "template", "amount", "currency", "merchant_id", "clearing_key", "reverses", "state",
        "proposed_by", "decided_by", "journal_id", "day",
    ),
    "imports": ("import_id", "file_sha256", "journals", "begun_by", "booked", "two_people", "day"),
    "import_proposals": ("import_id", "file_sha256", "journals", "state", "proposed_by", "decided_by", "day"),
    "operator_acts": ("event_id", "action", "target", "actor", "reason"),
    "line_matches": ("line_key", "revision", "number", "clearing_key"),
    "folded_keys": ("account_id", "family", "currency", "clearing_key", "net"),
    "folded_entries": ("account_id", "clearing_key", "net", "number"),
    # sandbox
    "book": ("payment_id", "currency", "held", "captured", "refunded", "withdrawn", "reversed"),
    "book_references": (
        "reference", "payment_id", "currency", "authorizations", "charges", "refunds", "captured", "refunded",
    ),
    "book_objects": (
        "id", "kind", "payment_id", "parent_id", "status", "amount", "currency", "captured", "released", "refunded",
        "reference",
    ),
    "book_keys": ("reference", "payment_id", "kind", "sent_under"),
    "book_webhooks": ("event_id", "state"),
    # reconciliation
    **{table: columns for table, columns, _ in RECONCILIATION_TABLES},
    "stored_files": STORED_FILES,
}  # fmt: skip

_INDEXES: Final = (
    "records (event_id)", "records (topic, key)", "records (topic, partition, offset)", "outbox (event_id)",
    "outbox (service, topic, key)", "outbox (cause_id)", "inbox (consumer, event_id)", "inbox (event_id)",
    "inbox (consumer, topic, key)", "inbox_versions (consumer, topic, key)", "streams (service, topic, key)",
    "parked_records (consumer, event_id)", "quarantined (consumer, event_id)",
    "payments (payment_id)", "operations (operation_id)", "operations (payment_id)", "refunds (refund_id)",
    "objects (object_id)", "objects (payment_id)", "objects (clearing_key)", "strays (stray_id)", "strays (payment_id)",
    "history (subject, subject_id, history_id)", "evidence (fact_key)", "keys (resource_id)",
    "events (event_id)", "events (payment_id)", "events (stray_id)", "commands (operation_id)",
    "attempts (operation_id)",
    "deliveries (delivery_id)", "claims (processor_event_id)", "webhook_events (delivery_id)",
    "webhook_events (event_id)", "journals (position)", "journals (cause_event_id)",
    "journals (payment_id, subject)", "journals (reverses)", "entries (position)",
    "entries (family, clearing_key)",
    "adjustments (adjustment_id)", "adjustments (journal_id)", "operator_acts (event_id)", "operator_acts (target)",
    "journals (rule, subject)",
    "journals (journal_id)", "settlement_lines (object_key)", "line_matches (line_key)",
    "book (payment_id)", "book_references (reference)", "book_objects (id)",
    "book_objects (reference)", "risk_waits (operation_id)",
    "asked (event_id)", "decisions (decision_id)", "decisions (operation_id)", "told_decisions (decision_id)",
    *RECONCILIATION_INDEXES,
)  # fmt: skip

# A reversal stands with the rule of what it reverses: sums over both are what is left of it.
_VIEWS: Final = (
    """
    CREATE VIEW booked AS
    SELECT e.position, e.family, e.owner, e.currency, e.clearing_key, e.net,
           coalesce(o.rule, j.rule) AS rule, coalesce(o.payment_id, j.payment_id) AS payment_id
    FROM entries e JOIN journals j ON j.position = e.position
    LEFT JOIN journals o ON o.position = j.reverses
    """,
    # What payment can have an opinion about: what people booked by hand or brought over is answered for elsewhere.
    """
    CREATE VIEW entries_of_facts AS
    SELECT * FROM entries WHERE position NOT IN (
        SELECT position FROM journals WHERE rule GLOB 'adjustment:*' OR rule = 'imported')
    """,
    # Everything that a consumer keeps for a record: applied, ignored, skipped, parked or put aside.
    """
    CREATE VIEW kept AS
    SELECT consumer, event_id FROM inbox
    UNION ALL SELECT consumer, event_id FROM parked_records
    UNION ALL SELECT consumer, event_id FROM quarantined
    """,
)


class Scratch:
    """One copy; filled once, then asked."""

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.row_factory = sqlite3.Row
        self._database.execute("PRAGMA synchronous = OFF")
        for table, columns in TABLES.items():
            listed = ", ".join(f'"{column}"' for column in columns)
            self._database.execute(f"CREATE TABLE {table} ({listed})")

    def close(self) -> None:
        self._database.close()

    def fill(self, table: str, rows: Iterable[Sequence[Any]]) -> int:
        """Add rows, in the order of the table's columns; returns how many."""
        marks = ", ".join("?" for _ in TABLES[table])
        stream = iter(rows)
        number = 0
        self._database.execute("BEGIN")
        while batch := list(islice(stream, BATCH_ROWS)):
            self._database.executemany(f"INSERT INTO {table} VALUES ({marks})", batch)
            number += len(batch)
        self._database.execute("END")
        return number

    def finish(self) -> None:
        """Index what was filled; nothing is added afterwards."""
        for number, index in enumerate(_INDEXES):
            self._database.execute(f"CREATE INDEX i{number} ON {index}")
        for view in _VIEWS:
            self._database.execute(view)
        self._database.execute("ANALYZE")

    def rows(self, query: str, limit: int | None = None) -> list[dict[str, object]]:
        found = self._database.execute(query)
        return [dict(row) for row in (found.fetchall() if limit is None else found.fetchmany(limit))]

    def number(self, query: str) -> int:
        return int(self._database.execute(query).fetchone()[0] or 0)

    def ask(self, check: Check, shown_max: int | None = VIOLATIONS_SHOWN_MAX) -> Invariant:
        """The verdict of one check, with the first rows that break it; with all of them where there is no limit."""
        found = self.rows(check.violations, None if shown_max is None else shown_max + 1)
        violations = found[:shown_max]
        return Invariant(
            name=check.name,
            explanation=check.explanation,
            checked=self.number(check.checked),
            holds=not violations,
            violations=violations,
            more=len(found) > len(violations),
        )
