"""Operators at their API in tests, each with a token and keys of their own."""

from __future__ import annotations

import itertools

from shared.runtime.operator_tokens import OperatorRole, TokenIssuer


class Office:
    """Operators with tokens, each with keys of their own."""

    def __init__(self, server, private_key):
        self._server, self._issuer, self._numbers = server, TokenIssuer(private_key), itertools.count()

    def call(self, method, path, body=None, *, who="ada", role=OperatorRole.OPERATOR, key=None):
        headers = {
            "Authorization": f"Bearer {self._issuer.operator(who, role)}",
            "Idempotency-Key": key or f"k-{next(self._numbers)}",
        }
        return self._server.call(method, path, body, headers)

    def decide(self, break_id, step, *, who="ada", role=OperatorRole.OPERATOR, **body):
        return self.call("POST", f"/breaks/{break_id}/{step}", {"reason": "seen", **body}, who=who, role=role)
