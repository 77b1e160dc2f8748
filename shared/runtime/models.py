"""Request models: strict, closed, and their errors turned into one refusal that names the field."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from shared.runtime.strict_json import invalid, read_object

_CODES: Final = {"extra_forbidden": "field_unknown", "missing": "field_missing"}


class ApiModel(BaseModel):
    """Base of every request body: unknown fields refused, no type is coerced, frozen once read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("printable characters only")
    return text


PRINTABLE: Final = AfterValidator(_printable)
"""What an operator says is read by the next one: no end of a line, no escape sequence, nothing that cannot be seen."""

M = TypeVar("M", bound=BaseModel)


def read_model(model: type[M], raw: bytes) -> M:
    """Read a body into the model, or raise ``Rejected`` (400 for the document, 422 for a field)."""
    return validate_model(model, read_object(raw or b"{}"))


def validate_model(model: type[M], document: dict[str, Any]) -> M:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        param = ".".join(str(part) for part in first["loc"]) or None
        code = _CODES.get(first["type"], "field_invalid")
        raise invalid(code, f"{first['msg']}.", param) from None
