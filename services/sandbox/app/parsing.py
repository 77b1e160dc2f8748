"""Owns the reading of request bodies: strict types, known fields, bounded sizes."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import orjson

from services.sandbox.domain.authorizations import Order
from services.sandbox.domain.objects import Origin
from shared.kernel.errors import Rejected
from shared.kernel.money import normalise_currency

AMOUNT_LIMIT_MINOR: Final = 2**53
TEXT_LIMIT_CHARACTERS: Final = 255
METADATA_LIMIT_ENTRIES: Final = 20


def read_body(raw: bytes, fields: frozenset[str]) -> dict[str, Any]:
    """Return the JSON object in ``raw``, refusing fields that the operation does not know."""
    try:
        body = orjson.loads(raw or b"{}")
    except orjson.JSONDecodeError as error:
        raise _bad("body_invalid", f"The body is not JSON: {error.msg}.") from None
    if not isinstance(body, dict):
        raise _bad("body_invalid", "The body is not a JSON object.")
    for name in body:
        if name not in fields:
            raise _bad("field_unknown", "The operation has no such field.", param=name)
    return body


def fingerprint(path: str, body: Mapping[str, Any]) -> bytes:
    """Return what tells two requests apart: the path and the body's one spelling."""
    return hashlib.sha256(path.encode() + b"\n" + orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()


def order(body: Mapping[str, Any], account: str) -> Order:
    """Return what an authorization request asks for."""
    amount_minor = amount(body)
    if amount_minor is None:
        raise _bad("field_missing", "An amount is required.", param="amount")
    return Order(
        origin=Origin(
            account=account,
            payment_method=text(body, "payment_method"),
            currency=normalise_currency(text(body, "currency")),
            metadata=texts(body, "metadata"),
        ),
        reference=text(body, "reference"),
        amount_minor=amount_minor,
        capture=flag(body, "capture"),
    )


def amount(body: Mapping[str, Any]) -> int | None:
    """Return the amount in minor units, or none if the caller leaves it out."""
    value = body.get("amount")
    if value is None:
        return None
    if type(value) is not int or not 0 < value <= AMOUNT_LIMIT_MINOR:
        raise _bad("amount_invalid", "Expected a positive integer in minor units.", param="amount")
    return value


def text(body: Mapping[str, Any], name: str) -> str:
    """Return a required text."""
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= TEXT_LIMIT_CHARACTERS or "\0" in value:
        raise _bad(
            "field_invalid", f"Expected a text of 1 to {TEXT_LIMIT_CHARACTERS} characters.", param=name
        )
    return value


def flag(body: Mapping[str, Any], name: str) -> bool:
    """Return an optional boolean, false if left out."""
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise _bad("field_invalid", "Expected true or false.", param=name)
    return value


def texts(body: Mapping[str, Any], field: str) -> dict[str, str]:
    """Return an optional object of a few texts, empty if left out."""
    value = body.get(field) or {}
    if not isinstance(value, dict) or len(value) > METADATA_LIMIT_ENTRIES:
        raise _bad("field_invalid", f"Expected at most {METADATA_LIMIT_ENTRIES} texts.", param=field)
    return {name: text(value, name) for name in value}


def _bad(code: str, message: str, *, param: str | None = None) -> Rejected:
    return Rejected(code, message, status=400, param=param, stored=False)
