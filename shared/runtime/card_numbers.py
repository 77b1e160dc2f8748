"""Finds digit runs that may be card numbers, so that every edge refuses them and every log masks them.

A run counts when it has 13 to 19 digits, contiguous or in the groups that cards are printed in, and passes
Luhn.
Hexadecimal digests, UUIDs and our own ids are left alone: chance would make about one in five hundred digests look
like a card.
"""

from __future__ import annotations

import re
from typing import Final

RAW_SUSPICION: Final = re.compile(rb"\d(?:[ \-]?\d){12}")
"""Cheap first look over raw bytes; only a hit makes the careful search worth its time."""
_SUSPICION: Final = re.compile(r"\d{4}[ \-]?\d{4}")
"""The same over text: every candidate has this in it, also where ids were left out, whose place is no gap."""

_CANDIDATE: Final = re.compile(
    r"(?<!\d)(?:"
    r"\d{13,19}"
    r"|\d{4}[ \-]\d{4}[ \-]\d{4}[ \-]\d{1,7}"  # 4-4-4-4 and 4-4-4-4-3 printed without the last gap
    r"|\d{4}[ \-]\d{4}[ \-]\d{4}[ \-]\d{4}[ \-]\d{3}"
    r"|\d{4}[ \-]\d{6}[ \-]\d{4,5}"  # 4-6-5 and 4-6-4
    r")(?!\d)"
)
_NO_CARD: Final = re.compile(
    r"(?<![0-9A-Za-z])(?:"
    r"(?=[0-9]*[a-fA-F])[0-9a-fA-F]{32,128}"
    r"|[a-z]{1,12}_(?=[0-9]*[a-z])[0-9a-z]{26}"  # our own ids, of which some are pieces of a digest
    r")(?![0-9A-Za-z])"
)


def has_card_number(text: str) -> bool:
    """True if the text holds a digit run that could be a card number."""
    if _SUSPICION.search(text) is None:
        return False
    return any(_passes_luhn(match.group()) for match in _CANDIDATE.finditer(_NO_CARD.sub(" ", text)))


def mask_card_numbers(text: str) -> str:
    """Replace what could be a card number by its last four digits."""
    if _SUSPICION.search(text) is None:
        return text
    return _CANDIDATE.sub(_masked, text)


def _masked(match: re.Match[str]) -> str:
    found = match.group()
    return f"[card ..{found[-4:]}]" if _passes_luhn(found) else found


def _passes_luhn(run: str) -> bool:
    digits = [int(ch) for ch in run if ch.isdigit()]
    odd = sum(digits[-1::-2])
    even = sum(sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (odd + even) % 10 == 0
