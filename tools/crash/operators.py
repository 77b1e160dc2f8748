"""Operators at work while processes die: POSTs sent until they are answered, and parked keys that are tried again."""

import http.client
import json
import urllib.parse
from collections.abc import Mapping
from itertools import count
from typing import Any, Final

import psycopg

from shared.runtime.operator_tokens import OperatorRole, TokenIssuer
from shared.testing.waiting import eventually
from tools.crash.stack import FragileStack

ANSWERED_S: Final = 120.0
REPLY_S: Final = 10.0
DONE: Final = frozenset({200, 201})
FED_BY: Final[Mapping[str, str]] = {
    "payment": "processor.events",
    "processor": "processor.commands",
    "ledger": "payment.events",
    "risk": "payment.events",
    "reconciliation": "payment.events",
}
"""A topic of each consumer whose keys are payments, so that a key that is held up has more to come."""
HELD_UP: Final = "what was poison is not any more"
"""Why a key is parked that we park. Nothing was poison, so that there is no dead letter of it."""
HOLD_UP: Final = f"""
INSERT INTO parked_keys (consumer, topic, key, reason, next_version, detail)
SELECT consumer, topic, key, 'poison', last_version + 1, '{HELD_UP}'
  FROM inbox_versions
 WHERE consumer = %(consumer)s AND topic = %(topic)s AND last_version > 0 AND starts_with(key, 'pay_')
 ORDER BY key DESC LIMIT 1 FOR UPDATE
ON CONFLICT DO NOTHING RETURNING key
"""
"""The newest payment is under way. Its row is locked as the consumer locks it before it reads what is parked."""
REASON: Final = "processes that die"
_numbers: Final = count(1)


class OperatorClient:
    """One operator at one service, who sends a POST again under its key until it is done."""

    def __init__(self, stack: FragileStack, service: str) -> None:
        parts = urllib.parse.urlsplit(stack.url(service))
        self._address = (parts.hostname or "", parts.port or 0)
        self._token = TokenIssuer(stack.secrets.ed25519("operator_tokens")[0]).operator(
            "crash", OperatorRole.OPERATOR, 3_600
        )

    def post(self, path: str, body: bytes, key: str) -> None:
        """Return once it was answered with success."""
        eventually(
            lambda: self._status(path, body, key) in DONE,
            timeout_s=ANSWERED_S,
            interval_s=0.2,
            describe=f"POST {path} was answered",
        )

    def _status(self, path: str, body: bytes, key: str) -> Any:
        connection = http.client.HTTPConnection(*self._address, timeout=REPLY_S)
        try:
            headers = {"Authorization": f"Bearer {self._token}", "Idempotency-Key": key}
            connection.request("POST", path, body, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


class Redrives:
    """At one service: the key of the payment under way is parked, and an operator has it tried again.

    What comes for the key meanwhile stands behind it, as it would behind a record that was poison until a deployment.
    """

    def __init__(self, stack: FragileStack, service: str) -> None:
        self._database = f"{stack.admin_url.rpartition('/')[0]}/{service}"
        self._client = OperatorClient(stack, service)
        self._consumer = service

    def send(self) -> None:
        """Hold one key up and let it go; nothing where no payment has come by yet."""
        topic = FED_BY[self._consumer]
        with psycopg.connect(self._database, autocommit=True) as connection:
            held = connection.execute(HOLD_UP, {"consumer": self._consumer, "topic": topic}).fetchone()
        if held is not None:
            body = {"topic": topic, "key": held[0], "reason": REASON}
            self._client.post(
                "/operator/parked-keys/redrive", json.dumps(body).encode(), f"{held[0]}-{next(_numbers)}"
            )
