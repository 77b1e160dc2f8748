"""Two services read each processor's objects, each with code of its own; these tables hold them to the same facts."""

import dataclasses

import pytest

from services.processor.domain import alpha_facts as processor_parser
from services.processor.domain import beta_facts as processor_beta
from services.processor.domain.fact import Unrecognised as ProcessorUnrecognised
from services.webhook_ingest.domain import alpha_facts as webhook_parser
from services.webhook_ingest.domain import beta_facts as webhook_beta
from services.webhook_ingest.domain.fact import Unrecognised as WebhookUnrecognised

ACCOUNT = "acct_alpha"
IDS = {
    "authorization": "auth_1",
    "capture": "cap_1",
    "refund": "ref_1",
    "dispute": "dsp_1",
    "reversal": "rvl_1",
    "money_row": "row_1",
}


def event(kind, **changes):
    made = {
        "id": IDS.get(kind, "x_1"),
        "object": kind,
        "account": ACCOUNT,
        "status": "authorized" if kind == "authorization" else "succeeded",
        "version": 1,
        "amount": 1000,
        "currency": "EUR",
        "reference": "op_01",
        "metadata": {"payment": "pay_01"},
        "created_at": "2026-01-01T00:00:00.000000Z",
        "updated_at": "2026-01-01T00:00:01.500000Z",
    }
    if kind == "capture":
        made["authorization"] = "auth_1"
    elif kind != "authorization":
        made["capture"] = "cap_1"
    return {"id": "aevt_1", "type": f"{kind}.x", "account": ACCOUNT, "data": {"object": made | changes}}


# Raw event, then the fact key both must find, or the reason both must give.
TABLE = [
    (event("authorization"), "alpha:acct_alpha:auth_1:authorized:1"),
    (
        event("authorization", status="declined", decline_code="card_declined"),
        "alpha:acct_alpha:auth_1:declined:1",
    ),
    (event("authorization", status="voided", version=2), "alpha:acct_alpha:auth_1:voided:2"),
    (event("authorization", status="expired", version=3), "alpha:acct_alpha:auth_1:expired:3"),
    (event("authorization", capture_before="2026-01-08T00:00:00Z"), "alpha:acct_alpha:auth_1:authorized:1"),
    (
        event("authorization", captures=[event("capture")["data"]["object"]]),
        "alpha:acct_alpha:auth_1:authorized:1",
    ),
    (event("capture", status="pending"), "alpha:acct_alpha:cap_1:pending:1"),
    (event("capture"), "alpha:acct_alpha:cap_1:succeeded:1"),
    (event("capture", status="failed", version=2), "alpha:acct_alpha:cap_1:failed:2"),
    (event("refund", status="pending", metadata={}), "alpha:acct_alpha:ref_1:pending:1"),
    (event("refund", metadata=None, reference=None), "alpha:acct_alpha:ref_1:succeeded:1"),
    (event("refund", version=None, amount=250), "alpha:acct_alpha:ref_1:succeeded:250"),
    (event("capture", currency="jpy", amount=0), "alpha:acct_alpha:cap_1:succeeded:1"),
    (event("capture", unknown_field={"deep": [1]}), "alpha:acct_alpha:cap_1:succeeded:1"),
    (event("capture", updated_at="2026-01-01T02:00:00+02:00"), "alpha:acct_alpha:cap_1:succeeded:1"),
    (event("dispute", status="inquiry"), "alpha:acct_alpha:dsp_1:inquiry:1"),
    (event("dispute", status="opened", version=2), "alpha:acct_alpha:dsp_1:opened:2"),
    (
        event(
            "dispute", status="lost", version=3, reason="fraudulent", evidence_due_by="2026-01-08T00:00:00Z"
        ),
        "alpha:acct_alpha:dsp_1:lost:3",
    ),
    (event("reversal"), "alpha:acct_alpha:rvl_1:succeeded:1"),
    (event("reversal", status="given_back", version=2), "alpha:acct_alpha:rvl_1:given_back:2"),
    (event("money_row", dispute="dsp_1", status="withdrawn"), "alpha:acct_alpha:row_1"),
    (event("money_row", dispute="dsp_1", status="reinstated"), "alpha:acct_alpha:row_1"),
    (event("money_row", reversal="rvl_1", dispute=None, status="taken"), "alpha:acct_alpha:row_1"),
    (event("money_row", reversal="rvl_1", status="given_back"), "alpha:acct_alpha:row_1"),
    (event("money_row"), "money_row_of_nothing"),
    (event("money_row", dispute="dsp_1", reversal="rvl_1"), "money_row_of_nothing"),
    (event("money_row", reversal="rvl_1", status="reinstated"), "status_unknown"),
    (event("money_row", dispute="dsp_1", status="opened"), "status_unknown"),
    (event("dispute", status="succeeded"), "status_unknown"),
    (event("dispute", status="opened", reason="Two words"), "alpha:acct_alpha:dsp_1:opened:1"),
    (event("dispute", status="opened", capture=None), "capture_invalid"),
    (event("capture", status="authorized"), "status_unknown"),
    (event("payout"), "object_unknown"),
    (event("capture", account="acct_other"), "account_foreign"),
    (event("capture") | {"account": "acct_other"}, "account_foreign"),
    (event("capture", amount=10.0), "amount_invalid"),
    (event("capture", amount=True), "amount_invalid"),
    (event("capture", amount=-1), "amount_invalid"),
    (event("capture", authorization=None), "authorization_invalid"),
    (event("capture", id="cap\n1"), "id_invalid"),
    (event("capture", currency="E1R"), "currency_invalid"),
    (event("capture", version="1"), "version_invalid"),
    (event("capture", created_at=None, updated_at=None), "created_at_invalid"),
    (event("capture", metadata={"payment": ""}), "payment_invalid"),
    (event("capture") | {"data": None}, "object_missing"),
    (None, "object_missing"),
]


