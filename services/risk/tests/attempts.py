"""Attempts for tests, each with an id of its own."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import Any

from services.risk.domain.attempts import Attempt, OperationType

START = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
MERCHANT = "mer_" + "1" * 26
OTHER_MERCHANT = "mer_" + "2" * 26
_numbers = itertools.count(1)


def attempt(**changes: Any) -> Attempt:
    number = next(_numbers)
    values: dict[str, Any] = {
        "operation_id": f"op_{number:026d}",
        "payment_id": f"pay_{number:026d}",
        "payment_version": 1,
        "merchant_id": MERCHANT,
        "operation_type": OperationType.SALE,
        "amount_minor": 1_000,
        "currency": "EUR",
        "at": START,
        "customer": "cus_1",
        "payment_method": "pm_1",
    }
    return Attempt(**(values | changes))
