"""Operations and payments that we have given up: money that a processor moves under their names contradicts us."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from services.reconciliation.domain.lines import LineCategory

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class GivenUp:
    """A name under which nothing may be settled in that category any more: our operation's id, or our payment's."""

    name: str
    category: LineCategory
    payment_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """How one event type gives something up."""

    category: LineCategory
    names: tuple[str, ...]
    """The fields that name it; a payment as a whole only where no further attempt may follow."""
    when: tuple[tuple[str, frozenset[object]], ...] = ()
    """Fields, and the values that they must have; otherwise the event gives nothing up."""


_ATTEMPT: Final = ("operation_id",)
_WHOLE: Final = ("operation_id", "payment_id")
_NOT_DONE: Final = ("outcome", frozenset({"DECLINED", "ABANDONED"}))
_ROWS: Final[Mapping[str, tuple[_Row, ...]]] = {
    "PaymentMethodDeclined": (_Row(category=LineCategory.CHARGE, names=_ATTEMPT),),
    "PaymentFailed": (_Row(category=LineCategory.CHARGE, names=_WHOLE),),
    "PaymentCanceled": (_Row(category=LineCategory.CHARGE, names=_WHOLE),),
    "RefundFailed": (
        _Row(category=LineCategory.REFUND, names=_ATTEMPT, when=(("was_succeeded", frozenset({False})),)),
    ),
    "OperationResolved": (
        _Row(
            category=LineCategory.CHARGE, names=_ATTEMPT, when=(("direction", frozenset({"in"})), _NOT_DONE)
        ),
        _Row(
            category=LineCategory.REFUND, names=_ATTEMPT, when=(("direction", frozenset({"out"})), _NOT_DONE)
        ),
    ),
}
#: The types that :func:`given_up_by` knows.
GIVING_UP: Final = frozenset(_ROWS)


def given_up_by(event_type: str, fields: Fields) -> tuple[GivenUp, ...]:
    """What an event gives up: a function of that event alone, so order and repeats make no difference."""
    return tuple(
        GivenUp(fields[name], row.category, fields["payment_id"])
        for row in _ROWS.get(event_type, ())
        if all(fields.get(field) in values for field, values in row.when)
        for name in row.names
        if fields.get(name) is not None
    )
