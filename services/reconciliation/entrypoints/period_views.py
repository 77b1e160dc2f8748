"""How closes of months are shown."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from services.reconciliation.domain.periods import PeriodClose


def close_view(close: PeriodClose) -> dict[str, Any]:
    """A close with its life; the digest stands for the figures that were proposed."""
    return asdict(close) | {"digest": close.digest.hex(), "state": close.state.value}
