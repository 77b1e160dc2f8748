"""A return that two people decided at reconciliation: asked for once, by the rules for every return."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest

from schemas.generated import ObjectReportedV1, StrayReturnProposedV1
from services.payment.tests.db.scenes import astray, told
from services.payment.tests.db.shop import Shop
from services.payment.tests.db.stand import Stand
from services.payment.tests.db.test_settlement import consume
from shared.kernel.errors import Poison

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def proposed(payment_id: str, **changes: Any) -> StrayReturnProposedV1:
    said: dict[str, Any] = {
        "break_id": "brk_" + "0a" * 13, "payment_id": payment_id, "processor": "alpha", "account": "acct_alpha",
        "object_id": "cap_2", "amount_minor": 3_000, "currency": "EUR", "reason": "charged twice",
        "proposed_by": "ada", "approved_by": "bob", "approved_at": NOW,
    } | changes  # fmt: skip
    return StrayReturnProposedV1(**said)


def outcomes(shop: Shop) -> list[str]:
    rows = shop.rows("SELECT result FROM payment_notes WHERE kind = 'return_proposed' ORDER BY cause_id")
    return [row[0] for row in rows]


def answers(shop: Shop) -> list[tuple[str, str | None, str | None]]:
    said = told(shop, "StrayReturnAnswered.v1")
    return [(each["outcome"], each.get("operation_id"), each.get("reason")) for each in said]


def hear(shop: Shop, *payloads: Any) -> None:
    """In one transaction, as the consumer does."""
    run = partial(shop.transactions.run, name="test")
    consume(cast("Stand", SimpleNamespace(run=run)), *payloads)


def test_it_is_asked_for_once_however_often_it_is_told(shop: Shop) -> None:
    payment_id, stray_id = astray(shop)
    hear(shop, proposed(payment_id))
    hear(shop, proposed(payment_id))
    (asked,) = told(shop, "StrayReturnRequested.v1")
    assert (asked["stray_id"], asked["amount_minor"]) == (stray_id, 3_000)
    assert len(told(shop, "RefundPayment.v1")) == 1
    assert sorted(outcomes(shop)) == ["operation_in_doubt", "return_asked"]
    assert answers(shop) == [
        ("accepted", asked["operation_id"], None),
        ("refused", None, "operation_in_doubt"),
    ]


def test_reconciliation_is_answered_about_the_proposal_that_it_made(shop: Shop) -> None:
    payment_id, _ = astray(shop)
    hear(shop, proposed(payment_id))
    (answer,) = told(shop, "StrayReturnAnswered.v1")
    cause = shop.rows("SELECT cause_id FROM payment_notes WHERE kind = 'return_proposed'")
    assert [(answer["proposal_event_id"],)] == cause
    assert (answer["break_id"], answer["payment_id"]) == ("brk_" + "0a" * 13, payment_id)


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"amount_minor": 2_999}, "stray_differs"),
        ({"currency": "USD"}, "stray_differs"),
        ({"object_id": "cap_9"}, "stray_unknown"),
        ({"account": "acct_other"}, "stray_unknown"),
    ],
)
def test_what_is_not_what_was_approved_is_not_returned(
    shop: Shop, changes: dict[str, Any], outcome: str
) -> None:
    payment_id, _ = astray(shop)
    hear(shop, proposed(payment_id, **changes))
    assert told(shop, "StrayReturnRequested.v1") == []
    assert outcomes(shop) == [outcome]
    assert answers(shop) == [("refused", None, outcome)]


def test_one_person_alone_returns_nothing(shop: Shop) -> None:
    payment_id, _ = astray(shop)
    with pytest.raises(Poison, match="one person alone"):
        hear(shop, proposed(payment_id, approved_by="ada"))


def test_a_second_charge_that_only_a_report_shows_is_found_and_returned(shop: Shop) -> None:
    payment = shop.captured()
    operation_id = next(iter(shop.payment(payment["id"]).operations))
    hear(
        shop,
        ObjectReportedV1(
            payment_id=payment["id"], source="alpha_payouts", line_id="l2", revision=1, processor="alpha",
            account="acct_alpha", object_type="capture", object_id="cap_2", status="succeeded",
            amount_minor=payment["amount"], currency="EUR", operation_id=operation_id, effective_at=NOW,
            digest="0" * 64,
        ),
    )  # fmt: skip
    (found,) = told(shop, "StrayFound.v1")
    assert (found["object_id"], found["operation_id"]) == ("cap_2", operation_id)
    hear(shop, proposed(payment["id"], amount_minor=payment["amount"]))
    assert [asked["stray_id"] for asked in told(shop, "StrayReturnRequested.v1")] == [found["stray_id"]]
