"""The fields of an MT940 file: a tag and what follows it up to the next one, or up to SWIFT's envelope."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from services.reconciliation.adapters.readers.text_lines import text_lines
from services.reconciliation.domain.lines import QuarantinedLine, UnreadableFileError

FIELD_LINES_MAX: Final = 32
"""SWIFT allows six lines; some banks write more, but a field without an end is no field."""
_TAG: Final = re.compile(r":([0-9]{2}[A-Z]?|NS):", re.ASCII)
_BODY: Final = "{4:"
# Message type, the sender's time and day, who sent it in which session, when it was delivered. Nothing of it is read:
# its times are in no zone that is said.
_ENVELOPE: Final = re.compile(r"\{2:O[0-9]{3}[0-9]{10}[A-Z0-9]{12}[0-9]{10}[0-9]{10}[A-Z]?\}", re.ASCII)


@dataclass(slots=True)
class TextField:
    """A field, with the number of its first line; ``refused`` where one of its lines cannot be read."""

    number: int
    tag: str
    text: str
    refused: QuarantinedLine | None = None
    line_count: int = 1


def fields_of(content: BinaryIO, encoding: str, *, last_end_required: bool) -> Iterator[TextField]:
    """Every field in order. A line before the first tag that is no envelope refuses the file."""
    current: TextField | None = None
    for line in text_lines(content, encoding, last_end_required=last_end_required):
        text = line.text
        if line.refused is None and text.startswith("{"):
            text = text.partition(_BODY)[2] if _BODY in text else ""
        if line.refused is None and _ends(line.text) and _ENVELOPE.search(line.text):
            if current is not None:
                yield current
            current = None
        found = _TAG.match(text)
        if found is not None or (line.refused is None and _ends(text)):
            if current is not None:
                yield current
            current = (
                None if found is None else TextField(line.number, found[1], text[found.end() :].rstrip())
            )
        elif current is not None:
            _continue(current, text, line.refused)
        elif line.refused is not None:
            raise UnreadableFileError(line.refused.code, f"line {line.number}", line.refused.expected)
        elif text.strip():
            raise UnreadableFileError(
                "wrong_format", f"line {line.number}", "a field such as :20: at its start"
            )
    if current is not None:
        yield current


def _ends(text: str) -> bool:
    """A message's end; an empty line is nothing."""
    return text.rstrip() in {"-", "-}"} or text.startswith(("-}{", "{"))


def _continue(field: TextField, text: str, refused: QuarantinedLine | None) -> None:
    field.refused = field.refused or refused
    if not text.strip():
        return
    field.line_count += 1
    if field.line_count > FIELD_LINES_MAX:
        expected = f"at most {FIELD_LINES_MAX} lines in a field"
        field.refused = field.refused or QuarantinedLine(
            field.number, "field_too_long", field.tag, expected, ""
        )
        return
    field.text = f"{field.text}\n{text.rstrip()}"
