"""Heads that were kept outside: a file with one event as JSON per line, as any consumer of the topic can write it."""

from __future__ import annotations

import json
from pathlib import Path

from services.ledger.domain.heads import Head, HeadUnreadable


def heads_in_file(path: Path) -> list[Head]:
    """The heads of a file, one at least; raises ``HeadUnreadable`` naming the line that is none."""
    heads = []
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise HeadUnreadable(f"{path}: expected UTF-8 text, one head as JSON per line: {error}") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                heads.append(Head.read(json.loads(line)))
            except ValueError as error:
                raise HeadUnreadable(f"{path}, line {number}: {error}") from None
    if not heads:
        # As good as no file at all: it must not pass for a comparison that held.
        raise HeadUnreadable(
            f"{path} holds no head; expected one as JSON per line, as `ledger heads` prints them"
        )
    return heads
