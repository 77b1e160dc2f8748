"""Repository of routing rules, and the one statement that finds a new payment's terms: its price and its route."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from services.payment.app.manage_routes import RouteRule
from services.payment.app.ports import Terms
from services.payment.domain.pricing import FREE, Price, RefundPolicy
from shared.persistence.statements import execute
from shared.persistence.wire_statements import Answer

# The newest rule of each pair first, then the most special pair that has not been taken back.
_ROUTE: Final = """
SELECT newest.processor FROM (
    SELECT DISTINCT ON (merchant_id, currency) merchant_id, currency, processor FROM routes
     WHERE merchant_id IN (%(merchant_id)s, '') AND currency IN (%(currency)s, '') AND valid_from <= %(at)s
     ORDER BY merchant_id, currency, valid_from DESC, route_id DESC) AS newest
 WHERE newest.processor IS NOT NULL
 ORDER BY newest.merchant_id <> '' DESC, newest.currency <> '' DESC LIMIT 1
"""
_PRICE: Final = """
SELECT percent_ppm, fixed_minor, refund_policy, dispute_fee_minor FROM prices
 WHERE merchant_id = %(merchant_id)s AND currency = %(currency)s AND valid_from <= %(at)s
 ORDER BY valid_from DESC LIMIT 1
"""
TERMS: Final = f"""
SELECT p.percent_ppm, p.fixed_minor, p.refund_policy, p.dispute_fee_minor, ({_ROUTE})
  FROM (SELECT 1) AS always LEFT JOIN LATERAL ({_PRICE}) AS p ON true
"""
_CURRENT: Final = """
SELECT * FROM (
    SELECT DISTINCT ON (merchant_id, currency) merchant_id, currency, processor, reason, set_by, valid_from
      FROM routes ORDER BY merchant_id, currency, valid_from DESC, route_id DESC) AS newest
 WHERE processor IS NOT NULL ORDER BY merchant_id <> '' DESC, currency <> '' DESC, merchant_id, currency
"""
_ADD: Final = """
INSERT INTO routes (merchant_id, currency, processor, reason, set_by, valid_from)
VALUES (%(merchant_id)s, %(currency)s, %(processor)s, %(reason)s, %(set_by)s, %(valid_from)s)
"""


def find_terms(connection: sa.Connection, merchant_id: str, currency: str, at: datetime) -> Terms:
    """The price and the route that hold for a merchant's payments in a currency, in one round trip."""
    values = {"merchant_id": merchant_id, "currency": currency, "at": at}
    return terms_of(execute(connection, TERMS, values))


def terms_of(answer: Answer) -> Terms:
    """The one row of ``TERMS``; no price agreed means free."""
    ((percent_ppm, fixed_minor, refund_policy, dispute_fee_minor, processor),) = answer.rows
    price = (
        FREE
        if refund_policy is None
        else Price(
            percent_ppm=int(percent_ppm or 0),
            fixed_minor=int(fixed_minor or 0),
            refund_policy=RefundPolicy(str(refund_policy)),
            dispute_fee_minor=int(dispute_fee_minor or 0),
        )
    )
    return Terms(price=price, processor=None if processor is None else str(processor))


class StoredRoutes:
    """The rules of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, rule: RouteRule) -> None:
        """Add a rule; the older ones stay as they are."""
        self._connection.exec_driver_sql(_ADD, asdict(rule))

    def current(self) -> Sequence[RouteRule]:
        """The rules that hold now, the most special first."""
        return [RouteRule(**row) for row in self._connection.exec_driver_sql(_CURRENT).mappings()]
