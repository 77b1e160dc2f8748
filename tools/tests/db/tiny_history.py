"""A tiny consistent history in all databases and topics: a sale in doubt, refunds, a stray, a hold; and its heal."""

import hashlib
import json
import zlib
from collections import Counter, defaultdict
from typing import Any

import psycopg
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.catalogue import TOPICS

AT = "2026-11-20T10:00:00Z"
PARTITIONS = 6
SERVICES = ("payment", "processor", "webhook_ingest", "ledger", "risk", "reconciliation", "sandbox")
MERCHANT = "mer_1"
OWNER = "x"
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
    "merchant_pending", "merchant_available", "fee_revenue", "processor_fees", "adjustments", "write_off",
}  # fmt: skip
_EMPTIED = """
    SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')
       AND NOT relispartition AND relname NOT IN ('alembic_version', 'account_families')
"""

Row = dict[str, Any]
Tables = dict[str, list[Row]]


def fact_key(object_id: str, status: str) -> str:
    return f"alpha:acct:{object_id}:{status}:1"


class TinyHistory:
    """Rows per service and table; built once, written as often as a test needs it whole again."""

    def __init__(self) -> None:
        self.rows: dict[str, Tables] = {service: defaultdict(list) for service in SERVICES}
        self.versions: Counter[tuple[str, str]] = Counter()
        self.records: list[Row] = []
        self.journals = 0
        self.accounts: dict[tuple[str, str], int] = {}
        _payments(self)
        _sandbox(self)
        _webhooks(self)
        _risk(self)
        _adjustments(self)
        _brought_over(self)
        _take_in(self)

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
            self.add(
                "ledger", "accounts", account_id=self.accounts[key], family=family, owner=OWNER, currency="EUR",
                normal_side="debit", transitional=transitional,
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
        producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 5})
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

    def commit_all(self, bootstrap: str, prefix: str) -> None:
        """Commit the end of every partition for every consumer."""
        for consumer in {name for topic in TOPICS.values() for name in topic.consumers}:
            client = Consumer({"bootstrap.servers": bootstrap, "group.id": prefix + consumer})
            places = [
                TopicPartition(prefix + topic.name, number, self.ends(topic.name)[number])
                for topic in TOPICS.values() if consumer in topic.consumers for number in range(PARTITIONS)
            ]  # fmt: skip
            client.commit(offsets=places, asynchronous=False)
            client.close()

    def ends(self, topic: str) -> Counter[int]:
        return Counter(partition_of(row["key"]) for row in self.records if row["topic"] == topic)


def partition_of(key: str) -> int:
    return zlib.crc32(key.encode()) % PARTITIONS


def _payment(h: TinyHistory, payment_id: str, status: str, amount: int, **amounts: int) -> None:
    names = (
        "authorized", "capturable", "captured", "refunded", "refunded_adopted", "refund_reserved", "disputed_open",
        "reversed", "settled", "stray", "fee_total", "fee_returned",
    )  # fmt: skip
    h.add(
        "payment", "payments", payment_id=payment_id, merchant_id=MERCHANT, mode="test", status=status, currency="EUR",
        amount_minor=amount, **{f"{name}_minor": amounts.get(name, 0) for name in names}, capture_method="automatic",
        processor="alpha", account="acct", metadata={}, max_attempts=3, attempts_used=0, percent_ppm=0, fixed_minor=0,
        refund_policy="keep", captures_counted=0, authorization_released=False, release_announced=False, case_keys=[],
        version=1, created_at=AT, updated_at=AT,
    )  # fmt: skip
    h.of_payment(payment_id, "PaymentCreated", amount_minor=amount)
    _key(h, "POST /payments", payment_id)


def _key(h: TinyHistory, endpoint: str, resource_id: str) -> None:
    h.add(
        "payment", "idempotency_keys", scope=f"{endpoint} {resource_id}", owner_id=MERCHANT, mode="test",
        key_digest=resource_id, fingerprint="\\x" + "00" * 32, endpoint=endpoint, state="finished", status=201,
        resource_id=resource_id, body="\\x" + f'{{"id":"{resource_id}"}}'.encode().hex(), created_at=AT,
        finished_at=AT, expires_at=AT,
    )  # fmt: skip
    h.add(
        "payment", "idempotency_key_repeats", scope=f"{endpoint} {resource_id}", replays=1, attaches=0, in_use=0,
        mismatches=0, after_expiry=0, last_repeat_at=AT,
    )  # fmt: skip