BETA_IDS = {
    "HOLD": "bh_1",
    "CHARGE": "bc_1",
    "CREDIT": "bf_1",
    "CLAIM": "bq_1",
    "CLAWBACK": "bw_1",
    "MOVEMENT": "bm_1",
}


def notice(kind, **changes):
    made = {
        "txn_id": BETA_IDS.get(kind, "x_1"),
        "txn_type": kind,
        "merchant_code": ACCOUNT,
        "state": "APPROVED" if kind == "HOLD" else "BOOKED",
        "value": {"total": "10.00", "currency_code": "EUR"},
        "merchant_ref": "op_01",
        "order_ref": "pay_01",
        "original_txn": {"HOLD": None, "CHARGE": "bh_1"}.get(kind, "bc_1"),
        "created_ms": 1_767_225_600_000,
        "changed_ms": 1_767_225_601_500,
    }
    return {"notice_id": "bn_1", "notice_type": "X", "merchant_code": ACCOUNT, "transaction": made | changes}


def moved(state, kind="CLAIM", **changes):
    subject = {"txn_type": kind, "txn_id": BETA_IDS.get(kind, "x_1")}
    return notice("MOVEMENT", state=state, moved_for=subject, merchant_ref=None, **changes)


def value(total, code="EUR"):
    return {"total": total, "currency_code": code}


