"""Request models: strict, closed, and their errors turned into one refusal that names the field."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from shared.kernel.errors import Rejected
from shared.kernel.money import normalise_currency
from shared.runtime.strict_json import invalid, read_object, shown

_REFUSED: Final = "refused"
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


def _currency(text: str) -> str:
    try:
        return normalise_currency(text)
    except Rejected as refused:
        # Only the model knows where it stands: of several currencies the one at fault has to be named.
        raise PydanticCustomError(_REFUSED, "refused", {_REFUSED: refused}) from None


CURRENCY: Final = AfterValidator(_currency)
"""ISO 4217, in either case; read in capitals."""


def read_model(model: type[M], raw: bytes) -> M:
    """Read a body into the model, or raise ``Rejected`` (400 for the document, 422 for a field)."""
    return validate_model(model, read_object(raw or b"{}"))


def validate_model(model: type[M], document: dict[str, Any]) -> M:
    try:
        return model.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        param = shown(".".join(str(part) for part in first["loc"])) or None
        refused = first.get("ctx", {}).get(_REFUSED)
        if refused is not None:
            raise Rejected(
                refused.code, refused.message, status=refused.status, param=param, stored=False
            ) from None
        code = _CODES.get(first["type"], "field_invalid")
        raise invalid(code, f"{first['msg']}.", param) from None