def _operation(
    h: TinyHistory, payment_id: str, operation_id: str, kind: str, amount: int, *states: str,
    capture: bool = False, refund_id: str | None = None, stray_id: str | None = None,
) -> None:  # fmt: skip
    h.add(
        "payment", "operations", operation_id=operation_id, payment_id=payment_id, number=int(operation_id[3:]),
        type=kind, state=states[-1], amount_minor=amount, processor="alpha", account="acct", created_at=AT, since=AT,
        capture=capture, final=False, fee_fixed_minor=0, refund_id=refund_id, stray_id=stray_id,
        uncertain_announced=False, resolved_announced=False,
    )  # fmt: skip
    h.walk(payment_id, "operation", operation_id, *states)
    sent_as = "refund" if kind == "stray_return" else kind
    command = {"authorize": "AuthorizePayment", "refund": "RefundPayment"}[sent_as]
    asked = {
        "payment_id": payment_id,
        "operation_id": operation_id,
        "amount_minor": amount,
        "currency": "EUR",
    }
    h.tell("payment", "processor.commands", payment_id, command, **asked)
    h.add(
        "processor", "attempts", operation_id=operation_id, payment_id=payment_id, kind=sent_as, processor="alpha",
        account="acct", amount_minor=amount, currency="EUR", asked={}, cause_id="cause", state="closed", phase="waiting",
        next_at=AT, lease_epoch=1, attempt_id="att", attempt_number=1, not_sent_count=0, doubtful=False,
        withdrawal_requested=False, first_sent_at=AT, rung=0, not_found_count=0, result="done", closed_at=AT,
        closing="answered",
    )  # fmt: skip
    h.tell("processor", "processor.events", payment_id, "AttemptSent", operation_id=operation_id)


def _object(
    h: TinyHistory, payment_id: str, object_id: str, kind: str, status: str, amount: int, *, role: str,
    operation_id: str | None, counted: int, stray_id: str | None = None, parent_id: str | None = None,
) -> None:  # fmt: skip
    h.add(
        "payment", "processor_objects", processor="alpha", account="acct", object_id=object_id, payment_id=payment_id,
        object_type=kind, status=status, version=1, occurred_at=AT, amount_minor=amount, currency="EUR",
        fact_key=fact_key(object_id, status), digest="d", role=role, operation_id=operation_id, stray_id=stray_id,
        counted_minor=counted, implied=False, parent_id=parent_id,
    )  # fmt: skip
    h.add(
        "payment", "evidence", evidence_id=f"evd_{object_id}", payment_id=payment_id, processor="alpha", account="acct",
        object_type=kind, object_id=object_id, fact_key=fact_key(object_id, status), source="reply", rank=1,
        verdict="applied", digest="d", fact={}, cause_id="cause", occurred_at=AT, received_at=AT,
    )  # fmt: skip


def _refund(h: TinyHistory, refund_id: str, operation_id: str, amount: int, fee: int, state: str) -> str:
    h.add(
        "payment", "refunds", refund_id=refund_id, payment_id="pay_1", amount_minor=amount, currency="EUR", state=state,
        created_at=AT, updated_at=AT, operation_id=operation_id, capture_id="cap_1", adopted=False,
        fee_returned_minor=fee,
    )  # fmt: skip
    _key(h, "POST /refunds", refund_id)
    return h.of_payment(
        "pay_1", "RefundRequested", refund_id=refund_id, operation_id=operation_id, amount_minor=amount,
        fee_returned_minor=fee,
    )  # fmt: skip


def _payments(h: TinyHistory) -> None:
    for source, targets in _LEGAL.items():
        subject, state = source.split(":")
        for target in targets.split():
            h.add("payment", "legal_transitions", subject=subject, from_state=state, to_state=target)
    _sale_in_doubt(h)
    _refunds(h)
    _stray(h)
    _payment(h, "pay_3", "AUTHORIZED", 700, authorized=700, capturable=700)
    h.walk("pay_3", "payment", "pay_3", "CREATED", "AUTHORIZED")
    _operation(h, "pay_3", "op_5", "authorize", 700, "REQUESTED", "SENT", "SUCCEEDED")
    _object(
        h,
        "pay_3",
        "auth_3",
        "authorization",
        "authorized",
        700,
        role="counted",
        operation_id="op_5",
        counted=700,
    )
    h.of_payment("pay_3", "PaymentAuthorized", amount_minor=700)
    _dispute(h)
    _sale_that_failed_later(h)
    _settled_sale(h)


