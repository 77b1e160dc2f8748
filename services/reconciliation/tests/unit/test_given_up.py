"""What we gave up, by the contract's own events: which names, and never where the payment may go on."""

import json
from pathlib import Path

import pytest

from schemas import catalogue
from services.reconciliation.app.our_side import HEARD
from services.reconciliation.domain.given_up import GIVING_UP, GivenUp, given_up_by
from services.reconciliation.domain.lines import LineCategory

EXAMPLES = Path(catalogue.__file__).parent / "examples" / "payment.events"


def told(event_type, **changes):
    path = min((EXAMPLES / f"{event_type}.v1").glob("*.json"))
    fields = json.loads(path.read_text()) | changes
    return fields, {(each.name, each.category) for each in given_up_by(event_type, fields)}


@pytest.mark.parametrize(
    ("event_type", "changes", "names", "category"),
    [
        ("PaymentMethodDeclined", {}, ("operation_id",), LineCategory.CHARGE),
        ("PaymentFailed", {}, ("operation_id", "payment_id"), LineCategory.CHARGE),
        ("PaymentFailed", {"operation_id": None}, ("payment_id",), LineCategory.CHARGE),
        ("PaymentCanceled", {}, ("operation_id", "payment_id"), LineCategory.CHARGE),
        ("RefundFailed", {"was_succeeded": False}, ("operation_id",), LineCategory.REFUND),
        ("RefundFailed", {"was_succeeded": True}, (), LineCategory.REFUND),
        ("OperationResolved", {"outcome": "DECLINED"}, ("operation_id",), LineCategory.CHARGE),
        (
            "OperationResolved",
            {"outcome": "ABANDONED", "direction": "out"},
            ("operation_id",),
            LineCategory.REFUND,
        ),
        ("OperationResolved", {"outcome": "ABANDONED", "direction": "none"}, (), LineCategory.REFUND),
        ("OperationResolved", {"outcome": "SUCCEEDED"}, (), LineCategory.CHARGE),
        ("OperationResolved", {"outcome": "PENDING"}, (), LineCategory.CHARGE),
        ("PaymentCaptured", {}, (), LineCategory.CHARGE),
    ],
)
def test_an_event_gives_up_the_names_under_which_nothing_may_come(event_type, changes, names, category):
    fields, found = told(event_type, **changes)
    assert found == {(fields[name], category) for name in names}


def test_whatever_gives_up_is_heard_and_says_whose_it_is():
    assert GIVING_UP <= HEARD
    fields, _ = told("PaymentCanceled")
    assert GivenUp(fields["operation_id"], LineCategory.CHARGE, fields["payment_id"]) in given_up_by(
        "PaymentCanceled", fields
    )
