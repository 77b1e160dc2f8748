"""A merchant's view for tests: the payment service's own application on a real socket and a real database."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from services.payment.app.apply_attempt_answered import ApplyAttemptAnswered, apply_attempt_answered
from services.payment.app.apply_fact import apply_fact
from services.payment.app.manage_merchants import IssuedKey
from services.payment.bootstrap import PaymentParts
from services.payment.domain.answering import Answer
from services.payment.domain.api_keys import ENTROPY_BYTES, Mode, make_api_key
from services.payment.domain.facts import Fact
from services.payment.domain.payment import Payment
from services.payment.settings import PaymentSettings
from services.payment.tests.world import authorized, captured, told
from shared.kernel.ids import UlidIds
from shared.persistence.provision import ServiceUrls
from shared.runtime.operator_tokens import new_key_pair
from shared.runtime.settings import load_settings
from shared.testing.serving import Answer as HttpAnswer
from shared.testing.serving import Served, served

PEPPER = "pepper-of-a-test"
ORDER = {"amount": 10_000, "currency": "EUR", "capture_method": "automatic", "payment_method": "pm_card_visa"}


class Shop:
    """One merchant with a test key; more can be made."""

    def __init__(self, parts: PaymentParts, server: Served, private_key: str) -> None:
        self.parts = parts
        self.server = server
        self.operator_private_key = private_key
        self.transactions = parts.common.transactions
        self._numbers = itertools.count()
        self.key = self.new_key()

    def new_key(self, mode: Mode = Mode.TEST, merchant_id: str | None = None) -> IssuedKey:
        entropy = UlidIds().new("").encode()[-ENTROPY_BYTES:]

        def work(uow: Any) -> IssuedKey:
            """As the commands do it, without an operator whose acts every test would find told."""
            owner = merchant_id or uow.ids.new("mer_")
            if merchant_id is None:
                uow.merchants.add(owner, "A shop")
            key, key_id = make_api_key(mode, entropy, PEPPER), uow.ids.new("key_")
            uow.merchants.add_key(owner, key_id, mode, key)
            return IssuedKey(key_id=key_id, merchant_id=owner, mode=mode.value, api_key=key.secret)

        return self.transactions.run(work, name="test")

    def revoke(self, key_id: str) -> None:
        assert self.transactions.run(lambda uow: uow.merchants.revoke_key(key_id, uow.now), name="test")

    def post(
        self,
        path: str,
        body: object = None,
        *,
        key: str | None = None,
        api_key: str | None = None,
        wait_s: float = 0,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """A POST with a fresh idempotency key unless one is given; answers at once unless told to wait."""
        sent = {
            "Authorization": f"Bearer {api_key or self.key.api_key}",
            "Idempotency-Key": key or f"k-{next(self._numbers)}",
            "Prefer": f"wait={wait_s}",
            **(headers or {}),
        }
        return self.server.call("POST", path, body, sent)

    def get(self, path: str, *, api_key: str | None = None) -> HttpAnswer:
        return self.server.call(
            "GET", path, headers={"Authorization": f"Bearer {api_key or self.key.api_key}"}
        )

    def create(self, **changes: Any) -> dict[str, Any]:
        reply = self.post("/payments", ORDER | changes)
        assert reply.status == 201, reply.body
        return dict(reply.document)

    def payment(self, payment_id: str) -> Payment:
        def load(uow: Any) -> Payment:
            payment: Payment = uow.payments.locked(payment_id)
            return payment

        return self.transactions.run(load, name="test")

    def tell(self, what: Fact) -> None:
        heard = replace(told(what), received_at=self.parts.common.clock.now())
        self.transactions.run(lambda uow: apply_fact(heard, uow), name="test")

    def authorize(self, payment_id: str) -> None:
        self.tell(authorized(self.payment(payment_id)))

    def captured(self, **changes: Any) -> dict[str, Any]:
        payment = self.create(**changes)
        self.authorize(payment["id"])
        self.tell(captured(self.payment(payment["id"])))
        shown = dict(self.get(f"/payments/{payment['id']}").document)
        assert shown["status"] == "CAPTURED"
        return shown

    def answer(self, payment_id: str, result: str, operation_id: str | None = None) -> None:
        """What the processor service reports of the latest operation, or of the one that is named."""
        payment = self.payment(payment_id)
        operation = payment.operations[operation_id] if operation_id else payment.latest_operation
        assert operation is not None
        answer = Answer(
            result=result,
            decline_code=None,
            error_code=None,
            message=None,
            next_check_at=None,
            mismatched=False,
        )
        command = ApplyAttemptAnswered(
            payment_id=payment_id, operation_id=operation.operation_id, cause_id=UlidIds().new("evt_"),
            answer=answer, facts=[], answered_at=self.parts.common.clock.now(),
        )  # fmt: skip
        self.transactions.run(lambda uow: apply_attempt_answered(command, uow), name="test")

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        with self.parts.common.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query), values)]

    def change(self, statement: str, **values: Any) -> None:
        """What only time, or somebody else, would have changed."""
        with self.parts.common.engine.begin() as connection:
            assert connection.execute(sa.text(statement), values).rowcount, statement

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])


@contextmanager
def open_shop(urls: ServiceUrls, **settings: str) -> Iterator[Shop]:
    signing, _ = new_key_pair()
    private, public = new_key_pair()
    environment = {
        "PAYMENT_DATABASE_URL": urls.app,
        "PAYMENT_API_KEY_PEPPER": PEPPER,
        # What waits for risk has tests of its own; here nobody would decide.
        "PAYMENT_RISK_MODE": "off",
        "PAYMENT_MERCHANT_TOKEN_PRIVATE_KEY": signing,
        "PAYMENT_OPERATOR_PUBLIC_KEY": public,
    }
    parts = PaymentParts(load_settings(PaymentSettings, environment | settings))
    try:
        with served(parts.app) as server:
            yield Shop(parts, server, private)
    finally:
        parts.close()
        parts.common.close()
