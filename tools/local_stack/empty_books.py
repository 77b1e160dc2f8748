"""Whoever counts from nothing needs empty books: a folder of one's own is emptied, servers that were given are not."""

from __future__ import annotations

from typing import Final

import psycopg

from shared.messaging.broker import Broker
from tools.local_stack.layout import StackError
from tools.local_stack.services import SERVICES

_USED: Final = "SELECT EXISTS (SELECT FROM payments)"
_TOPIC: Final = "payment.events"
_NEW_PREFIX: Final = "set TIEOUT_KAFKA_TOPIC_PREFIX to a word that is new to the broker"


def require_empty_books(payment_database: str, broker: Broker) -> None:
    """Raise ``StackError`` where payments are in the database or in their topic already; it says what to do."""
    with psycopg.connect(payment_database) as connection:
        row = connection.execute(_USED).fetchone()
    if row is not None and row[0]:
        names = ", ".join(service.name for service in SERVICES)
        raise StackError(
            "this counts from empty books, and the given PostgreSQL has payments of an earlier run: "
            f"drop its databases {names}, and {_NEW_PREFIX}"
        )
    if any(last > first for first, last in broker.offsets(_TOPIC).values()):
        raise StackError(
            f"this counts from empty books, and {_TOPIC} at the given broker has records of an earlier run: "
            f"{_NEW_PREFIX}"
        )
