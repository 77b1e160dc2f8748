"""A signed close: which month was closed and where the chain ended then, for people outside to keep.

What is signed are the fields as they are published, all but the signature, as canonical JSON (RFC 8785) behind a
header, as a head of the chain is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from services.ledger.domain.heads import SIGNATURE

if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER: Final = b"tieout-close-1\n"
FIELDS: Final = (
    "period", "close_id", "ends_at", "shard", "position", "hash", "closed_at", "signed_at", "key_id", SIGNATURE,
)  # fmt: skip
_INTEGERS: Final = frozenset({"shard", "position"})


class CloseUnreadable(ValueError):  # noqa: N818  # what it is
    """What was read is no close: a field is missing or of another kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedClose:
    """What an outsider keeps: everything that takes effect before ``ends_at`` is sealed up to ``position``."""

    period: str
    close_id: str
    ends_at: str
    shard: int
    position: int
    hash: str
    closed_at: str
    signed_at: str
    key_id: str
    signature: str

    def fields(self) -> dict[str, Any]:
        """The close as it is published."""
        return {name: getattr(self, name) for name in FIELDS}

    def signed_fields(self) -> dict[str, Any]:
        """What the signature is over."""
        return {name: value for name, value in self.fields().items() if name != SIGNATURE}

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> SignedClose:
        """A close from its published fields; what it does not name is no part of it."""
        wrong = [name for name in FIELDS if type(fields.get(name)) is not (int if name in _INTEGERS else str)]
        if wrong:
            raise CloseUnreadable(f"no close: {', '.join(wrong)} missing or of another kind")
        return cls(**{name: fields[name] for name in FIELDS})
