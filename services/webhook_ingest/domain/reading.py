"""What an authentic body says: a fact, or as much as can be told of what could not be read."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.webhook_ingest.domain.fact import Fact, Unrecognised
from services.webhook_ingest.domain.signature import Refused
from shared.kernel.json_depth import is_deeper_than

ReadFact = Callable[[object], Fact]

NAMELESS: Final = "digest:"
"""What stands in for an event id that is missing: the same body is then still one event."""
LEVELS_MAX: Final = 64
"""Nesting that no event comes near (ours have 5 levels): refusing what somebody signed must cost us no fact."""
_VISIBLE: Final = re.compile(r"[!-~]{1,255}")


class TooDeep(Refused):
    """Signed, but nested as only an attack on our reader is."""

    def __init__(self) -> None:
        """Name the one reason."""
        super().__init__("json_too_deep")


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Where a processor's bodies name things, as paths: all that we know of a body that is no fact to us."""

    event_id: tuple[str, ...]
    event_type: tuple[str, ...]
    object_id: tuple[str, ...]
    reference: tuple[str, ...]
    payment_id: tuple[str, ...]


ALPHA_NAMES: Final = Names(
    event_id=("id",),
    event_type=("type",),
    object_id=("data", "object", "id"),
    reference=("data", "object", "reference"),
    payment_id=("data", "object", "metadata", "payment"),
)
BETA_NAMES: Final = Names(
    event_id=("notice_id",),
    event_type=("notice_type",),
    object_id=("transaction", "txn_id"),
    reference=("transaction", "merchant_ref"),
    payment_id=("transaction", "order_ref"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One authentic body, read. Exactly one of ``fact`` and ``reason`` is set."""

    event_id: str
    """The processor's own, or ``digest:...`` of the body where it has none that we can keep."""
    event_type: str | None
    fact: Fact | None
    reason: str | None
    object_id: str | None = None
    reference: str | None = None
    payment_id: str | None = None


def read(
    body: bytes, *, account: str, read_event: Callable[..., Fact], names: Names = ALPHA_NAMES
) -> Reading:
    """Read a body whose signature was good; raises ``TooDeep`` and nothing else: all that could be an event is kept."""
    if is_deeper_than(LEVELS_MAX, body):
        raise TooDeep
    event: object = None
    try:
        event = json.loads(body, object_pairs_hook=_unique, parse_constant=_refuse_constant)
        fact, reason = read_event(event, account=account), None
    except Unrecognised as unrecognised:
        fact, reason = None, unrecognised.reason
    except RecursionError:
        # In UTF-16 the brackets can hide from whoever counts them in the bytes.
        raise TooDeep from None
    except ValueError:
        fact, reason = None, "not_json"
    return Reading(
        event_id=_named(event, names.event_id) or NAMELESS + hashlib.sha256(body).hexdigest(),
        event_type=_named(event, names.event_type),
        fact=fact,
        reason=reason,
        object_id=_named(event, names.object_id),
        reference=_named(event, names.reference),
        payment_id=_named(event, names.payment_id),
    )


def _named(event: object, path: tuple[str, ...]) -> str | None:
    for name in path:
        event = event.get(name) if isinstance(event, Mapping) else None
    return event if isinstance(event, str) and _VISIBLE.fullmatch(event) else None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        # Two readers could each take another of the two: such a body has no one meaning.
        raise Unrecognised("duplicate_key")
    return fields


def _refuse_constant(_name: str) -> None:
    raise Unrecognised("not_a_number")
