"""Whether the list of currencies in use gives the accounts' amounts the meaning with which they were booked."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from shared.kernel.errors import Rejected
from shared.kernel.money import currency_scale
from shared.runtime.startup import StartupRefused

_SCALES: Final = "SELECT DISTINCT currency, scale FROM accounts ORDER BY 1, 2"


def refuse_other_scales(engine: sa.Engine) -> None:
    """Refuse to start where a currency has other digits here than the accounts were opened with."""
    with engine.connect() as connection:
        booked = connection.exec_driver_sql(_SCALES).all()
    wrong = [
        f"{currency} has {digits_here} digits after the point here, and its accounts were opened with {scale}"
        for currency, scale in booked
        if (digits_here := _digits_of(currency)) not in {None, scale}
    ]
    if wrong:
        raise StartupRefused(*wrong, "use the list of ISO 4217 that the books were written with")


def _digits_of(currency: str) -> int | None:
    """None for one that has left the list: its books stand, and nobody books in it."""
    try:
        return currency_scale(currency)
    except Rejected:
        return None
