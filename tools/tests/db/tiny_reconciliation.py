"""Scenes of the tiny history at reconciliation: what we expect, two lines and their payout, the bank, breaks, months."""

import hashlib

from tools.tests.db.tiny_rows import AT, MERCHANT, OWNED, TinyRows, fact_key

TOPIC = "reconciliation.events"
LATER = "2999-01-01T00:00:00Z"
FILE = b"what rep said"
SHA = "\\x" + hashlib.sha256(FILE).hexdigest()
PAYOUT = {"processor": "alpha", "account": "acct", "payout_id": "po"}
#: What payments moved, by the events of this history: category, what names it, payment, object, amount.
ITEMS = (
    ("charge", f"{OWNED}:cap_1", "pay_1", "cap_1", 1000),
    ("refund", f"{OWNED}:ref_1", "pay_1", "ref_1", -400),
    ("dispute", fact_key("row_1", "opened"), "pay_1", "dsp_1", -200),
    ("charge", f"{OWNED}:cap_2", "pay_2", "cap_2", 500),
    ("refund", f"{OWNED}:ref_3", "pay_2", "ref_3", -500),
    ("charge", f"{OWNED}:cap_4", "pay_4", "cap_4", 800),
    ("charge", f"{OWNED}:cap_5", "pay_5", "cap_5", 300),
    ("reversal", fact_key("cap_5", "failed"), "pay_5", "cap_5", -300),
)


def say_line(h: TinyRows, line_id: str, object_id: str | None, gross: int, fee: int) -> str:
    """A line of the one payout, accepted under its own key; the event that told it."""
    net = gross - fee
    said = {
        "category": "charge", "currency": "EUR", "gross_minor": gross, "fee_currency": "EUR", "fee_minor": fee,
        "net_currency": "EUR", "net_minor": net, "payout_id": "po",
    }  # fmt: skip
    line = {"source": "rep", "line_id": line_id, "revision": 1}
    h.add(
        "reconciliation", "settlement_lines", file_id="rpf_1", line_number=int(line_id), stands=True, withdrawn=False,
        announced=True, type_text="charge", object_id=object_id, occurred_at=AT, available_on=AT, **line, **said,
    )  # fmt: skip
    event_id = h.tell(
        "reconciliation", TOPIC, f"rep:{line_id}", "SettlementLineAccepted", processor="alpha", account="acct",
        payment_id=None, object_id=None, **line, **said,
    )  # fmt: skip
    h.add(
        "reconciliation",
        "announced_lines",
        event_key=f"rep:{line_id}",
        event_id=event_id,
        announced_at=AT,
        **line,
    )
    return event_id


def say_match(h: TinyRows, line_id: str, payment_id: str, object_id: str, gross: int) -> str:
    """The first match of that line; the event that told it."""
    line = {"source": "rep", "line_id": line_id, "revision": 1, "match_number": 1}
    about = {"payment_id": payment_id, "object_id": object_id}
    event_id = h.tell(
        "reconciliation", TOPIC, f"rep:{line_id}", "SettlementLineMatched", processor="alpha", account="acct",
        category="charge", payout_id="po", gross_minor=gross, currency="EUR", **about, **line,
    )  # fmt: skip
    h.add("reconciliation", "told_matches", rule="by_hand", event_id=event_id, told_at=AT, **about, **line)
    h.add(
        "reconciliation", "claims", match_id=f"rep:{line_id}", rule="by_hand", rule_rank=5, source="rep",
        line_id=line_id, item_key=f"charge:{OWNED}:{object_id}", run_id="run_1",
    )  # fmt: skip
    return event_id


