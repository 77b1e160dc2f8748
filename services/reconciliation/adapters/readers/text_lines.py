"""The lines of a text file, one at a time: bounded, decoded, free of control characters, each with its number."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from services.reconciliation.domain.lines import QuarantinedLine, UnreadableFileError

LINE_BYTES_MAX: Final = 65_536
"""A longer line is no line of a report; it is never held whole."""
RAW_CHARS_MAX: Final = 4_096
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ufeff\ud800-\udfff]")
ENCODINGS: Final = ("utf-8", "ascii", "iso-8859-1", "iso-8859-15", "cp1252", "cp1250", "cp850", "cp437")
"""Those in which a line end is the byte it is in ASCII."""
_OTHER_MARKS: Final = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line without its end, or why it cannot be read."""

    number: int
    text: str
    refused: QuarantinedLine | None = None


def raw_text(text: str) -> str:
    """The line as a database can keep and a person can read it: NUL is spelled out, and it is cut."""
    return text[:RAW_CHARS_MAX].replace("\x00", "\\x00")[:RAW_CHARS_MAX]


def unprintable(text: str) -> str | None:
    """The code of a character that no text of a report has, where there is one."""
    if found := _CONTROL.search(text):
        return "nul_byte" if found[0] == "\x00" else "control_character"
    return None


def text_lines(
    content: BinaryIO, encoding: str = "utf-8", *, last_end_required: bool = True
) -> Iterator[TextLine]:
    """Every line with its number, from 1.

    A byte order mark of UTF-8 is taken off the file's start; one of UTF-16 or UTF-32 refuses the file. A last line
    without a line end may be cut off within a figure: the file is refused, unless the source declares that its files
    end so.
    """
    if encoding not in ENCODINGS:
        raise UnreadableFileError("option_unknown", "encoding", f"one of {', '.join(ENCODINGS)}")
    decoder = codecs.lookup(encoding)
    number = 0
    while line := content.readline(LINE_BYTES_MAX + 1):
        number += 1
        if number == 1:
            line = _without_mark(line)
        if len(line) > LINE_BYTES_MAX:
            if not line.endswith(b"\n"):
                _skip_rest(content)
            raw = raw_text(line[:RAW_CHARS_MAX].decode("ascii", "backslashreplace"))
            expected = f"at most {LINE_BYTES_MAX} bytes in a line"
            yield TextLine(number, "", QuarantinedLine(number, "line_too_long", "line", expected, raw))
            continue
        if last_end_required and not line.endswith(b"\n"):
            raise UnreadableFileError("truncated", f"line {number}", "a line end after the last line")
        yield _decoded(number, line.removesuffix(b"\n").removesuffix(b"\r"), decoder)


def _without_mark(first: bytes) -> bytes:
    if first.startswith(_OTHER_MARKS):
        raise UnreadableFileError("wrong_encoding", "line 1", "no UTF-16 or UTF-32")
    return first.removeprefix(codecs.BOM_UTF8)


def _skip_rest(content: BinaryIO) -> None:
    while (part := content.readline(LINE_BYTES_MAX)) and not part.endswith(b"\n"):
        pass


def _decoded(number: int, line: bytes, decoder: codecs.CodecInfo) -> TextLine:
    try:
        text = decoder.decode(line)[0]
    except UnicodeError:
        raw = raw_text(line.decode("ascii", "backslashreplace"))
        return TextLine(
            number, "", QuarantinedLine(number, "wrong_encoding", "line", f"text in {decoder.name}", raw)
        )
    if code := unprintable(text):
        expected = "a line without control characters"
        return TextLine(number, "", QuarantinedLine(number, code, "line", expected, raw_text(text)))
    return TextLine(number, text)
