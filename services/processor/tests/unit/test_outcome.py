"""What answers prove, and what echoes say."""

from datetime import UTC, datetime

import pytest

from services.processor.domain.fact import Fact, Unrecognised
from services.processor.domain.operation import Operation, echo_mismatch
from services.processor.domain.outcome import FAILURES, Failure, Result, result_of
from services.processor.domain.policy import Policy


def fact(**changes):
    values = {
        "processor": "alpha",
        "account": "acct",
        "object_type": "capture",
        "object_id": "cap_1",
        "status": "succeeded",
        "object_version": 1,
        "reference": "op_1",
        "payment_id": "pay_1",
        "parent_type": "authorization",
        "parent_id": "auth_1",
        "amount_minor": 100,
        "currency": "EUR",
        "decline_code": None,
        "capture_before": None,
        "occurred_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return Fact(**values | changes)


CAPTURE = Operation(
    operation_id="op_1", payment_id="pay_1", kind="capture", processor="alpha", account="acct",
    amount_minor=100, currency="EUR", authorization_id="auth_1",
)  # fmt: skip


def test_every_failure_is_classified_and_only_those_before_anything_was_written_prove_not_sent():
    assert FAILURES.keys() == set(Failure)
    not_sent = {failure for failure, result in FAILURES.items() if result is Result.NOT_SENT}
    assert not_sent == {Failure.RESOLVE, Failure.CONNECT, Failure.TLS, Failure.POOL, Failure.LATE}


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, ()),
        ({"amount_minor": 99}, ("amount",)),
        ({"currency": "USD"}, ("currency",)),
        ({"reference": "op_2"}, ("reference",)),
        ({"reference": None}, ("reference",)),
        ({"payment_id": "pay_2"}, ("reference",)),
        ({"parent_id": "auth_2"}, ("reference",)),
        ({"amount_minor": 1, "currency": "USD", "reference": "x"}, ("amount", "currency", "reference")),
    ],
)
def test_the_echo_is_compared_with_what_was_asked(changes, wrong):
    assert echo_mismatch(CAPTURE, (fact(**changes),)) == wrong


def test_a_cancel_compares_only_whose_hold_it_was():
    cancel = Operation(
        operation_id="op_9", payment_id="pay_1", kind="cancel", processor="alpha", account="acct",
        authorization_id="auth_1",
    )  # fmt: skip
    hold = fact(
        object_type="authorization", object_id="auth_1", status="voided", parent_type=None, parent_id=None
    )
    assert echo_mismatch(cancel, (hold,)) == ()
    other = fact(
        object_type="authorization", object_id="auth_2", status="voided", parent_type=None, parent_id=None
    )
    assert echo_mismatch(cancel, (other,)) == ("reference",)


def test_a_sale_is_decided_by_its_capture():
    hold = fact(
        object_type="authorization", object_id="auth_1", status="authorized", parent_type=None, parent_id=None
    )
    assert result_of("authorize", (hold,)) is Result.DONE
    assert result_of("authorize", (hold,), sale=True) is Result.ACCEPTED
    assert result_of("authorize", (hold, fact()), sale=True) is Result.DONE
    assert result_of("authorize", (hold, fact(status="declined")), sale=True) is Result.DECLINED
    assert result_of("authorize", (hold, fact(status="failed")), sale=True) is Result.DONE, "it came and went"


def test_no_facts_prove_nothing():
    assert result_of("capture", ()) is Result.UNKNOWN
    assert result_of("cancel", (fact(object_type="authorization", status="authorized"),)) is Result.UNKNOWN


def test_a_status_that_the_object_cannot_have_is_no_fact():
    with pytest.raises(Unrecognised):
        fact(status="authorized")


def test_the_fact_key_takes_the_version_or_else_the_amount():
    assert fact().fact_key == "alpha:acct:cap_1:succeeded:1"
    assert fact(object_version=None).fact_key == "alpha:acct:cap_1:succeeded:100"


def test_the_back_off_grows_and_is_capped():
    policy = Policy(keys_live_s=0, backoff_base_s=0.5, backoff_cap_s=60)
    assert [policy.backoff_ceiling_s(n) for n in (1, 2, 3, 50, 10_000)] == [0.5, 1.0, 2.0, 60, 60]