def our_side(h: TinyRows) -> None:
    """Of which the first is late, and the rest is not due for long."""
    h.add(
        "reconciliation",
        "runs",
        run_id="run_1",
        kind="full",
        as_of=AT,
        started_by="ann",
        started_at=AT,
        result={},
    )
    for category, name, payment_id, object_id, amount in ITEMS:
        due = "2026-11-19T00:00:00Z" if object_id == "cap_1" else LATER
        h.add(
            "reconciliation", "our_items", item_key=f"{category}:{name}", kind="capture", category=category,
            standing="expected", rank=2, event_id="evt", payment_id=payment_id, merchant_id=MERCHANT,
            processor="alpha", account="acct", object_id=object_id, amount_minor=amount, currency="EUR",
            occurred_at=AT, expected_by=due, lost_by=LATER,
        )  # fmt: skip


def reports(h: TinyRows) -> None:
    """A file whose second line is nobody's, its payout, and the bank's line for it beside one for nothing."""
    h.add(
        "reconciliation", "sources", source="rep", kind="settlement", format="tieout_csv", processor="alpha",
        account="acct", options={}, declared_by="ann", declared_at=AT, changed_at=AT,
    )  # fmt: skip
    h.add(
        "reconciliation", "report_files", file_id="rpf_1", source="rep", sha256=SHA, name="rep.csv",
        byte_count=len(FILE), state="STAGED", received_at=AT, received_by="ann", closed_at=AT, line_count=2,
        quarantined_count=0, staged_nth=1, read_format="tieout_csv", read_options={},
    )  # fmt: skip
    for number, part in enumerate((FILE[:5], FILE[5:])):
        h.add(
            "reconciliation",
            "report_file_chunks",
            file_id="rpf_1",
            chunk_number=number,
            content=f"\\x{part.hex()}",
        )
    cause = say_line(h, "2", "cap_x", 50, 0)
    legs = ("bank_clearing", f"{OWNED}:po", 50), ("processor_receivable", "line:rep:2", -50)
    h.book(
        "settlement_line",
        cause,
        "rep:2:1",
        "line:rep:2",
        None,
        50,
        *legs,
        cause_type="SettlementLineAccepted.v1",
    )
    h.add(
        "reconciliation", "payouts", currency="EUR", source="rep", lines_net_minor=840, line_count=2, closed_at=AT,
        **PAYOUT,
    )  # fmt: skip
    for line_id, amount in (("1", 840), ("2", 5)):
        h.add(
            "reconciliation", "bank_lines", source="bnk", line_id=line_id, revision=1, file_id="rpf_2", stands=True,
            line_number=int(line_id), withdrawn=False, statement_id="s", account_number="n", currency="EUR",
            amount_minor=amount, booked_on="2026-11-20", value_on="2026-11-20", references=[], text="",
            returned=False,
        )  # fmt: skip
    credit = {"source": "bnk", "line_id": "1", "allocation_number": 1, "amount_minor": 840, "currency": "EUR"}
    cause = h.tell("reconciliation", TOPIC, f"{OWNED}:po", "BankCreditAllocated", **PAYOUT, **credit)
    h.add(
        "reconciliation", "payout_allocations", returned=False, rule="reference", run_id="run_1", event_id=cause,
        allocated_at=AT, **PAYOUT, **credit,
    )  # fmt: skip
    fact = f"bnk:1:{OWNED}:po:1"
    legs = ("bank_cash", None, 840), ("bank_clearing", f"{OWNED}:po", -840)
    h.book("bank_credit", cause, fact, fact, None, 840, *legs, cause_type="BankCreditAllocated.v1")


