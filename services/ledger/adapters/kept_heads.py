"""Heads that were kept outside: a file with one event as JSON per line, as any consumer of the topic can write it."""

from __future__ import annotations

import json
from pathlib import Path

from services.ledger.domain.heads import Head, HeadUnreadable


def heads_in_file(path: Path) -> list[Head]:
    """The heads of a file; raises ``HeadUnreadable`` naming the line that is none."""
    heads = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.strip():
            try:
                heads.append(Head.read(json.loads(line)))
            except ValueError as error:
                raise HeadUnreadable(f"{path}, line {number}: {error}") from None
    return heads
