"""Routing rules by the operator API: who may set them, what is refused, and that they hold and are announced."""

from __future__ import annotations

import pytest

from services.payment.tests.db.desk import Desk
from services.payment.tests.db.scenes import told
from services.payment.tests.db.shop import Shop
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer


@pytest.fixture
def desk(shop: Shop) -> Desk:
    desk = Desk(shop)
    desk.tokens["root"] = TokenIssuer(shop.operator_private_key).operator("root", OperatorRole.ADMIN)
    return desk


def test_a_rule_is_set_once_per_key_shown_and_announced(desk: Desk) -> None:
    wish = {"processor": "alpha", "currency": "eur", "reason": "cheaper there"}
    first, again = desk.post("root", "/routes", "k-1", **wish), desk.post("root", "/routes", "k-1", **wish)
    assert (first.status, again.status, again.body) == (201, 201, first.body)
    assert (first.document["processor"], first.document["currency"], first.document["merchant"]) == (
        "alpha", "EUR", None,
    )  # fmt: skip
    assert [rule["set_by"] for rule in desk.get("/routes")] == ["root"]
    acts = told(desk.shop, "OperatorActed.v1")
    assert [(act["actor"], act["action"], act["target"]) for act in acts] == [
        ("root", "set_route", "route:all merchants:EUR")
    ]
    assert desk.post("root", "/routes", processor=None, currency="EUR", reason="over").status == 201
    assert desk.get("/routes") == []


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"processor": "gamma", "reason": "r"}, "processor"),
        ({"processor": "alpha"}, "reason"),
        ({"reason": "r"}, "processor"),
        ({"processor": "alpha", "reason": "r", "currency": "ABC"}, "currency"),
        ({"processor": "alpha", "reason": "r", "merchant": "shop"}, "merchant"),
    ],
)
def test_an_unfit_rule_is_refused_and_its_field_named(desk: Desk, body: dict[str, str], param: str) -> None:
    refused = desk.post("root", "/routes", **body)
    assert refused.status in {400, 422}
    assert refused.document["param"] == param
    assert desk.get("/routes") == []


def test_a_merchant_that_nobody_knows_is_refused(desk: Desk) -> None:
    refused = desk.post("root", "/routes", processor="alpha", reason="r", merchant="mer_" + "0" * 26)
    assert (refused.status, refused.code) == (404, "merchant_not_found")


@pytest.mark.parametrize("who", ["vera", "olga", "ann"])
def test_only_an_admin_moves_everybodys_payments(desk: Desk, who: str) -> None:
    assert desk.post(who, "/routes", processor="alpha", reason="r").status == 403
