"""Which payment an operation belongs to, for those who name the operation alone."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

_PAYMENT_OF: Final = "SELECT payment_id FROM operations WHERE operation_id = %(operation_id)s"


def payment_of(connection: sa.Connection, operation_id: str) -> str | None:
    """The payment that an operation belongs to."""
    found: str | None = connection.exec_driver_sql(
        _PAYMENT_OF, {"operation_id": operation_id}
    ).scalar_one_or_none()
    return found
