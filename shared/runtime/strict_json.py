"""Reads JSON the way money wants it: what is ambiguous, unbounded or disguised is refused and the field is
named.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from shared.kernel.errors import Rejected
from shared.kernel.json_depth import is_deeper_than
from shared.runtime.card_numbers import RAW_SUSPICION, has_card_number

DEPTH_MAX: Final = 16
"""Nesting that an honest request never reaches."""
INTEGER_MAX: Final = 2**53 - 1
"""The largest integer that every JSON reader keeps exact."""
_INTEGER_DIGITS_MAX: Final = 16
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""PostgreSQL stores no NUL, UTF-8 has no lone surrogates: both would fail later and as our fault."""


class _BadNumber:
    """Stands where a refused number stood until its field is known."""

    __slots__ = ("code", "message")

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message


class _DuplicateKeyError(ValueError):
    """Carries the key out of the parser."""


def malformed(code: str, message: str, param: str | None = None) -> Rejected:
    """The document as a whole is unusable: 400, and the idempotency key stays free."""
    return Rejected(code, message, status=400, param=param, stored=False)


def invalid(code: str, message: str, param: str | None) -> Rejected:
    """A field is unusable: 422, and the idempotency key stays free."""
    return Rejected(code, message, status=422, param=param, stored=False)


def read_object(raw: bytes) -> dict[str, Any]:
    """Parse a request body into an object, or raise ``Rejected`` with a stable code; never another error."""
    if is_deeper_than(DEPTH_MAX, raw):
        raise malformed("json_too_deep", f"JSON may be nested {DEPTH_MAX} levels deep.")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise malformed("body_not_utf8", "The body is not valid UTF-8.") from None
    reader = _Reader()
    try:
        document = reader.decoder.decode(text)
    except _DuplicateKeyError as duplicate:
        raise malformed(
            "json_duplicate_key", "A key occurs twice in one object.", shown(str(duplicate))
        ) from None
    except (ValueError, RecursionError):
        raise malformed("json_malformed", "The body is not valid JSON.") from None
    if not isinstance(document, dict):
        raise malformed("json_not_object", "The body must be a JSON object.")
    if reader.found_bad_number:
        _refuse_bad_number(document)
    # Escapes and other scripts' digits can hide what the raw bytes do not show.
    if b"\\u" in raw or not raw.isascii() or RAW_SUSPICION.search(raw):
        _refuse_bad_text(document)
    return document


class _Reader:
    """One parse: the hooks of the standard decoder, which runs in C between them."""

    __slots__ = ("decoder", "found_bad_number")

    def __init__(self) -> None:
        self.found_bad_number = False
        self.decoder = json.JSONDecoder(
            object_pairs_hook=_object,
            parse_int=self._integer,
            parse_float=self._float,
            parse_constant=self._constant,
        )

    def _integer(self, text: str) -> object:
        if text == "-0":
            return self._bad("number_negative_zero", "-0 is not an amount of anything.")
        if len(text) > _INTEGER_DIGITS_MAX + 1 or not -INTEGER_MAX <= (value := int(text)) <= INTEGER_MAX:
            return self._bad("number_too_large", "Integers beyond 2^53 - 1 are not exact in JSON.")
        return value

    def _float(self, _text: str) -> object:
        return self._bad("number_not_integer", "Only integers are accepted; amounts are in minor units.")

    def _constant(self, _text: str) -> object:
        return self._bad("number_not_finite", "NaN and infinities are not JSON.")

    def _bad(self, code: str, message: str) -> _BadNumber:
        self.found_bad_number = True
        return _BadNumber(code, message)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _DuplicateKeyError(key)
            seen.add(key)
    return found


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every leaf and key with the path of its field; depth is bounded before this runs."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield path, key
            yield from _walk(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, f"{path}[{index}]")
    else:
        yield path, value


def _refuse_bad_number(document: dict[str, Any]) -> None:
    for path, value in _walk(document, ""):
        if isinstance(value, _BadNumber):
            make = malformed if value.code == "number_not_finite" else invalid
            raise make(value.code, value.message, shown(path))


def _refuse_bad_text(document: dict[str, Any]) -> None:
    for path, value in _walk(document, ""):
        if isinstance(value, str):
            refuse_bad_text(value, shown(path) or None)


def refuse_bad_text(text: str, param: str | None) -> None:
    """Refuse text that cannot be stored or that may hold a card number; for headers and queries as well."""
    if _UNSTORABLE.search(text):
        raise invalid("text_not_storable", "NUL and lone surrogates are not accepted.", param)
    if has_card_number(text):
        raise invalid(
            "card_number_refused", "This looks like a card number; send the processor's token.", param
        )


def shown(path: str) -> str:
    """A field's path that is safe to echo: cut, storable, and not itself a card number."""
    path = _UNSTORABLE.sub("?", path)[:128]
    return "?" if has_card_number(path) else path
