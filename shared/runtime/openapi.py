"""Owns what a service's OpenAPI says beyond its routes: how a refusal looks, what a POST takes, and who may call.

The framework knows none of it: bodies are read by the idempotency layer, and every error is a problem of ours.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from shared.persistence.idempotency import KEY_CHARS_MAX
from shared.runtime.problems import PROBLEM_JSON

Bodies = Mapping[tuple[str, str], type[BaseModel]]
"""By method and route the model of what it takes."""

_REF: Final = "#/components/schemas/{model}"
_PROBLEM: Final[Mapping[str, Any]] = {
    "title": "Problem",
    "description": "Why it was refused. `code` never changes its meaning; some codes have more members.",
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "param": {"type": "string", "description": "The field or parameter at fault."},
    },
}
_REFUSED: Final[Mapping[str, Any]] = {
    "description": "Refused",
    "content": {PROBLEM_JSON: {"schema": {"$ref": _REF.format(model="Problem")}}},
}
_KEY: Final[Mapping[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "The same key again is answered with the same reply; another wish under it is refused.",
    "schema": {"type": "string", "pattern": f"^[!-~]{{1,{KEY_CHARS_MAX}}}$"},
}
_SCHEME: Final = "token"


def complete(schema: dict[str, Any], bodies: Bodies, bearer: str | None) -> None:
    """Add it to what the framework has made; ``bearer`` says what token every route asks for, None: not one for all."""
    components = schema.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for framework in ("HTTPValidationError", "ValidationError"):
        schemas.pop(framework, None)
    schemas["Problem"] = _PROBLEM
    if bearer is not None:
        components["securitySchemes"] = {_SCHEME: {"type": "http", "scheme": "bearer", "description": bearer}}
        schema["security"] = [{_SCHEME: []}]
    alike = Counter(model.__name__ for model in set(bodies.values()))
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = _REFUSED
            model = bodies.get((method.upper(), path))
            if model is not None:
                module = "" if alike[model.__name__] == 1 else f"{model.__module__.rpartition('.')[2]}."
                operation["requestBody"] = _body(module + model.__name__, model, schemas)
                operation.setdefault("parameters", []).append(_KEY)


def _body(name: str, model: type[BaseModel], schemas: dict[str, Any]) -> dict[str, Any]:
    made = model.model_json_schema(ref_template=_REF)
    schemas.update(made.pop("$defs", {}))
    schemas[name] = made
    reference = {"schema": {"$ref": _REF.format(model=name)}}
    return {"required": bool(made.get("required")), "content": {"application/json": reference}}
