"""Every metric's name in one typed list, each with a sentence: what is counted, over what, and how to read it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """``text`` names numerator, denominator and window where the figure is meant to be read as a rate."""

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_LATENCY_S: Final = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_DELAY_S: Final = (0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 21600, 86400)


def _counter(name: str, text: str, *labels: str) -> Metric:
    return Metric(name=name, kind=Kind.COUNTER, text=text, labels=labels)


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(name=name, kind=Kind.GAUGE, text=text, labels=labels)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Metric:
    return Metric(name=name, kind=Kind.HISTOGRAM, text=text, labels=labels, buckets=buckets)


# HTTP and waiting
HTTP_REQUESTS: Final = _counter(
    "tieout_http_requests_total",
    "Requests answered. Error rate = status 5xx over all, per route, over 5 minutes.",
    "method", "route", "status",
)  # fmt: skip
HTTP_REQUEST_SECONDS: Final = _histogram(
    "tieout_http_request_seconds",
    "Seconds from the request's headers to its whole reply, waits included; read per route over 5 minutes.",
    _LATENCY_S, "route",
)  # fmt: skip
WAITERS: Final = _gauge(
    "tieout_waiters", "Requests that wait for a decision now (Prefer: wait), out of the cap."
)
WAITERS_REFUSED: Final = _counter(
    "tieout_waiters_refused_total",
    "Waits answered at once because the cap was reached. Rate = these over all that asked to wait, 5 minutes.",
)

# Idempotency
IDEMPOTENCY_CLAIMS: Final = _counter(
    "tieout_idempotency_claims_total",
    "Requests with a key by what the key said: executed, replayed, in_use, mismatch, expired, attached. "
    "Hit rate = replayed + attached over all; duplicate attempts = all but executed; "
    "key mismatches = mismatch; each per hour.",
    "endpoint", "result",
)  # fmt: skip
GROUP_REQUESTS: Final = _histogram(
    "tieout_group_requests",
    "Requests that were committed together in one transaction; 1 means that nobody had to wait.",
    (1.0, 2.0, 4.0, 8.0, 16.0),
)
IDEMPOTENCY_COMPLETED: Final = _counter(
    "tieout_idempotency_completed_total",
    "Keys whose owner died and that the completer finished, per hour; more than restarts explain is a fault.",
)
IDEMPOTENCY_ABANDONED: Final = _gauge(
    "tieout_idempotency_abandoned", "Keys in flight now whose lease has ended and that nobody has finished."
)
IDEMPOTENCY_OLDEST_IN_FLIGHT_S: Final = _gauge(
    "tieout_idempotency_oldest_in_flight_seconds",
    "Age of the oldest key that has no reply yet, 0 without one; past a lease (the wait and 30 s) its owner is dead.",
)
IDEMPOTENCY_UNCOUNTED: Final = _counter(
    "tieout_idempotency_uncounted_total",
    "Replays, mismatches and other repeats that are missing in the counts per key, because the database took no "
    "writes or its COMMIT is in doubt; those of killed processes are missing without being counted here.",
)

# Outbox, relay, consumer
OUTBOX_OLDEST_UNSENT_S: Final = _gauge(
    "tieout_outbox_oldest_unsent_seconds",
    "Age of the oldest committed event that the broker has not acknowledged.",
)
OUTBOX_UNSENT: Final = _gauge(
    "tieout_outbox_unsent", "Committed events that the broker has not acknowledged."
)
OUTBOX_ARCHIVE_OVERDUE_S: Final = _gauge(
    "tieout_outbox_archive_overdue_seconds",
    "How long the outbox's oldest day should have been archived and dropped, 0 where none is past its time.",
)
RELAY_SENT: Final = _counter(
    "tieout_relay_sent_total", "Events acknowledged by the broker, by service.", "service"
)
CONSUMED: Final = _counter(
    "tieout_consumed_total",
    "Records by what became of them: applied, ignored, duplicate, parked, quarantined. "
    "Duplicate rate = duplicate over all, per consumer and hour.",
    "consumer", "topic", "outcome",
)  # fmt: skip
CONSUMER_LAG_AGE_S: Final = _gauge(
    "tieout_consumer_lag_age_seconds",
    "Age of the record that the consumer applied last, while it lags.",
    "consumer", "topic",
)  # fmt: skip
CONSUMER_LAG_RECORDS: Final = _gauge(
    "tieout_consumer_lag_records",
    "Records that wait in the partitions this process holds, as the client knew a second ago.",
    "consumer", "topic",
)  # fmt: skip
PARKED_KEYS: Final = _gauge(
    "tieout_parked_keys",
    "What is blocked for one consumer now, by reason: keys for gap and poison, single records for unreadable.",
    "consumer", "reason",
)  # fmt: skip
PARKED_OLDEST_S: Final = _gauge(
    "tieout_parked_oldest_seconds",
    "Age of what is parked longest, by reason; a gap heals itself, so one over 60 s needs somebody.",
    "consumer", "reason",
)  # fmt: skip
QUARANTINED: Final = _gauge(
    "tieout_quarantined_records",
    "Records refused because an event id or version came with other content.",
    "consumer", "reason",
)  # fmt: skip
WAITING_FACTS: Final = _gauge(
    "tieout_waiting_facts", "Facts stored that wait for their object to become known."
)
WAITING_FACTS_STUCK: Final = _gauge("tieout_waiting_facts_stuck", "Waiting facts past their deadline.")
WORK_FAILED: Final = _counter(
    "tieout_work_failed_total",
    "Pieces of timed work that failed alone and rest until tried again, by role; any in 15 minutes is a fault.", "role",
)  # fmt: skip

# Payments
PAYMENTS_DECIDED: Final = _counter(
    "tieout_payments_decided_total",
    "Payments by first decision: succeeded (a hold or money was had), failed. Success rate = succeeded over "
    "both, per day; doubt and strays are counted apart.", "result",
)  # fmt: skip
OPERATIONS_UNCERTAIN: Final = _counter(
    "tieout_operations_uncertain_total",
    "Operations that became uncertain, by type; rate over operations sent, per hour.", "type",
)  # fmt: skip
DOUBT_MINOR: Final = _gauge(
    "tieout_money_in_doubt_minor",
    "Exposure: money of captures, sales and refunds of which nobody knows now whether it moved, in minor units.",
    "processor", "currency",
)  # fmt: skip
DOUBT_OPERATIONS: Final = _gauge(
    "tieout_operations_in_doubt",
    "Operations in doubt now, authorizations and cancels too.",
    "processor", "currency",
)  # fmt: skip
DOUBT_OLDEST_S: Final = _gauge(
    "tieout_money_in_doubt_oldest_seconds",
    "Age of the oldest operation in doubt.",
    "processor", "currency",
)  # fmt: skip
STRAYS: Final = _counter(
    "tieout_strays_total", "Money or holds found under no live operation of ours, by kind.", "kind"
)
CASES_OPEN: Final = _gauge("tieout_cases_open", "Cases that wait for an operator, by reason.", "reason")
RISK_REVIEWS: Final = _gauge(
    "tieout_risk_reviews", "Operations that wait now for a person's word about risk; nothing else ends them."
)
RISK_REVIEWS_OLDEST_S: Final = _gauge(
    "tieout_risk_reviews_oldest_seconds",
    "Age of the oldest of those operations, since it was asked for; 0 without one.",
)
REFUNDS: Final = _counter(
    "tieout_refunds_total",
    "Refunds by outcome: succeeded, failed. Failure rate = failed over both, per day.", "result",
)  # fmt: skip
DISPUTES: Final = _counter(
    "tieout_disputes_total", "Disputes opened. Dispute rate = these over captures, per 30 days."
)

# Outside processors
CALLS: Final = _counter(
    "tieout_outbound_calls_total",
    "Calls to an outside processor by result: done, declined, accepted, not_sent, unknown. "
    "Timeout rate = unknown over all, per processor and kind, over 15 minutes.",
    "target", "kind", "result",
)  # fmt: skip
CALL_SECONDS: Final = _histogram(
    "tieout_outbound_call_seconds",
    "Seconds of one call to an outside processor.", _LATENCY_S, "target", "kind",
)  # fmt: skip
LADDER_OPEN: Final = _gauge(
    "tieout_ladder_open", "Attempts with an unknown outcome that are being looked up."
)
ATTEMPTS_UNATTENDED: Final = _gauge(
    "tieout_processor_attempts_unattended",
    "Open attempts at a processor that is not configured, those with a case left out: no lane takes them.", "processor",
)  # fmt: skip
SENDS_WAITING_OLDEST_S: Final = _gauge(
    "tieout_sends_waiting_oldest_seconds",
    "Age of the oldest operation, per processor, of which nothing has been sent yet.", "target",
)  # fmt: skip
FEED_CURSOR_AGE_S: Final = _gauge(
    "tieout_feed_cursor_age_seconds", "Seconds since the event feed was read to its end.", "target"
)
FEED_UNREADABLE: Final = _counter(
    "tieout_feed_unreadable_total",
    "Events of a processor's feed that could not be read, each once; what they name is looked up.", "target",
)  # fmt: skip

# Webhooks
WEBHOOKS: Final = _counter(
    "tieout_webhooks_total",
    "Deliveries by verdict: accepted, duplicate, unrecognised, refused. Duplicate rate = duplicate over "
    "accepted + duplicate; signature failure rate = refused over all; both per hour.",
    "source", "verdict",
)  # fmt: skip
WEBHOOK_DELAY_SECONDS: Final = _histogram(
    "tieout_webhook_delay_seconds",
    "Seconds from an event's occurrence to our receipt of its first delivery.", _DELAY_S, "source",
)  # fmt: skip
WEBHOOK_APPLY_SECONDS: Final = _histogram(
    "tieout_webhook_apply_seconds",
    "Seconds from our receipt of a delivery to the transaction of its effect.", _DELAY_S, "source",
)  # fmt: skip

# Risk
RISK_DECISIONS: Final = _counter(
    "tieout_risk_decisions_total",
    "Operations judged, by decision: allow, review, block. Block rate = block over all, per hour.", "decision",
)  # fmt: skip

# Reconciliation
RECONCILIATION_FILES: Final = _counter(
    "tieout_reconciliation_files_total",
    "Files of processors and banks, by what became of them: received, staged, refused; and looks at unusable ones.",
    "outcome",
)
RECONCILIATION_LINES_TOLD: Final = _counter(
    "tieout_reconciliation_lines_told_total",
    "Lines of closed payouts told to the ledger and to payments, as accepted or amended.",
)
RECONCILIATION_BREAKS: Final = _gauge(
    "tieout_reconciliation_breaks",
    "Breaks that stand now, put off or waiting for a second person too, by type and currency.",
    "type", "currency",
)  # fmt: skip
RECONCILIATION_AT_RISK_MINOR: Final = _gauge(
    "tieout_reconciliation_at_risk_minor",
    "Money at risk in those breaks, in minor units; currencies are never added.",
    "type", "currency",
)  # fmt: skip
RECONCILIATION_OLDEST_BREAK_S: Final = _gauge(
    "tieout_reconciliation_oldest_break_seconds",
    "Age of the oldest of those breaks, since what it is about happened.",
    "type", "currency",
)  # fmt: skip
RECONCILIATION_FILES_HELD: Final = _gauge(
    "tieout_reconciliation_files_held",
    "Files that no line stands of, by state: RECEIVED waits to be staged, REFUSED waits for people.",
    "state",
)
RECONCILIATION_LINES_UNTOLD: Final = _gauge(
    "tieout_reconciliation_lines_untold",
    "Standing lines of closed payouts that neither the ledger nor payments heard of; counted up to 100,000.",
)
RECONCILIATION_RUN_AGE_S: Final = _gauge(
    "tieout_reconciliation_run_age_seconds",
    "Seconds since the last run began; without one since the first file or item, 0 without any.",
)
RECONCILIATION_UNEXPLAINED_AGE_S: Final = _gauge(
    "tieout_reconciliation_unexplained_age_seconds",
    "Seconds since the start of the first day, of those that are over, until which a payout should have been on the "
    "bank account that is neither paid to the minor unit nor named by a break; 0 where every day is explained to zero.",
)
RECONCILIATION_UNANSWERED_AGE_S: Final = _gauge(
    "tieout_reconciliation_unanswered_age_seconds",
    "Seconds since the ledger or payment was asked for what a break waits for now, of the one that waits longest; 0 "
    "where none waits.",
)
RECONCILIATION_STATEMENT_GAP_AGE_S: Final = _gauge(
    "tieout_reconciliation_statement_gap_age_seconds",
    "Seconds since the oldest part of a bank's statement came that does not go on where another ended; 0 without.",
)
RECONCILIATION_PREFERENCES_FAILED: Final = _gauge(
    "tieout_reconciliation_preferences_failed", "Files that were to hold, given up; asked for no more since."
)
RECONCILIATION_FILES_IN_DOUBT: Final = _gauge(
    "tieout_reconciliation_files_in_doubt",
    "Breaks of files themselves by source and type: totals, lines that nobody could read, contradicting files.",
    "source", "type",
)  # fmt: skip

# Books
JOURNALS_POSTED: Final = _counter("tieout_journals_posted_total", "Journals posted, by rule.", "rule")
LEDGER_IMBALANCE_MINOR: Final = _gauge(
    "tieout_ledger_imbalance_minor",
    "Absolute sum of debits minus credits per currency; anything but 0 pages at once.", "currency",
)  # fmt: skip
LEDGER_UNSEALED_S: Final = _gauge(
    "tieout_ledger_unsealed_seconds",
    "Age of the oldest committed journal or note beside it that has no place in its chain of seals yet; above 2 s the"
    " sealer lags.",
)
LEDGER_POSITIONS_LEFT: Final = _gauge(
    "tieout_ledger_positions_left",
    "Journals that can still be booked before the partitions of entries end; at 0 booking waits for the next one.",
)
CLEARING_OPEN_KEYS: Final = _gauge(
    "tieout_clearing_open_keys",
    "Clearing keys that have not returned to zero now, by family of accounts and currency.",
    "family", "currency",
)  # fmt: skip
CLEARING_OPEN_MINOR: Final = _gauge(
    "tieout_clearing_open_minor",
    "Sum of what stands on those keys, whatever side it is on, in minor units.",
    "family", "currency",
)  # fmt: skip
CLEARING_OLDEST_S: Final = _gauge(
    "tieout_clearing_oldest_seconds",
    "Age of the oldest of those keys: for how long money has been on its way.",
    "family", "currency",
)  # fmt: skip
LEDGER_NEGATIVE_MINOR: Final = _gauge(
    "tieout_ledger_negative_minor",
    "What merchants owe us per currency: available balances below zero, summed. A fact to collect, refused by nobody.",
    "currency",
)
LEDGER_NEGATIVE_OLDEST_S: Final = _gauge(
    "tieout_ledger_negative_oldest_seconds",
    "For how long the oldest available balance below zero has been so without a break, per currency; 0 without one.",
    "currency",
)
BOOKING_LAG_S: Final = _gauge(
    "tieout_booking_lag_seconds", "Age of the event that was booked last, while the books lag."
)

ALL: Final[tuple[Metric, ...]] = tuple(
    value for value in list(globals().values()) if isinstance(value, Metric)
)
