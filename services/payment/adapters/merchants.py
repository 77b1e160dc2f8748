"""Repository of merchants, keys and prices, and the lookup of a key that every request makes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from services.payment.app.merchant_ports import KeyView
from services.payment.domain.api_keys import ApiKey, Mode, digest_of
from services.payment.domain.pricing import Price
from shared.persistence.idempotency import CallerChanged, Principal
from shared.persistence.statements import ask_later, execute, execute_alone
from shared.persistence.wire_statements import Answer

_FIND: Final = "SELECT merchant_id, mode FROM api_keys WHERE key_hash = %(digest)s AND revoked_at IS NULL"
_ADD_KEY: Final = """
INSERT INTO api_keys (key_id, merchant_id, mode, key_hash, prefix, last4)
VALUES (%(key_id)s, %(merchant_id)s, %(mode)s, %(digest)s, %(prefix)s, %(last4)s)
"""
_KEYS: Final = """
SELECT key_id, mode, prefix, last4, created_at, revoked_at FROM api_keys
 WHERE merchant_id = %(merchant_id)s ORDER BY key_id
"""
_REVOKE: Final = "UPDATE api_keys SET revoked_at = coalesce(revoked_at, %(now)s) WHERE key_id = %(key_id)s"
_ADD_PRICES: Final = """
INSERT INTO prices
    (merchant_id, currency, percent_ppm, fixed_minor, refund_policy, dispute_fee_minor, valid_from)
SELECT %(merchant_id)s, unnest(%(currencies)s::text[]), %(percent_ppm)s, %(fixed_minor)s, %(policy)s,
       %(dispute_fee_minor)s, %(now)s
"""

GUESSES_MAX: Final = 10_000
"""Keys remembered by one process: a few hundred bytes each."""


class StoredMerchants:
    """Merchants of one transaction."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def add(self, merchant_id: str, name: str) -> None:
        """Take in a merchant."""
        self._connection.exec_driver_sql(
            "INSERT INTO merchants (merchant_id, name) VALUES (%(id)s, %(name)s)",
            {"id": merchant_id, "name": name},
        )

    def exists(self, merchant_id: str) -> bool:
        """Whether we know the merchant."""
        query = "SELECT 1 FROM merchants WHERE merchant_id = %(id)s"
        return self._connection.exec_driver_sql(query, {"id": merchant_id}).first() is not None

    def add_key(self, merchant_id: str, key_id: str, mode: Mode, key: ApiKey) -> None:
        """Keep a key's digest, and the few characters by which people tell keys apart."""
        self._connection.exec_driver_sql(
            _ADD_KEY,
            {
                "key_id": key_id,
                "merchant_id": merchant_id,
                "mode": mode.value,
                "digest": key.digest,
                "prefix": key.prefix,
                "last4": key.last4,
            },
        )

    def keys(self, merchant_id: str) -> Sequence[KeyView]:
        """The merchant's keys, oldest first."""
        rows = self._connection.exec_driver_sql(_KEYS, {"merchant_id": merchant_id}).mappings()
        return [KeyView(**row) for row in rows]

    def revoke_key(self, key_id: str, now: datetime) -> bool:
        """End a key from the next request on."""
        values = {"key_id": key_id, "now": now}
        return self._connection.exec_driver_sql(_REVOKE, values).rowcount == 1

    def add_prices(self, merchant_id: str, currencies: Sequence[str], price: Price, now: datetime) -> None:
        """Add a price per currency; rows of older prices stay as they are."""
        self._connection.exec_driver_sql(
            _ADD_PRICES,
            {
                "merchant_id": merchant_id,
                "currencies": list(currencies),
                "percent_ppm": price.percent_ppm,
                "fixed_minor": price.fixed_minor,
                "policy": price.refund_policy.value,
                "dispute_fee_minor": price.dispute_fee_minor,
                "now": now,
            },
        )


class KeyDirectory:
    """Whose key it is, as of the transaction that asks: a key ends with the commit that revoked it.

    What was found before is a guess: the transaction goes on with it, asks again together with its next statement, and
    ends with ``CallerChanged`` if the answer is another one. That saves a round trip and believes nothing.
    """

    def __init__(self, engine: sa.Engine, pepper: str) -> None:
        self._engine = engine
        self._pepper = pepper
        self._guesses: dict[bytes, Principal] = {}

    def digest(self, secret: str) -> bytes:
        """What of a key is kept, and what it is asked for by."""
        return digest_of(secret, self._pepper)

    def principal(self, digest: bytes, connection: sa.Connection | None = None) -> Principal | None:
        """The merchant and mode behind a key, or None; asked on a connection of our own where none is given."""
        values = {"digest": digest}
        if connection is None:
            return _principal(execute_alone(self._engine, _FIND, values))
        guess = self._guesses.get(digest)
        if guess is None:
            return self._remember(digest, _principal(execute(connection, _FIND, values)))

        def hold(answer: Answer) -> None:
            if _principal(answer) != guess:
                self._guesses.pop(digest, None)
                raise CallerChanged

        ask_later(connection, _FIND, values, hold)
        return guess

    def is_known(self, digest: bytes) -> bool:
        """Whether this process has found the key good before; no promise that it still is."""
        return digest in self._guesses

    def _remember(self, digest: bytes, found: Principal | None) -> Principal | None:
        if found is not None:
            if len(self._guesses) >= GUESSES_MAX:
                self._guesses.clear()
            self._guesses[digest] = found
        return found


def _principal(answer: Answer) -> Principal | None:
    if not answer.rows:
        return None
    merchant_id, mode = answer.rows[0]
    return Principal(owner_id=str(merchant_id), mode=str(mode))
