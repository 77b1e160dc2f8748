"""Scenes of the tiny history around its payments: the processor's book, webhooks, risk, manual journals, imports, inboxes."""

import hashlib
import struct
from collections import Counter
from datetime import datetime

from schemas.catalogue import TOPICS
from tools.tests.db.tiny_rows import AT, CLEARING, MERCHANT, OWNER, TinyRows, fact_key

AT_US = int(datetime.fromisoformat(AT).timestamp()) * 1_000_000

#: What the sandbox's book calls it that an object came into being.
BOOKED_AS = {"authorization": "authorized", "capture": "captured", "refund": "refunded"}


def sandbox_book(h: TinyRows) -> None:
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
        ("auth_4", "authorization", "pay_4", None, "op_7", "authorized", 900, (800, 100, None), (900, 0, 0)),
        ("cap_4", "capture", "pay_4", "auth_4", "op_7", "succeeded", 800, (None, None, 0), (-900, 800, 0)),
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
            "sandbox", "alpha_book", kind=BOOKED_AS.get(kind, kind), object_id=object_id, sent_under=reference,
            subject_id=object_id, subject_revision=1, account="acct", reference=reference, payment_id=payment_id,
            currency="EUR", held_minor=moved[0], captured_minor=moved[1], refunded_minor=moved[2],
            withdrawn_minor=amount if kind == "money_row" else 0,
            reversed_minor=amount if status == "failed" and kind == "capture" else 0, fee_minor=0, booked_at=AT,
        )  # fmt: skip
    h.add("sandbox", "alpha_webhooks", event_id="aevt_1", state="sent", due_at=AT, attempts=1, finished_at=AT)


def webhooks(h: TinyRows) -> None:
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


def risk_decisions(h: TinyRows) -> None:
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


def adjustments(h: TinyRows) -> None:
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
    h: TinyRows, adjustment_id: str, template: str, amount: int, legs: tuple[tuple[str, str | None, int], ...],
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


def sealed(h: TinyRows) -> None:
    """The chain's first two seals, a head that names the second, and the balance of an account up to it."""
    ends = [row for row in h.rows["ledger"]["journals"] if row["subject"] == "adj_20"]
    before = bytes(32)
    for position, journal in enumerate(ends, 1):
        digest = hashlib.sha256(journal["journal_id"].encode()).digest()
        numbers = struct.pack(">hqqq", 0, position, journal["position"], AT_US)
        before = hashlib.sha256(b"tieout-seal-1" + numbers + before + digest).digest()
        h.add(
            "ledger", "seals", shard=0, position=position, journal_position=journal["position"], sealed_at=AT,
            digest="\\x" + digest.hex(), hash="\\x" + before.hex(),
        )  # fmt: skip
    h.add(
        "ledger", "seal_heads", shard=0, position=len(ends), journal_id=ends[-1]["journal_id"], hash=before.hex(),
        settled_position=0, signed_at=AT, key_id="k", signature="0" * 128,
    )  # fmt: skip
    h.add("ledger", "seal_shards", shard=0, settled_position=0)
    h.add(
        "ledger", "account_snapshots", account_id=h.accounts["adjustments", "EUR"], shard=0, position=len(ends),
        settled_position=0, reached_position=1, effective_at_max=AT, entries=2, debit_minor=5, credit_minor=5,
    )  # fmt: skip


def brought_over(h: TinyRows) -> None:
    """A file with two journals of another ledger, one of which left something open."""
    digest = hashlib.sha256(b"file").hexdigest()
    for actor, action in (("ada", "proposed"), ("bob", "approved"), ("ada", "begun"), ("ada", "finished")):
        h.tell("ledger", "ledger.events", "imp_1", "OperatorActed", actor=actor, action=f"import_{action}",
               target="imp_1", reason=f"sha256:{digest} moving")  # fmt: skip
    h.add(
        "ledger", "import_proposals", import_id="imp_1", file_sha256="\\x" + digest, file_name="old.jsonl", lines=2,
        journals=2, totals={"EUR": 12}, reason="moving", state="APPROVED", proposed_by="ada", proposed_at=AT,
        decided_by="bob", decided_at=AT, decision_reason="seen",
    )  # fmt: skip
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


def take_in(h: TinyRows) -> None:
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
