"""Elements of ISO 20022 by their local names, as the versions differ in little but their namespace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from services.reconciliation.domain.report_values import FieldError, Figures, currency

DIRECTIONS: Final[Mapping[str, int]] = {"CRDT": 1, "DBIT": -1}
_FIGURES: Final = Figures()


def local_name(element: Any) -> str:
    """The name without its namespace."""
    tag: str = element.tag
    return tag.rpartition("}")[2]


def children(element: Any) -> dict[str, list[Any]]:
    """The children by name."""
    found: dict[str, list[Any]] = {}
    for child in element:
        if isinstance(child.tag, str):
            found.setdefault(local_name(child), []).append(child)
    return found


def text_at(element: Any, *path: str) -> str | None:
    """The text at the end of a path of first children; None where there is no such element."""
    for name in path:
        for child in element:
            if isinstance(child.tag, str) and local_name(child) == name:
                element = child
                break
        else:
            return None
    return (element.text or "").strip()


def only(parts: dict[str, list[Any]], name: str) -> Any:
    """The one child of that name."""
    found = parts.get(name, [])
    if len(found) != 1:
        code = "element_repeated" if found else "element_missing"
        raise FieldError(code, name, f"one {name}")
    return found[0]


def signed_amount(parts: dict[str, list[Any]]) -> tuple[str, int]:
    """Currency and minor units of ``Amt``, signed by ``CdtDbtInd`` beside it."""
    element = only(parts, "Amt")
    code = currency(element.get("Ccy", ""), "Amt/@Ccy")
    sign = DIRECTIONS.get((only(parts, "CdtDbtInd").text or "").strip())
    if sign is None:
        raise FieldError("direction_unknown", "CdtDbtInd", "CRDT or DBIT")
    return code, sign * _FIGURES.unsigned((element.text or "").strip(), code, "Amt")