def _sale_in_doubt(h: TinyHistory) -> None:
    amounts = {
        "authorized": 1000,
        "captured": 1000,
        "refunded": 400,
        "reversed": 200,
        "fee_total": 30,
        "fee_returned": 12,
    }
    _payment(h, "pay_1", "CAPTURED", 1000, **amounts)
    h.walk("pay_1", "payment", "pay_1", "CREATED", "AUTHORIZED", "CAPTURED")
    _operation(
        h, "pay_1", "op_1", "authorize", 1000, "REQUESTED", "SENT", "UNCERTAIN", "SUCCEEDED", capture=True
    )
    _object(
        h,
        "pay_1",
        "auth_1",
        "authorization",
        "authorized",
        1000,
        role="counted",
        operation_id="op_1",
        counted=1000,
    )
    _object(
        h, "pay_1", "cap_1", "capture", "succeeded", 1000, role="counted", operation_id="op_1", counted=1000
    )
    doubt = h.of_payment(
        "pay_1", "OperationUncertain", operation_id="op_1", direction="in", amount_minor=1000
    )
    h.of_payment("pay_1", "PaymentAuthorized", amount_minor=1000)
    fact = fact_key("cap_1", "succeeded")
    captured = h.of_payment("pay_1", "PaymentCaptured", amount_minor=1000, fee_minor=30, fact_key=fact)
    resolved = h.of_payment(
        "pay_1", "OperationResolved", operation_id="op_1", direction="in", amount_minor=1000
    )
    legs = (("in_doubt_in", "op_1", 1000), ("in_doubt_contra", "op_1", -1000))
    back = tuple((family, key, -net) for family, key, net in legs)
    first = h.book("capture_in_doubt", doubt, "op_1", "op_1", "pay_1", 1000, *legs)
    h.book("capture_in_doubt_reversed", resolved, "op_1", "op_1", "pay_1", 1000, *back, reverses=first)
    h.book(
        "capture", captured, fact, "cap_1", "pay_1", 1000, ("processor_receivable", "alpha:acct:cap_1", 1000),
        ("merchant_pending", None, -970), ("fee_revenue", None, -30),
    )  # fmt: skip


def _refunds(h: TinyHistory) -> None:
    asked = _refund(h, "re_1", "op_2", 400, 12, "SUCCEEDED")
    _operation(h, "pay_1", "op_2", "refund", 400, "REQUESTED", "SENT", "SUCCEEDED", refund_id="re_1")
    _object(h, "pay_1", "ref_1", "refund", "succeeded", 400, role="counted", operation_id="op_2", counted=400)
    fact = fact_key("ref_1", "succeeded")
    done = h.of_payment("pay_1", "RefundSucceeded", refund_id="re_1", amount_minor=400, fact_key=fact)
    h.book(
        "refund_requested", asked, "re_1", "re_1", "pay_1", 400, ("merchant_available", None, 388),
        ("refunds_in_flight", "re_1", -400), ("fee_revenue", None, 12),
    )  # fmt: skip
    h.book(
        "refund_succeeded", done, fact, "re_1", "pay_1", 400, ("refunds_in_flight", "re_1", 400),
        ("processor_receivable", "alpha:acct:ref_1", -400),
    )  # fmt: skip
    asked = _refund(h, "re_2", "op_3", 100, 3, "FAILED")
    _operation(h, "pay_1", "op_3", "refund", 100, "REQUESTED", "SENT", "DECLINED", refund_id="re_2")
    _object(h, "pay_1", "ref_2", "refund", "failed", 100, role="seen", operation_id=None, counted=0)
    failed = h.of_payment("pay_1", "RefundFailed", refund_id="re_2", amount_minor=100, was_succeeded=False)
    legs = (("merchant_available", None, 97), ("refunds_in_flight", "re_2", -100), ("fee_revenue", None, 3))
    first = h.book("refund_requested", asked, "re_2", "re_2", "pay_1", 100, *legs)
    back = tuple((family, key, -net) for family, key, net in legs)
    h.book("refund_requested_reversed", failed, "re_2", "re_2", "pay_1", 100, *back, reverses=first)


