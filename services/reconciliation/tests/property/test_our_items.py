"""Our side is a function of the set of events: their order and repeats make no difference."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from schemas import catalogue
from services.reconciliation.domain.our_items import ITEM_ROWS, Standing, fold, item_of

EXAMPLES = Path(catalogue.__file__).parent / "examples" / "payment.events"
T0 = datetime(2026, 11, 2, 9, tzinfo=UTC)
REFUND, OPERATION = "re_" + "1" * 26, "op_" + "1" * 26


def told(event_type, number=0, **changes):
    """An event as its contract's example has it, with some fields changed."""
    paths = sorted((EXAMPLES / f"{event_type}.v1").glob("*.json"))
    fields = json.loads(paths[0].read_text()) | changes
    item = item_of(event_type, fields, event_id=f"evt_{number:026d}", told_at=T0 + timedelta(seconds=number))
    assert item is not None, event_type
    return item


def whole_life():
    """One payment that everything happened to."""
    stray = {"object_id": "cap_9", "stray_id": "str_" + "9" * 26, "kind": "money"}
    return [
        told("PaymentCaptured", 1, object_id="cap_1", operation_id=OPERATION, amount_minor=10_000),
        told("StrayFound", 2, **stray, amount_minor=10_000),
        told("PaymentCaptured", 3, object_id="cap_9", amount_minor=10_000),
        told("OperationUncertain", 4, operation_id=OPERATION, direction="in", amount_minor=10_000),
        told("OperationResolved", 5, operation_id=OPERATION, direction="in", amount_minor=10_000),
        told("RefundSucceeded", 6, object_id="ref_1", refund_id=REFUND, amount_minor=4_000),
        told("RefundFailed", 7, refund_id=REFUND, was_succeeded=True, amount_minor=4_000),
        told("DisputeWithdrawn", 8, fact_key="row_1", amount_minor=6_000),
        told("DisputeReinstated", 9, fact_key="row_2", amount_minor=6_000),
        told("ReversalReceived", 10, fact_key="row_3", amount_minor=500),
        told("ReversalGivenBack", 11, fact_key="row_4", amount_minor=500),
    ]


@given(st.data())
def test_any_order_and_any_repeats_make_the_same_items(data):
    events = whole_life()
    shuffled = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events), max_size=8))))
    assert fold(shuffled) == fold(events)


def test_every_row_makes_an_item_from_its_contracts_example():
    for event_type, rows in ITEM_ROWS.items():
        for row in rows:
            changes = dict([row.when]) if row.when else {}
            item = told(event_type, **{"amount_minor": 700} | changes)
            assert item.amount_minor == row.sign * 700
            assert (item.kind, item.category, item.standing) == (row.kind, row.category, row.standing)


def test_what_comes_to_us_is_positive_and_the_whole_life_sums_up():
    items = fold(whole_life())
    expected = [item for item in items.values() if item.standing is Standing.EXPECTED]
    assert sum(item.amount_minor for item in expected) == 10_000 + 10_000
    assert len(expected) == 8


def test_a_stray_that_was_accepted_is_one_item_and_no_stray_any_more():
    items = fold(whole_life())
    assert [item.kind.value for item in items.values() if item.object_id == "cap_9"] == ["capture"]


@given(st.data())
def test_a_stray_that_was_corrected_is_expected_as_it_was_corrected(data):
    lied = "str_" + "8" * 26
    stray = {"object_id": "cap_9", "kind": "money"}
    found = [
        told("StrayFound", 1, **stray, stray_id=lied, amount_minor=9_000, currency="USD", corrects=None),
        told("StrayFound", 2, **stray, amount_minor=10_000, currency="EUR", corrects=lied),
    ]
    (item,) = fold(data.draw(st.permutations(found))).values()
    assert (item.kind.value, item.amount_minor, item.currency) == ("stray", 10_000, "EUR")
    capture = told("PaymentCaptured", 3, object_id="cap_9", amount_minor=10_000, currency="EUR")
    (item,) = fold(data.draw(st.permutations([*found, capture]))).values()
    assert (item.kind.value, item.amount_minor) == ("capture", 10_000)


def test_a_failure_is_about_the_object_of_the_refund_that_it_undoes():
    failed = told("RefundFailed", 2, refund_id=REFUND, was_succeeded=True)
    assert fold([failed])[failed.item_key].standing is Standing.WAITING
    refund = told("RefundSucceeded", 1, refund_id=REFUND, object_id="ref_1")
    completed = fold([failed, refund])[failed.item_key]
    assert (completed.standing, completed.object_id) == (Standing.EXPECTED, "ref_1")


def test_a_refund_that_never_succeeded_and_a_hold_move_nothing():
    fields = json.loads(next((EXAMPLES / "RefundFailed.v1").glob("*.json")).read_text())
    said = {"event_id": "evt_1", "told_at": T0}
    assert item_of("RefundFailed", fields | {"was_succeeded": False}, **said) is None
    stray = json.loads(next((EXAMPLES / "StrayFound.v1").glob("*.json")).read_text())
    assert item_of("StrayFound", stray | {"kind": "hold"}, **said) is None


def test_a_doubt_that_ended_stays_ended_whatever_comes_first():
    doubt = told("OperationUncertain", 1, operation_id=OPERATION, direction="out", amount_minor=300)
    end = told("OperationResolved", 2, operation_id=OPERATION, direction="out", amount_minor=300)
    for order in ([doubt, end], [end, doubt]):
        assert fold(order)[doubt.item_key].standing is Standing.ENDED