def breaks(h: TinyRows) -> None:
    """One stands open; one was given back and one adjusted, each as two people resolved it; and a tolerance."""
    _break(h, "brk_1", "item:" + f"charge:{OWNED}:cap_1", "settlement_delay", 1000, 0)
    _break(h, "brk_2", "line:rep:2", "duplicate_charge", 0, 50, resolution="stray_return")
    _break(h, "brk_3", "bank:bnk:2", "unexpected_in_bank", 0, 5, resolution="adjustment")
    line = {"source": "rep", "line_id": "2", "revision": 1}
    about = {"processor": "alpha", "account": "acct", "object_id": "cap_x", "payment_id": "pay_1"}
    money = {"amount_minor": 50, "currency": "EUR"}
    told = h.tell("reconciliation", TOPIC, "pay_1", "ObjectReported", **line, **about, **money)
    h.add("reconciliation", "told_objects", category="charge", event_id=told, told_at=AT, **line, **about)
    by = {"proposed_by": "ann", "approved_by": "bob"}
    told = h.tell(
        "reconciliation", TOPIC, "pay_1", "StrayReturnProposed", break_id="brk_2", **about, **money, **by
    )
    h.add(
        "reconciliation", "told_returns", event_id=told, break_id="brk_2", payment_id="pay_1", object_id="cap_x",
        told_at=AT, **money, **by,
    )  # fmt: skip
    money = {"amount_minor": 5, "currency": "EUR"}
    told = h.tell("reconciliation", TOPIC, "brk_3", "AdjustmentProposed", break_id="brk_3", **money, **by)
    h.add(
        "reconciliation", "break_adjustments", break_id="brk_3", proposed_at=AT, proposed_by="ann", template="t",
        parameters={}, **money,
    )  # fmt: skip
    h.add(
        "reconciliation", "told_adjustments", event_id=told, break_id="brk_3", proposed_at=AT, approved_by="bob",
        told_at=AT,
    )  # fmt: skip
    term = "trm_" + "0" * 26
    h.add(
        "reconciliation", "terms", term_id=term, kind="tolerance", valid_from=AT, ended=False, source="rep",
        currency="EUR", field="gross", tolerance_minor=1, state="APPROVED", reason="r", proposed_by="ann",
        proposed_at=AT, decided_by="bob", decided_at=AT, decision_reason="r",
    )  # fmt: skip
    _acts(h, term, "term_proposed", "term_approved")
    _matched_by_hand(h, "1", f"charge:{OWNED}:cap_4", 800)


def _matched_by_hand(h: TinyRows, line_id: str, item_key: str, amount: int) -> None:
    """As two people agreed the match that was told."""
    named = "hnd_" + "0" * 26
    h.add(
        "reconciliation", "hand_matches", hand_match_id=named, source="rep", currency="EUR", ours_minor=amount,
        theirs_minor=amount, state="APPROVED", reason="r", proposed_by="ann", proposed_at=AT, approved_by="bob",
    )  # fmt: skip
    h.add(
        "reconciliation", "hand_match_lines", hand_match_id=named, source="rep", line_id=line_id, revision=1, holds=True,
    )  # fmt: skip
    h.add(
        "reconciliation", "hand_match_items", hand_match_id=named, item_key=item_key, event_id="evt", holds=True,
    )  # fmt: skip
    _acts(h, named, "hand_match_proposed", "hand_match_approved")


def _acts(h: TinyRows, target: str, proposed: str, decided: str) -> None:
    for actor, action in (("ann", proposed), ("bob", decided)):
        h.tell(
            "reconciliation",
            TOPIC,
            target,
            "OperatorActed",
            actor=actor,
            action=action,
            target=target,
            reason="r",
        )


def _break(
    h: TinyRows,
    break_id: str,
    subject: str,
    kind: str,
    ours: int,
    theirs: int,
    *,
    resolution: str | None = None,
) -> None:
    money = {"type": kind, "currency": "EUR", "ours_minor": ours, "theirs_minor": theirs}
    money["at_risk_minor"] = abs(ours - theirs)
    states = ("OPEN",) if resolution is None else ("OPEN", "PROPOSED", "APPLYING")
    people = {"proposed_by": "ann", "approved_by": "bob", "resolution": resolution} if resolution else {}
    h.add(
        "reconciliation", "breaks", break_id=break_id, subject=subject, state=states[-1], since=AT, opened_at=AT,
        changed_at=AT, **money, **people,
    )  # fmt: skip
    for former, state in zip((None, *states), states, strict=False):
        by = {"run_id": "run_1"} if former is None else {"actor": "ann" if former == "OPEN" else "bob"}
        h.add(
            "reconciliation", "break_history", break_id=break_id, trigger="t", from_state=former, to_state=state,
            at=AT, **money, **by,
        )  # fmt: skip
    if resolution:
        _acts(h, break_id, "break_resolution_proposed", "break_resolution_asked")


