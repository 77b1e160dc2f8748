"""A process that cannot follow a routing rule does not take payments, and says in one line which rule and what to do."""

from __future__ import annotations

import pytest

from services.payment.adapters.route_check import refuse_routes_elsewhere
from services.payment.tests.db.desk import Desk
from services.payment.tests.db.shop import Shop
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
from shared.runtime.startup import StartupRefused

BOTH = ("alpha", "beta")
A_RULE_FOR_BETA = """
INSERT INTO routes (merchant_id, currency, processor, reason, set_by, valid_from)
VALUES ('', 'USD', 'beta', 'cheaper there', 'root', now() - interval '1 day')
"""


@pytest.fixture
def desk(shop: Shop) -> Desk:
    desk = Desk(shop)
    desk.tokens["root"] = TokenIssuer(shop.operator_private_key).operator("root", OperatorRole.ADMIN)
    return desk


def test_a_rule_for_a_processor_that_is_not_configured_here_is_told_at_the_start(desk: Desk) -> None:
    engine = desk.shop.parts.common.engine
    refuse_routes_elsewhere(engine, ("alpha",))
    with engine.begin() as connection:
        connection.exec_driver_sql(A_RULE_FOR_BETA)
    refuse_routes_elsewhere(engine, BOTH)
    with pytest.raises(StartupRefused) as refused:
        refuse_routes_elsewhere(engine, ("alpha",))
    (line,) = refused.value.lines
    assert line.startswith(
        "routes: payments of every merchant in USD go to beta, which is not configured here;"
    )
    assert desk.post("root", "/routes", processor=None, currency="USD", reason="no beta here").status == 201
    refuse_routes_elsewhere(engine, ("alpha",))


def test_only_whoever_takes_payments_looks_at_the_rules(shop: Shop) -> None:
    check = shop.parts.route_check()
    assert (check.name, check.concerns(frozenset({"serve"}))) == ("routes", True)
    assert not check.concerns(frozenset({"work", "consume", "relay"}))
    with shop.parts.common.engine.begin() as connection:
        connection.exec_driver_sql(A_RULE_FOR_BETA.replace("beta", "gamma"))
    with pytest.raises(StartupRefused, match="gamma"):
        check.check()