def _stray(h: TinyHistory) -> None:
    """Money of a failed payment: disputed, won, and only then given back."""
    _payment(h, "pay_2", "FAILED", 500)
    h.walk("pay_2", "payment", "pay_2", "CREATED", "FAILED")
    _operation(h, "pay_2", "op_4", "authorize", 500, "REQUESTED", "SENT", "DECLINED", capture=True)
    _object(
        h, "pay_2", "auth_2", "authorization", "authorized", 500, role="seen", operation_id=None, counted=0
    )
    astray = {"role": "stray", "operation_id": "op_4", "counted": 0, "stray_id": "str_1"}
    _object(h, "pay_2", "cap_2", "capture", "succeeded", 500, **astray)
    fact = fact_key("cap_2", "succeeded")
    h.add(
        "payment", "strays", stray_id="str_1", payment_id="pay_2", kind="money", processor="alpha", account="acct",
        object_type="capture", object_id="cap_2", fact_key=fact, operation_id="op_4", amount_minor=500, currency="EUR",
        mismatch=False, found_at=AT, returned_minor=500, reserved_minor=0, released=False,
    )  # fmt: skip
    found = h.of_payment(
        "pay_2", "StrayFound", stray_id="str_1", kind="money", amount_minor=500, fact_key=fact
    )
    h.book(
        "stray_found", found, fact, "str_1", "pay_2", 500, ("processor_receivable", "alpha:acct:cap_2", 500),
        ("suspense", "str_1", -500),
    )  # fmt: skip
    _won_dispute_of_stray(h)
    _operation(h, "pay_2", "op_6", "stray_return", 500, "REQUESTED", "SENT", "SUCCEEDED", stray_id="str_1")
    back = {
        "role": "stray",
        "operation_id": "op_6",
        "counted": 500,
        "stray_id": "str_1",
        "parent_id": "cap_2",
    }
    _object(h, "pay_2", "ref_3", "refund", "succeeded", 500, **back)
    said = {"stray_id": "str_1", "operation_id": "op_6", "amount_minor": 500}
    asked = h.of_payment("pay_2", "StrayReturnRequested", **said)
    fact = fact_key("ref_3", "succeeded")
    done = h.of_payment("pay_2", "StrayReturnSucceeded", fact_key=fact, **said)
    h.book(
        "stray_return_requested", asked, "op_6", "str_1", "pay_2", 500, ("suspense", "str_1", 500),
        ("refunds_in_flight", "op_6", -500),
    )  # fmt: skip
    h.book(
        "stray_return_succeeded", done, fact, "str_1", "pay_2", 500, ("refunds_in_flight", "op_6", 500),
        ("processor_receivable", "alpha:acct:ref_3", -500),
    )  # fmt: skip


def _won_dispute_of_stray(h: TinyHistory) -> None:
    h.add(
        "payment", "disputes", dispute_id="dp_2", payment_id="pay_2", merchant_id=MERCHANT, mode="test",
        processor="alpha", account="acct", object_id="dsp_2", capture_id="cap_2", stray_id="str_1", status="won",
        amount_minor=500, currency="EUR", created_at=AT, updated_at=AT, withdrawn_minor=0, reinstated_minor=0,
        written_off_minor=0, fee_minor=0, implied=False,
    )  # fmt: skip
    astray = {"role": "stray", "operation_id": None, "counted": 0, "stray_id": "str_1", "parent_id": "cap_2"}
    _object(h, "pay_2", "dsp_2", "dispute", "won", 500, **astray)
    said = {"dispute_id": "dp_2", "stray_id": "str_1", "charged_to": "suspense", "amount_minor": 500}
    h.of_payment("pay_2", "DisputeOpened", stage="dispute", **said)
    h.of_payment("pay_2", "DisputeClosed", outcome="won", **said)


def _dispute(h: TinyHistory) -> None:
    """A part of pay_1 is disputed and lost; its one money row took 200."""
    h.add(
        "payment", "disputes", dispute_id="dp_1", payment_id="pay_1", merchant_id=MERCHANT, mode="test", processor="alpha", account="acct",
        object_id="dsp_1", capture_id="cap_1", status="lost", amount_minor=200, currency="EUR", created_at=AT,
        updated_at=AT, withdrawn_minor=200, reinstated_minor=0, written_off_minor=200, fee_minor=0, implied=False,
    )  # fmt: skip
    counted = {"role": "counted", "operation_id": None, "counted": 0}
    _object(h, "pay_1", "dsp_1", "dispute", "lost", 200, **counted, parent_id="cap_1")
    _object(h, "pay_1", "row_1", "money_row", "opened", 200, **counted, parent_id="dsp_1")
    taken, lost = fact_key("row_1", "opened"), fact_key("dsp_1", "lost")
    said = {"dispute_id": "dp_1", "charged_to": "merchant", "amount_minor": 200}
    withdrawn = h.of_payment("pay_1", "DisputeWithdrawn", fact_key=taken, fee_minor=0, **said)
    gone = h.of_payment("pay_1", "DisputeWrittenOff", fact_key=lost, **said)
    key = "alpha:acct:dsp_1"
    h.book(
        "dispute_withdrawn", withdrawn, taken, "dp_1", "pay_1", 200, ("disputed", key, 200),
        ("processor_receivable", key, -200), ("merchant_available", None, 200), ("merchant_held", key, -200),
    )  # fmt: skip
    h.book(
        "dispute_written_off",
        gone,
        lost,
        "dp_1",
        "pay_1",
        200,
        ("merchant_held", key, 200),
        ("disputed", key, -200),
    )


