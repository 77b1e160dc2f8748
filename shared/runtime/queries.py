"""Owns which parameters an address may have: those of its route, each at most once.

A filter that is misspelt and ignored shows everything, and looks like the answer to what was asked.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from fastapi import Request
from pydantic import BaseModel

from shared.runtime.strict_json import invalid

_NAME_SHOWN: Final = 64


def each_once(given: Iterable[tuple[str, str]], known: Collection[str]) -> dict[str, str]:
    """The parameters by name. Raises ``Rejected`` naming the first that is none of these, or comes again."""
    values: dict[str, str] = {}
    for name, value in given:
        if name not in known:
            raise invalid("field_unknown", "There is no such parameter.", name[:_NAME_SHOWN])
        if name in values:
            raise invalid("field_invalid", "Given more than once.", name)
        values[name] = value
    return values


def refuse_strange_query(request: Request) -> None:
    """Refuse a parameter that the route does not have, or one that comes twice; bodies are others' business."""
    if request.scope["query_string"]:
        route = request.scope["route"]
        each_once(request.query_params.multi_items(), frozenset(_names(route.dependant)))


def _names(asked: Any) -> Iterator[str]:
    """Of a route and of all that it depends on; a model stands for its fields."""
    for parameter in asked.query_params:
        model = parameter.field_info.annotation
        if isinstance(model, type) and issubclass(model, BaseModel):
            yield from model.model_fields
        else:
            yield parameter.alias
    for other in asked.dependencies:
        yield from _names(other)
