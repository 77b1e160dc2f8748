"""Operators at the running stack: what they see, and what two of them decide."""

from __future__ import annotations

from typing import Any

from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
from shared.testing.serving import Answer
from tests.e2e.shop import Shop, new_key
from tools.local_stack.stack import LocalStack


class Desk:
    """Ann proposes, Bob approves."""

    def __init__(self, stack: LocalStack, shop: Shop) -> None:
        issuer = TokenIssuer(stack.secrets.ed25519("operator_tokens")[0])
        self._server = shop.server
        self._tokens = {who: issuer.operator(who, OperatorRole.APPROVER) for who in ("ann", "bob")}

    def get(self, path: str) -> list[dict[str, Any]]:
        headers = {"Authorization": f"Bearer {self._tokens['ann']}"}
        reply = self._server.call("GET", f"/operator{path}", headers=headers)
        assert reply.status == 200, reply
        return list(reply.document["data"])

    def post(self, who: str, path: str, **body: str) -> Answer:
        headers = {"Authorization": f"Bearer {self._tokens[who]}", "Idempotency-Key": new_key()}
        return self._server.call("POST", f"/operator{path}", body, headers)

    def decide(self, path: str, **body: str) -> None:
        proposed = self.post("ann", path, reason="seen at the processor", **body)
        assert proposed.status == 201, proposed
        approved = self.post("bob", f"/decisions/{proposed.document['id']}/approve", reason="agreed")
        assert approved.status == 200, approved

    def of(self, what: str, payment_id: str) -> list[dict[str, Any]]:
        return [row for row in self.get(f"/{what}?limit=1000") if row["payment_id"] == payment_id]