def _sale_that_failed_later(h: TinyHistory) -> None:
    """A sale whose capture succeeded and then failed: what was counted stands, and a reversal took it back."""
    _payment(h, "pay_5", "REVERSED", 300, authorized=300, captured=300, reversed=300, fee_total=3)
    h.walk("pay_5", "payment", "pay_5", "CREATED", "AUTHORIZED", "CAPTURED", "REVERSED")
    _operation(
        h, "pay_5", "op_8", "authorize", 300, "REQUESTED", "SENT", "SUCCEEDED", "FAILED_LATER", capture=True
    )
    counted = {"role": "counted", "operation_id": "op_8", "counted": 300}
    _object(h, "pay_5", "auth_5", "authorization", "authorized", 300, **counted)
    _object(h, "pay_5", "cap_5", "capture", "failed", 300, **counted)
    h.add(
        "payment", "reversals", reversal_id="rvs_1", payment_id="pay_5", processor="alpha", account="acct",
        object_id="cap_5", capture_id="cap_5", currency="EUR", cause="capture_failed", created_at=AT, updated_at=AT,
        taken_minor=300, given_back_minor=0,
    )  # fmt: skip
    h.of_payment("pay_5", "PaymentAuthorized", amount_minor=300)
    taken, failed, key = fact_key("cap_5", "succeeded"), fact_key("cap_5", "failed"), "alpha:acct:cap_5"
    captured = h.of_payment("pay_5", "PaymentCaptured", amount_minor=300, fee_minor=3, fact_key=taken)
    said = {"reversal_id": "rvs_1", "charged_to": "merchant", "amount_minor": 300, "fact_key": failed}
    gone = h.of_payment("pay_5", "ReversalReceived", **said)
    h.book(
        "capture", captured, taken, "cap_5", "pay_5", 300, ("processor_receivable", key, 300),
        ("merchant_pending", None, -297), ("fee_revenue", None, -3),
    )  # fmt: skip
    h.book(
        "reversal_received", gone, failed, "rvs_1", "pay_5", 300, ("merchant_available", None, 300),
        ("processor_receivable", key, -300),
    )  # fmt: skip


def _settled_sale(h: TinyHistory) -> None:
    """A sale whose one line came before its match, and covers it; the open keys are folded up to it."""
    _payment(h, "pay_4", "SETTLED", 800, authorized=800, captured=800, settled=800, fee_total=8)
    h.walk("pay_4", "payment", "pay_4", "CREATED", "AUTHORIZED", "CAPTURED", "SETTLED")
    _operation(h, "pay_4", "op_7", "authorize", 800, "REQUESTED", "SENT", "SUCCEEDED", capture=True)
    counted = {"role": "counted", "operation_id": "op_7", "counted": 800}
    _object(h, "pay_4", "auth_4", "authorization", "authorized", 800, **counted)
    _object(h, "pay_4", "cap_4", "capture", "succeeded", 800, **counted)
    h.rows["payment"]["processor_objects"][-1] |= {
        "settled": True,
        "times_settled": 1,
        "settled_available_on": AT,
    }
    h.add(
        "payment", "settlement_lines", source="rep", line_id="1", revision=1, match_number=1, processor="alpha",
        account="acct", category="charge", payment_id="pay_4", object_id="cap_4", gross_minor=800, currency="EUR",
        available_on=AT,
    )  # fmt: skip
    h.of_payment("pay_4", "PaymentAuthorized", amount_minor=800)
    fact, settled = fact_key("cap_4", "succeeded"), "alpha:acct:cap_4:settled:1"
    said = {
        "amount_minor": 800,
        "fee_minor": 8,
        "processor": "alpha",
        "account": "acct",
        "object_id": "cap_4",
    }
    captured = h.of_payment("pay_4", "PaymentCaptured", fact_key=fact, **said)
    available = h.of_payment("pay_4", "CaptureSettled", fact_key=settled, **said)
    key, line = "alpha:acct:cap_4", "line:rep:1"
    h.book(
        "capture", captured, fact, "cap_4", "pay_4", 800, ("processor_receivable", key, 800),
        ("merchant_pending", None, -792), ("fee_revenue", None, -8),
    )  # fmt: skip
    h.book(
        "settlement_line", "evt_line", "rep:1:1", line, "pay_4", 800, ("bank_clearing", "alpha:acct:po", 790),
        ("processor_fees", None, 10), ("processor_receivable", line, -800),
        cause_type="SettlementLineAccepted.v1",
    )  # fmt: skip
    h.add(
        "ledger", "line_matches", line_key=line, revision=1, number=1, clearing_key=key, payment_id="pay_4",
        cause_event_id="evt_match", told_at=AT,
    )  # fmt: skip
    h.book(
        "capture_settled", available, settled, settled, "pay_4", 800, ("merchant_pending", None, 792),
        ("merchant_available", None, -792),
    )  # fmt: skip
    h.add("ledger", "clearing_progress", only_row=True, folded_position=h.journals)
    nets: Counter[tuple[int, str]] = Counter()
    for entry in h.rows["ledger"]["entries"]:
        if entry["clearing_key"]:
            signed = entry["amount_minor"] if entry["side"] == "debit" else -entry["amount_minor"]
            nets[entry["account_id"], entry["clearing_key"]] += signed
    for (account_id, clearing_key), net in nets.items():
        if net:
            h.add(
                "ledger", "clearing_keys", account_id=account_id, clearing_key=clearing_key, net_minor=net, since=AT,
            )  # fmt: skip