def closed_months(h: TinyRows) -> None:
    """Two, of which the second takes over what the first left."""
    months = (
        ("2026-08", "2026-08-01T00:00:00Z", "2026-09-01T00:00:00Z"),
        ("2026-09", "2026-09-01T00:00:00Z", "2026-10-01T00:00:00Z"),
    )
    place = {"leg": "processor", "account": OWNED, "currency": "EUR"}
    for period, starts_at, ends_at in months:
        first, close_id = period == "2026-08", f"cls_{period}"
        said = {"period": period, "close_id": close_id, "digest": SHA}
        h.add(
            "reconciliation", "period_closes", reason="r", state="APPROVED", proposed_by="ann", proposed_at=AT,
            decided_by="bob", decided_at=AT, decision_reason="r", **said,
        )  # fmt: skip
        h.add(
            "reconciliation", "closed_periods", starts_at=starts_at, ends_at=ends_at, run_id="run_1", rules={},
            rules_version="v", closed_at=AT, keeps_days=True, **said,
        )  # fmt: skip
        h.add(
            "reconciliation", "period_rolls", period=period, opening_minor=0 if first else 6, closing_minor=6,
            ours_minor=10 if first else 0, theirs_minor=4 if first else 0, timing_minor=6, broken_minor=0,
            accepted_minor=0, **place,
        )  # fmt: skip
        h.add(
            "reconciliation", "period_positions", period=period, subject="item:x", band="timing", named_by="not_due",
            ours_minor=10, theirs_minor=4, since=AT, **place,
        )  # fmt: skip
        _acts(h, close_id, "period_close_proposed", "period_closed")
    _days_of_a_month(h, "2026-08")
    h.add(
        "reconciliation", "period_files", period="2026-08", file_id="rpf_1", nth=1, source="rep", sha256=SHA
    )


def _days_of_a_month(h: TinyRows, period: str) -> None:
    """One sale and a lone line on one day; a payout on the next of which the bank has not all."""
    item = next(dict(row) for row in h.rows["reconciliation"]["our_items"])
    h.add(
        "reconciliation", "period_items", **{**item, "period": period, "occurred_at": f"{period}-03T10:00:00Z"}
    )  # fmt: skip
    h.add(
        "reconciliation", "period_days", period=period, day=f"{period}-03", currency="EUR", matched_minor=400,
        timing_minor=600, broken_minor=50, accepted_minor=0, lines_minor=50,
    )  # fmt: skip
    h.add(
        "reconciliation", "period_rolls", period=period, leg="payout", account=OWNED, currency="EUR",
        opening_minor=0, ours_minor=90, theirs_minor=90, closing_minor=0, timing_minor=0, broken_minor=0,
        accepted_minor=0,
    )  # fmt: skip
    h.add(
        "reconciliation", "period_explained", period=period, day=f"{period}-04", currency="EUR", payouts=1,
        charges_minor=100, refunds_minor=0, disputes_minor=0, reversals_minor=0, reserves_minor=0,
        adjustments_minor=0, fees_minor=10, exchanged_minor=0, net_minor=90, unread_minor=0, bank_credit_minor=80,
        unexplained_minor=0, residue_minor=10, unallocated_minor=0,
        named_by=[{"type": "missing_in_bank", "breaks": 1, "minor": 10}], unnamed_minor=0,
    )  # fmt: skip


def hear_journals(h: TinyRows) -> None:
    for row in h.rows["ledger"]["journals"]:
        names = (
            "journal_id",
            "rule",
            "fact_key",
            "cause_event_id",
            "cause_event_type",
            "currency",
            "amount_minor",
        )
        h.add(
            "reconciliation",
            "journal_facts",
            effective_at=AT,
            told_at=AT,
            **{name: row[name] for name in names},
        )