# Beta has no versions but a claim's turns: its amount tells two states with the same status apart.
BETA_TABLE = [
    (notice("HOLD"), "beta:acct_alpha:bh_1:authorized:1000"),
    (notice("HOLD", state="WAITING"), "beta:acct_alpha:bh_1:pending:1000"),
    (notice("HOLD", state="REFUSED", refusal="expired_card"), "beta:acct_alpha:bh_1:declined:1000"),
    (notice("HOLD", state="CANCELLED"), "beta:acct_alpha:bh_1:voided:1000"),
    (notice("HOLD", state="LAPSED", charge_until_ms=1_767_830_400_000), "beta:acct_alpha:bh_1:expired:1000"),
    (notice("CHARGE", state="WAITING"), "beta:acct_alpha:bc_1:pending:1000"),
    (notice("CHARGE"), "beta:acct_alpha:bc_1:succeeded:1000"),
    (notice("CHARGE", state="BOUNCED"), "beta:acct_alpha:bc_1:failed:1000"),
    (notice("CREDIT", value=value("2.5")), "beta:acct_alpha:bf_1:succeeded:250"),
    (notice("CREDIT", value=value("250", "JPY")), "beta:acct_alpha:bf_1:succeeded:250"),
    (notice("CREDIT", value=value("0.250", "KWD"), state="WAITING"), "beta:acct_alpha:bf_1:pending:250"),
    (notice("CREDIT", merchant_ref=None, order_ref=None), "beta:acct_alpha:bf_1:succeeded:1000"),
    (notice("CHARGE", unknown={"deep": [1]}), "beta:acct_alpha:bc_1:succeeded:1000"),
    (notice("CLAIM", state="ASKED", turn=1), "beta:acct_alpha:bq_1:inquiry:1"),
    (notice("CLAIM", state="RAISED", turn=2, merchant_ref=None), "beta:acct_alpha:bq_1:opened:2"),
    (notice("CLAIM", state="RAISED", turn=5, ground="NOT_RECEIVED"), "beta:acct_alpha:bq_1:opened:5"),
    (notice("CLAIM", state="ANSWERED", turn=3, ground="no word"), "beta:acct_alpha:bq_1:under_review:3"),
    (notice("CLAIM", state="CONCEDED", turn=3), "beta:acct_alpha:bq_1:accepted:3"),
    (notice("CLAIM", state="DISMISSED", turn=4), "beta:acct_alpha:bq_1:won:4"),
    (notice("CLAIM", state="UPHELD", turn=4, answer_until_ms=1), "beta:acct_alpha:bq_1:lost:4"),
    (notice("CLAWBACK", state="TAKEN"), "beta:acct_alpha:bw_1:succeeded:1000"),
    (notice("CLAWBACK", state="RETURNED", value=value("0.5")), "beta:acct_alpha:bw_1:given_back:50"),
    (moved("DEBITED"), "beta:acct_alpha:bm_1"),
    (moved("CREDITED"), "beta:acct_alpha:bm_1"),
    (moved("DEBITED", "CLAWBACK"), "beta:acct_alpha:bm_1"),
    (moved("CREDITED", "CLAWBACK"), "beta:acct_alpha:bm_1"),
    (moved("DEBITED", "CHARGE"), "state_unknown"),
    (moved("RAISED"), "state_unknown"),
    (moved("DEBITED", original_txn=None), "original_txn_invalid"),
    (moved("DEBITED", value=value("1.005")), "total_invalid"),
    (moved("DEBITED", merchant_code="acct_other"), "merchant_code_foreign"),
    (notice("MOVEMENT", state="DEBITED"), "moved_for_invalid"),
    (notice("CLAIM", state="BOOKED", turn=1), "state_unknown"),
    (notice("CLAIM", state="RAISED"), "turn_invalid"),
    (notice("CLAIM", state="RAISED", turn=True), "turn_invalid"),
    (notice("CLAIM", state="RAISED", turn=0), "turn_invalid"),
    (notice("CLAIM", state="RAISED", turn=1, original_txn=None), "original_txn_invalid"),
    (notice("CLAIM", state="RAISED", turn=1, answer_until_ms="soon"), "answer_until_ms_invalid"),
    (notice("VOUCHER"), "txn_type_unknown"),
    (notice("CHARGE", state="APPROVED"), "state_unknown"),
    (notice("CHARGE", state="DREAMT"), "state_unknown"),
    (notice("CHARGE", merchant_code="acct_other"), "merchant_code_foreign"),
    (notice("CHARGE") | {"merchant_code": "acct_other"}, "merchant_code_foreign"),
    (notice("CHARGE", value=value("10.000")), "total_invalid"),
    (notice("CHARGE", value=value(10.0)), "total_invalid"),
    (notice("CHARGE", value=value(1000)), "total_invalid"),
    (notice("CHARGE", value=value("-1.00")), "total_invalid"),
    (notice("CHARGE", value=value("10.5", "JPY")), "total_invalid"),
    (notice("CHARGE", value=value("999999999999999999")), "total_invalid"),
    (notice("CHARGE", value=value("10.00", "EU")), "currency_code_invalid"),
    (notice("CHARGE", value="10.00"), "value_invalid"),
    (notice("CHARGE", original_txn=None), "original_txn_invalid"),
    (notice("CHARGE", txn_id="b\nc"), "txn_id_invalid"),
    (notice("CHARGE", changed_ms=None), "changed_ms_invalid"),
    (notice("CHARGE", changed_ms=1.5), "changed_ms_invalid"),
    (notice("CHARGE", changed_ms=10**18), "changed_ms_invalid"),
    (notice("CHARGE", order_ref=""), "order_ref_invalid"),
    (notice("CHARGE") | {"transaction": None}, "transaction_missing"),
    (None, "notice_missing"),
]


