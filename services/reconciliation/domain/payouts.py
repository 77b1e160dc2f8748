"""When a payout is closed, so that its lines are final enough to be booked, and which file corrects which.

A file states a payout in whole where it has the payout's own row and its other lines of the payout come to it. Such a
file corrects every earlier file of the same source that stated the same payout in whole: a line that only those have
is withdrawn. What is in pieces, cut, does not add up or has rows that cannot be read takes nothing away; it adds lines
and amends those that it has.
"""

from __future__ import annotations

from typing import Final

NAMES_ONLY_CLOSED: Final = frozenset({"stripe_payout_csv"})
"""Formats whose reports name a payout only once it is closed; elsewhere its own row closes it."""


def naming_closes(file_format: str) -> bool:
    """Whether a payout is closed by being named."""
    return file_format in NAMES_ONLY_CLOSED
