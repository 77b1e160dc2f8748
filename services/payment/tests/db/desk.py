"""Operators at their desk: viewer, operator and two approvers, over HTTP."""

from __future__ import annotations

import itertools
from typing import Any

from services.payment.tests.db.scenes import told
from services.payment.tests.db.shop import Shop
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
from shared.testing.serving import Answer

_NUMBERS = itertools.count()


class Desk:
    """Two operators at their desk."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        issuer = TokenIssuer(shop.operator_private_key)
        self.tokens = {
            "ann": issuer.operator("ann", OperatorRole.APPROVER),
            "bob": issuer.operator("bob", OperatorRole.APPROVER),
            "olga": issuer.operator("olga", OperatorRole.OPERATOR),
            "vera": issuer.operator("vera", OperatorRole.VIEWER),
        }

    def post(self, who: str, path: str, key: str | None = None, **body: Any) -> Answer:
        headers = {
            "Authorization": f"Bearer {self.tokens[who]}",
            "Idempotency-Key": key or f"op-{next(_NUMBERS)}",
        }
        return self.shop.server.call("POST", f"/operator{path}", body, headers)

    def get(self, path: str, who: str = "vera") -> list[dict[str, Any]]:
        """The rows of a list's page."""
        return list(self.page(path, who)["data"])

    def page(self, path: str, who: str = "vera") -> dict[str, Any]:
        """A page as it is told."""
        reply = self.shop.server.call(
            "GET", f"/operator{path}", headers={"Authorization": f"Bearer {self.tokens[who]}"}
        )
        assert reply.status == 200, reply
        return dict(reply.document)

    def decided(self, path: str, **body: Any) -> Answer:
        """Proposed by Ann, approved by Bob."""
        proposed = self.post("ann", path, reason="looked at it", **body)
        assert proposed.status == 201, proposed
        return self.post("bob", f"/decisions/{proposed.document['id']}/approve", reason="agreed")

    def acts(self) -> list[tuple[str, str]]:
        return [(act["actor"], act["action"]) for act in told(self.shop, "OperatorActed.v1")]
