"""What the services have stored, read through their reader roles, and the ledger's own HTTP face."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any, Final, LiteralString, Self
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import dict_row

from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
from shared.testing.serving import Served
from shared.testing.waiting import eventually
from tools.local_stack.stack import LocalStack

Row = dict[str, Any]
MOVING_NOTHING: Final = ["LookUpOperation.v1", "OperationDecided.v1"]


class Books:
    """Read-only; one connection per database."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self._open = ExitStack()
        self._databases: dict[str, psycopg.Connection[Row]] = {}
        private, _ = stack.secrets.ed25519("operator_tokens")
        self.operator_token = TokenIssuer(private).operator("e2e", OperatorRole.VIEWER)

    def __enter__(self) -> Self:
        for service, url in self._stack.reader_urls().items():
            connection = psycopg.connect(url, autocommit=True, row_factory=dict_row)
            self._databases[service] = self._open.enter_context(connection)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def rows(self, service: str, statement: LiteralString, *values: object) -> list[Row]:
        return self._databases[service].execute(statement, values).fetchall()

    def count(self, service: str, statement: LiteralString, *values: object) -> int:
        """The single number that the statement returns."""
        (row,) = self.rows(service, statement, *values)
        (number,) = row.values()
        return int(number)

    def charges(self, payment_id: str) -> list[tuple[int, int, str]]:
        """How often each processor charged this payment, how much in all, and in which currency."""
        found = self.rows(
            "sandbox",
            "SELECT charges, captured_minor, currency FROM alpha_book_by_payment WHERE payment_id = %s"
            " UNION ALL SELECT charges, captured_minor, currency FROM beta_book_by_payment WHERE payment_id = %s",
            payment_id,
            payment_id,
        )
        return [(row["charges"], row["captured_minor"], row["currency"]) for row in found]

    def at_processors(self, payment_id: str) -> Row:
        """What the processors' books have of this payment, in one currency: captured, refunded, taken back."""
        columns = "captured_minor, refunded_minor, refunds, withdrawn_minor, reversed_minor, fee_minor"
        found = self.rows(
            "sandbox",
            f"SELECT {columns} FROM alpha_book_by_payment WHERE payment_id = %s"
            f" UNION ALL SELECT {columns} FROM beta_book_by_payment WHERE payment_id = %s",
            payment_id,
            payment_id,
        )
        (row,) = found
        return row

    def captures(self, payment_id: str) -> list[str]:
        """The processors' ids of this payment's captures."""
        return self._objects(payment_id, "capture")

    def refunds(self, payment_id: str) -> list[str]:
        """The processors' ids of this payment's refunds."""
        return self._objects(payment_id, "refund")

    def holds(self, payment_id: str) -> list[str]:
        """The processors' ids of this payment's authorizations."""
        return self._objects(payment_id, "authorization")

    def _objects(self, payment_id: str, kind: str) -> list[str]:
        found = self.rows(
            "sandbox",
            "SELECT id FROM alpha_objects WHERE kind = %s AND payment_id = %s"
            " UNION ALL SELECT id FROM beta_objects WHERE kind = %s AND payment_id = %s",
            kind,
            payment_id,
            kind,
            payment_id,
        )
        return [row["id"] for row in found]

    def answers(self, payment_id: str) -> int:
        """How many answers to this payment's disputes have reached the processors."""
        return self.count(
            "sandbox",
            "SELECT (SELECT count(*) FROM alpha_book WHERE kind = 'answered' AND payment_id = %s)"
            " + (SELECT count(*) FROM beta_book WHERE kind = 'answered' AND payment_id = %s)",
            payment_id,
            payment_id,
        )

    def commands(self, payment_id: str) -> int:
        """How many orders this payment has written, but those that certainly move nothing.

        A slow answer is looked up besides, and where a webhook was faster than the answer, its ladder is told to stop.
        """
        return self.count(
            "payment",
            "SELECT count(*) FROM outbox WHERE topic = 'processor.commands' AND key = %s AND event_type <> ALL(%s)",
            payment_id,
            MOVING_NOTHING,
        )

    def stored_of(self, merchant_id: str) -> dict[str, int]:
        """What a merchant's requests have left behind: payments, operations, keys, and events about them."""
        payments = "SELECT payment_id FROM payments WHERE merchant_id = %s"
        return {
            "payments": self.count(
                "payment", "SELECT count(*) FROM payments WHERE merchant_id = %s", merchant_id
            ),
            "keys": self.count(
                "payment", "SELECT count(*) FROM idempotency_keys WHERE owner_id = %s", merchant_id
            ),
            "operations": self.count(
                "payment", f"SELECT count(*) FROM operations WHERE payment_id IN ({payments})", merchant_id
            ),
            "events": self.count(
                "payment", f"SELECT count(*) FROM outbox WHERE key IN ({payments})", merchant_id
            ),
            "booked": self.count(
                "ledger", "SELECT count(*) FROM journals WHERE merchant_id = %s", merchant_id
            ),
        }

    def journals(self, payment_id: str, *, rule: str) -> list[Row]:
        """The payment's journals once one of this rule is booked, as an operator reads them over HTTP."""

        def look() -> list[Row]:
            data = self._ledger(f"/payments/{payment_id}/journals").get("data", [])
            return data if any(journal["rule"] == rule for journal in data) else []

        return eventually(look, timeout_s=60, describe=f"a {rule} journal of {payment_id}")

    def open_items(self, clearing_key: str) -> list[Row]:
        """What stands open under a clearing key."""
        items = self._ledger("/open-items?limit=1000")["data"]
        return [item for item in items if clearing_key in item["clearing_key"]]

    def _ledger(self, path: str) -> Row:
        address = urlsplit(self._stack.url("ledger"))
        reply = Served(address.hostname or "", address.port or 0).call(
            "GET", path, headers={"Authorization": f"Bearer {self.operator_token}"}
        )
        assert reply.status in {200, 404}, reply
        document: Row = reply.document
        return document