@pytest.mark.parametrize(("raw", "expected"), BETA_TABLE)
def test_both_parsers_of_beta_find_the_same_fact_or_give_the_same_reason(raw, expected):
    found = []
    for parser, unrecognised in (
        (processor_beta, ProcessorUnrecognised),
        (webhook_beta, WebhookUnrecognised),
    ):
        try:
            found.append(dataclasses.asdict(parser.fact_of_notice(raw, account=ACCOUNT)))
        except unrecognised as refusal:
            found.append(refusal.reason)
    ours, theirs = found
    assert ours == theirs
    assert (ours["fact_key"] if isinstance(ours, dict) else ours) == expected


def read(parser, unrecognised, raw):
    try:
        return dataclasses.asdict(parser.fact_of_event(raw, account=ACCOUNT))
    except unrecognised as refusal:
        return refusal.reason


@pytest.mark.parametrize(("raw", "expected"), TABLE)
def test_both_parsers_find_the_same_fact_or_give_the_same_reason(raw, expected):
    ours = read(processor_parser, ProcessorUnrecognised, raw)
    theirs = read(webhook_parser, WebhookUnrecognised, raw)
    assert ours == theirs
    assert (ours["fact_key"] if isinstance(ours, dict) else ours) == expected


def test_a_reply_with_captures_inside_and_an_event_tell_the_same_fact():
    """The digest is over the fact, so it does not depend on where the object was shown."""
    with_captures = event("authorization", captures=[event("capture")["data"]["object"]])
    hold, capture = processor_parser.facts_of(with_captures["data"]["object"], account=ACCOUNT)
    assert hold.digest == webhook_parser.fact_of_event(event("authorization"), account=ACCOUNT).digest
    assert capture.digest == webhook_parser.fact_of_event(event("capture"), account=ACCOUNT).digest


def test_facts_fit_the_published_contract():
    from schemas.catalogue import encode
    from schemas.generated import FactObservedV1
    from services.processor.adapters.publishing import fact_event

    readers = [(raw, processor_parser.fact_of_event) for raw, _ in TABLE]
    readers += [(raw, processor_beta.fact_of_notice) for raw, _ in BETA_TABLE]
    for raw, read_fact in readers:
        try:
            fact = read_fact(raw, account=ACCOUNT)
        except ProcessorUnrecognised:
            continue
        encode("processor.events", FactObservedV1(source="feed", cursor="c", fact=fact_event(fact)))
