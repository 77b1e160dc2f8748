"""The records of a BAI2 file: a line with its continuations, split into fields by the library bai2."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import BinaryIO, Final

from bai2.helpers import IteratorHelper

from services.reconciliation.adapters.readers.text_lines import text_lines
from services.reconciliation.domain.lines import QuarantinedLine, UnreadableFileError
from services.reconciliation.domain.report_values import MINOR_MAX, FieldError

CONTINUATION: Final = "88"
CONTINUATIONS_MAX: Final = 512
"""An account's summary goes over many lines; a record without an end is no record."""
CODES: Final = frozenset({"01", "02", "03", "16", "49", "98", "99"})
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_SIGNED: Final = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_DAY: Final = re.compile(r"([0-9]{2})([0-9]{2})([0-9]{2})", re.ASCII)

_YEAR_2000: Final = 2000


@dataclass(slots=True)
class Record:
    """A record: its first line's number, its code, and its lines as they stand."""

    number: int
    code: str
    lines: list[str] = field(default_factory=list)
    refused: QuarantinedLine | None = None

    @property
    def raw(self) -> str:
        return "\n".join(self.lines)

    def fields(self) -> list[str]:
        """The fields after the code; ``FieldError`` where the lines are none."""
        if any(line[2:3] != "," for line in self.lines):
            raise FieldError("record_malformed", self.code, "a comma after the code of every line")
        try:
            found: list[str] = IteratorHelper(self.lines).current_record.fields
        except (ValueError, IndexError):
            raise FieldError(
                "record_malformed", self.code, "fields between commas, ended by a slash"
            ) from None
        return found


def records_of(content: BinaryIO, encoding: str) -> Iterator[Record]:
    """Every record in order, of whatever code: a line that cannot be read is one of its own, without any."""
    current: Record | None = None
    for line in text_lines(content, encoding, last_end_required=False):
        text = line.text.rstrip()
        if line.refused is None and not text:
            continue
        if line.refused is None and text[:2] == CONTINUATION:
            if current is None:
                raise UnreadableFileError("wrong_format", f"line {line.number}", "a file header (01)")
            current.lines.append(text)
            if len(current.lines) > CONTINUATIONS_MAX:
                raise UnreadableFileError(
                    "record_too_long", f"line {current.number}", f"{CONTINUATIONS_MAX} lines"
                )
            continue
        if current is not None:
            yield current
        current = Record(line.number, text[:2], [text], line.refused)
    if current is not None:
        yield current


def number(text: str, name: str) -> int:
    """A number without a sign."""
    if not _NUMBER.fullmatch(text):
        raise FieldError("number_malformed", name, "digits")
    return int(text)


def minor(text: str, name: str) -> int:
    """An amount in minor units, as BAI2 writes them: no decimal point, and a sign only in balances."""
    if not _NUMBER.fullmatch(text):
        raise FieldError("amount_malformed", name, "digits without a decimal point or a sign")
    return _bounded(int(text), name)


def signed_minor(text: str, name: str) -> int:
    """The same for a balance or a control total."""
    if not _SIGNED.fullmatch(text):
        raise FieldError("amount_malformed", name, "digits without a decimal point")
    return _bounded(int(text), name)


def day(text: str, name: str) -> date:
    """A day written ``261127``."""
    found = _DAY.fullmatch(text)
    try:
        if found is not None:
            return date(_YEAR_2000 + int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        pass
    raise FieldError("date_malformed", name, "a day such as 261127")


def _bounded(amount_minor: int, name: str) -> int:
    if abs(amount_minor) > MINOR_MAX:
        raise FieldError("amount_too_large", name, f"at most {MINOR_MAX} minor units")
    return amount_minor