def _sandbox(h: TinyHistory) -> None:
    things = (
        ("auth_1", "authorization", "pay_1", None, "op_1", "authorized", 1000, (1000, 0, None), (1000, 0, 0)),
        (
            "cap_1",
            "capture",
            "pay_1",
            "auth_1",
            "op_1",
            "succeeded",
            1000,
            (None, None, 400),
            (-1000, 1000, 0),
        ),
        ("ref_1", "refund", "pay_1", "cap_1", "op_2", "succeeded", 400, (None, None, None), (0, 0, 400)),
        ("ref_2", "refund", "pay_1", "cap_1", "op_3", "failed", 100, (None, None, None), (0, 0, 0)),
        ("auth_2", "authorization", "pay_2", None, "op_4", "authorized", 500, (500, 0, None), (500, 0, 0)),
        ("cap_2", "capture", "pay_2", "auth_2", "op_4", "succeeded", 500, (None, None, 500), (-500, 500, 0)),
        ("dsp_2", "dispute", "pay_2", "cap_2", "op_4", "won", 500, (None, None, None), (0, 0, 0)),
        ("ref_3", "refund", "pay_2", "cap_2", "op_6", "succeeded", 500, (None, None, None), (0, 0, 500)),
        ("auth_3", "authorization", "pay_3", None, "op_5", "authorized", 700, (0, 0, None), (700, 0, 0)),
        ("auth_4", "authorization", "pay_4", None, "op_7", "authorized", 800, (800, 0, None), (800, 0, 0)),
        ("cap_4", "capture", "pay_4", "auth_4", "op_7", "succeeded", 800, (None, None, 0), (-800, 800, 0)),
        ("auth_5", "authorization", "pay_5", None, "op_8", "authorized", 300, (300, 0, None), (300, 0, 0)),
        ("cap_5", "capture", "pay_5", "auth_5", "op_8", "failed", 300, (None, None, 0), (-300, 300, 0)),
        ("dsp_1", "dispute", "pay_1", "cap_1", "op_1", "lost", 200, (None, None, None), (0, 0, 0)),
        ("row_1", "money_row", "pay_1", "dsp_1", "op_1", "withdrawn", 200, (None, None, None), (0, 0, 0)),
    )
    claims = {
        "dsp_1": {"withdrawn_minor": 200, "reinstated_minor": 0},
        "dsp_2": {"withdrawn_minor": 0, "reinstated_minor": 0},
        "row_1": {},
    }
    for object_id, kind, payment_id, parent_id, reference, status, amount, room, moved in things:
        h.add(
            "sandbox", "alpha_objects", id=object_id, kind=kind, account="acct", payment_method="pm", currency="EUR",
            metadata={}, payment_id=payment_id, parent_id=parent_id, reference=reference, status=status,
            amount_minor=amount, captured_minor=room[0], released_minor=room[1], refunded_minor=room[2], version=1,
            revision=1, created_at=AT, updated_at=AT, claim=claims.get(object_id),
        )  # fmt: skip
        h.add(
            "sandbox", "alpha_book", kind="authorized" if kind == "authorization" else kind, object_id=object_id,
            subject_id=object_id, subject_revision=1, account="acct", reference=reference, payment_id=payment_id,
            currency="EUR", held_minor=moved[0], captured_minor=moved[1], refunded_minor=moved[2],
            withdrawn_minor=amount if kind == "money_row" else 0,
            reversed_minor=amount if status == "failed" and kind == "capture" else 0, fee_minor=0, booked_at=AT,
        )  # fmt: skip
    h.add("sandbox", "alpha_webhooks", event_id="aevt_1", state="sent", due_at=AT, attempts=1, finished_at=AT)


