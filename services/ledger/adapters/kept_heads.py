"""Heads and closes that were kept outside: a file with one event as JSON per line, as any consumer can write it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from services.ledger.domain.closes import SignedClose
from services.ledger.domain.heads import Head, HeadUnreadable

T = TypeVar("T")


def heads_in_file(path: Path) -> list[Head]:
    """The heads of a file, one at least; raises ``HeadUnreadable`` naming the line that is none."""
    return _in_file(path, Head.read, "head", "`ledger heads`")


def closes_in_file(path: Path) -> list[SignedClose]:
    """The closes of a file; the same."""
    return _in_file(path, SignedClose.read, "close", "`ledger periods published`")


def _in_file(path: Path, read: Callable[[Mapping[str, Any]], T], what: str, printed_by: str) -> list[T]:
    found = []
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise HeadUnreadable(f"{path}: expected UTF-8 text, one {what} as JSON per line: {error}") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                found.append(read(json.loads(line)))
            except ValueError as error:
                raise HeadUnreadable(f"{path}, line {number}: {error}") from None
    if not found:
        # As good as no file at all: it must not pass for a comparison that held.
        raise HeadUnreadable(
            f"{path} holds no {what}; expected one as JSON per line, as {printed_by} prints them"
        )
    return found
