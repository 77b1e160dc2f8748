"""Whose reports and statements are read, and how: a source is one processor's account or one bank account."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.kernel.errors import Rejected

_SHORT_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,31}")
_ACCOUNT: Final = re.compile(r"[!-~]{1,64}")
OPTIONS_MAX: Final = 50
OPTION_CHARS_MAX: Final = 255
ACCOUNT_OPTION: Final = "account_number"
"""The option of a bank's source that says whose statements it takes."""


class SourceKind(StrEnum):
    """What a source's files are: a processor's report of what it settled, or a bank's statement."""

    SETTLEMENT = "settlement"
    BANK = "bank"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One account elsewhere, the format that its files have, and what the reader has to be told of them."""

    source: str
    kind: SourceKind
    format: str
    processor: str | None = None
    account: str | None = None
    bank_account: str | None = None
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Format:
    """A format that can be read: what its files are, and what its reader may be told."""

    kind: str
    options: Collection[str]


def check_source(source: Source, formats: Mapping[str, Format]) -> None:
    """Refuse a source that names nobody, somebody twice over, or a format that is read as something else."""
    _named(source.source, "source", _SHORT_NAME)
    known = formats.get(source.format)
    if known is None:
        raise _wrong("format", f"one of {', '.join(sorted(formats))}")
    if known.kind != source.kind:
        raise _wrong("kind", f"{known.kind}, which is what {source.format} is")
    if source.kind is SourceKind.BANK:
        _named(source.bank_account, "bank_account", _SHORT_NAME)
        _absent(source.processor, "processor")
        _absent(source.account, "account")
    else:
        _named(source.processor, "processor", _SHORT_NAME)
        _named(source.account, "account", _ACCOUNT)
        _absent(source.bank_account, "bank_account")
    if len(source.options) > OPTIONS_MAX:
        raise _wrong("options", f"at most {OPTIONS_MAX} of them")
    # A mistyped one would be passed over, and the files be read as if nothing had been declared.
    check_options(source.options, known.options)


def check_options(given: Collection[str], known: Collection[str]) -> None:
    """Refuse an option that the format does not know."""
    for name in sorted(given):
        if name not in known:
            raise _wrong(
                f"options.{name}", f"one of {', '.join(sorted(known)) or 'none: the format has no options'}"
            )


def _named(value: str | None, field: str, form: re.Pattern[str]) -> None:
    if value is None or not form.fullmatch(value):
        raise _wrong(field, f"text like {form.pattern}")


def _absent(value: str | None, field: str) -> None:
    if value is not None:
        raise _wrong(field, "nothing: the other kind of source has it")


def _wrong(field: str, expected: str) -> Rejected:
    return Rejected("source_invalid", f"{field}: expected {expected}", param=field)