def _webhooks(h: TinyHistory) -> None:
    fact = fact_key("cap_1", "succeeded")
    for delivery_id, event_id, verdict in (
        ("whd_1", "aevt_1", "accepted"),
        ("whd_2", "aevt_2", "unrecognised"),
    ):
        accepted = verdict == "accepted"
        digest = "\\x" + "00" * 32
        h.add(
            "webhook_ingest", "deliveries", delivery_id=delivery_id, processor="alpha", account="acct",
            processor_event_id=event_id, verdict=verdict, reason=None if accepted else "type",
            fact_key=fact if accepted else None, signature="s", secret_fingerprint="f", body_sha256=digest,
            received_at=AT,
        )  # fmt: skip
        h.add(
            "webhook_ingest", "delivery_claims", processor="alpha", account="acct", processor_event_id=event_id,
            body_sha256=digest, times_seen=1, last_seen_at=AT,
        )  # fmt: skip
        event = "WebhookFactReceived" if accepted else "WebhookUnrecognised"
        data = (
            {"delivery_id": delivery_id, "fact": {"fact_key": fact}}
            if accepted
            else {"delivery_id": delivery_id}
        )
        h.tell("webhook_ingest", "webhook.events", "pay_1", event, cause_id=delivery_id, **data)


def _risk(h: TinyHistory) -> None:
    waited = next(row for row in h.rows["payment"]["operations"] if row["operation_id"] == "op_5")
    waited |= {"risk": "ALLOWED", "risk_by": "risk", "risk_version": 1, "risk_deadline_at": AT}
    h.add(
        "risk", "rule_sets", version=1, state="ACTIVE", document={}, based_on_version=0, proposed_by="a",
        proposed_at=AT, reason="r", approved_by="b", activated_at=AT,
    )  # fmt: skip
    asked = h.of_payment(
        "pay_3", "OperationRequested", operation_id="op_5", operation_type="authorize", amount_minor=700,
        payment_version=1, decide_by_at=AT,
    )  # fmt: skip
    said = {"operation_id": "op_5", "payment_version": 1, "rule_set_version": 1, "decision": "allow"}
    h.add(
        "risk", "decisions", decision_id="dec_1", payment_id="pay_3", merchant_id=MERCHANT, operation_type="authorize",
        amount_minor=700, currency="EUR", reasons=[], cause_event_id=asked, decided_at=AT, **said,
    )  # fmt: skip
    h.tell("risk", "risk.events", "pay_3", "RiskDecided", decision_id="dec_1", **said)


def _adjustments(h: TinyHistory) -> None:
    """One of each that clears a key, different amounts, and one taken back."""
    for number, (template, (debited, credited, key)) in enumerate(CLEARING.items(), 1):
        amount = 10 + number
        families = (debited, amount), (credited, -amount)
        keyed = {"suspense", "processor_receivable"}
        legs = tuple((family, key if family in keyed else None, net) for family, net in families)
        _adjustment(h, f"adj_{number}", template, amount, legs, key)
    goodwill = ("adjustments", None, 5), ("merchant_available", None, -5)
    position = _adjustment(h, "adj_20", "merchant_credit", 5, goodwill, None)
    back = tuple((family, key, -net) for family, key, net in goodwill)
    _adjustment(h, "adj_21", "merchant_credit", 5, back, None, reverses=("adj_20", position))


