"""What an operator says is read by the next one before they decide: no route takes what would forge or hide a line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError

from tests.architecture.faces import Face

WORDS = ("reason", "evidence", "attachment")
MERCHANTS = {"CancelPaymentBody", "RefundBody"}
"""Merchants may say what they like over several lines: it is made visible where it is printed."""
FORGED = ("x\n  10:00:05.000  decision", "x\x1b[2K", "x\u202ey", "x\u00a0y", "x\ty", "   ", "")


def _fields(face: Face) -> Iterator[tuple[str, TypeAdapter[Any]]]:
    for (method, path), model in face.app.bodies().items():
        for name in WORDS if model.__name__ not in MERCHANTS else ():
            field = model.model_fields.get(name)
            if field is not None:
                yield (
                    f"{method} {path} {name}",
                    TypeAdapter(Annotated[(field.annotation, name, *field.metadata)]),
                )


def _takes(field: TypeAdapter[Any], text: str) -> bool:
    try:
        field.validate_python(text)
    except ValidationError:
        return False
    return True


def test_no_operator_can_say_what_is_not_seen(face: Face) -> None:
    assert not [(name, text) for name, field in _fields(face) for text in FORGED if _takes(field, text)]


def test_what_is_plain_is_said_by_any(face: Face) -> None:
    assert not [name for name, field in _fields(face) if not _takes(field, "seen by Zoë, case 12 — fine")]