def _adjustment(
    h: TinyHistory, adjustment_id: str, template: str, amount: int, legs: tuple[tuple[str, str | None, int], ...],
    key: str | None, reverses: tuple[str, int] | None = None,
) -> int:  # fmt: skip
    original, position = reverses or (None, None)
    act = {"target": adjustment_id, "reason": "r"}
    for_merchant = any(family == "merchant_available" for family, _, _ in legs)
    filled = {"merchant_id": OWNER if for_merchant else None, "clearing_key": key}
    said = ("ledger", "ledger.events", adjustment_id, "OperatorActed")
    h.tell(*said, actor="ada", action="adjustment_proposed", **act)
    approved = h.tell(*said, actor="bob", action="adjustment_approved", **act)
    booked = h.book(
        f"adjustment:{template}" + ("_reversed" if reverses else ""), approved, original or adjustment_id,
        original or adjustment_id, None, amount, *legs, reverses=position, cause_type="OperatorActed.v1",
    )  # fmt: skip
    h.add(
        "ledger", "adjustments", adjustment_id=adjustment_id, template=template, amount_minor=amount, currency="EUR",
        parameters={name: value for name, value in filled.items() if value}, reason="r", attachment="ticket",
        reverses_adjustment_id=original, state="APPROVED", proposed_by="ada", proposed_at=AT, decided_by="bob",
        decided_at=AT, decision_reason="r", journal_id=f"jrn_{booked}",
    )  # fmt: skip
    return booked


def _brought_over(h: TinyHistory) -> None:
    """A file with two journals of another ledger, one of which left something open."""
    digest = hashlib.sha256(b"file").hexdigest()
    for action in ("import_begun", "import_finished"):
        h.tell("ledger", "ledger.events", "imp_1", "OperatorActed", actor="ada", action=action, target="imp_1",
               reason=f"sha256:{digest} moving")  # fmt: skip
    h.add(
        "ledger", "imports", import_id="imp_1", file_sha256="\\x" + digest, file_name="old.jsonl", journals=2,
        begun_by="ada", reason="moving", begun_at=AT, finished_at=AT, booked=2,
    )  # fmt: skip
    for number, (family, key) in enumerate((("fee_revenue", None), ("refunds_in_flight", "old-1"))):
        legs = ("merchant_available", None, 6), (family, key, -6)
        h.book(
            "imported",
            f"evt_old{number}",
            f"old:{number}",
            "imp_1",
            None,
            6,
            *legs,
            cause_type="JournalImported.v1",
        )


def _take_in(h: TinyHistory) -> None:
    reached: Counter[tuple[str, str, str]] = Counter()
    for row in h.records:
        topic = TOPICS[row["topic"]]
        for consumer, told in topic.consumers.items():
            h.add(
                consumer, "inbox", consumer=consumer, event_id=row["event_id"], payload_sha256=row["payload_sha256"],
                topic=topic.name, key=row["key"], stream_version=row["stream_version"], event_time=AT,
                outcome="applied" if row["event_type"] in told.handled else "ignored", received_at=AT,
            )  # fmt: skip
            if topic.versioned:
                reached[consumer, topic.name, row["key"]] += 1
    for (consumer, topic_name, key), version in reached.items():
        h.add(consumer, "inbox_versions", consumer=consumer, topic=topic_name, key=key, last_version=version)
    for (topic_name, key), version in h.versions.items():
        producer = TOPICS[topic_name].producers[0]
        h.add(producer, "outbox_streams", topic=topic_name, key=key, last_version=version)


_LEGAL = {
    "payment:CREATED": "REQUIRES_PAYMENT_METHOD AUTHORIZED FAILED CANCELED",
    "payment:REQUIRES_PAYMENT_METHOD": "AUTHORIZED FAILED CANCELED",
    "payment:AUTHORIZED": "CAPTURED CANCELED",
    "payment:CAPTURED": "SETTLED REFUNDED DISPUTED REVERSED",
    "payment:SETTLED": "CAPTURED REFUNDED DISPUTED REVERSED",
    "payment:DISPUTED": "CAPTURED SETTLED REFUNDED REVERSED",
    "payment:REFUNDED": "CAPTURED SETTLED DISPUTED REVERSED",
    "payment:REVERSED": "CAPTURED SETTLED REFUNDED DISPUTED",
    "operation:REQUESTED": "SENT ABANDONED",
    "operation:SENT": "SUCCEEDED DECLINED PENDING UNCERTAIN ABANDONED",
    "operation:PENDING": "SUCCEEDED DECLINED UNCERTAIN",
    "operation:UNCERTAIN": "SUCCEEDED DECLINED PENDING ABANDONED IN_REVIEW",
    "operation:IN_REVIEW": "SUCCEEDED DECLINED",
    "operation:SUCCEEDED": "FAILED_LATER",
    "operation:DECLINED": "SUCCEEDED",
}
