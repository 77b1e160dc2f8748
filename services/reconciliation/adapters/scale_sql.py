"""How many decimals a currency's minor unit has, in SQL: by the list that Python goes by."""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from shared.kernel.money import all_currencies, currency_scale

USUAL_SCALE: Final = 2
"""That of most currencies, and of whatever is none."""
FINEST_SCALE: Final = max(currency_scale(code) for code in all_currencies())


def _cases() -> str:
    by_scale: dict[int, list[str]] = defaultdict(list)
    for code in all_currencies():
        by_scale[currency_scale(code)].append(f"'{code}'")
    unusual = {scale: ", ".join(codes) for scale, codes in by_scale.items() if scale != USUAL_SCALE}
    return " ".join(f"WHEN {{0}} IN ({codes}) THEN {scale}" for scale, codes in unusual.items())


_CASES: Final = _cases()


def scale_of(column: str) -> str:
    """The decimals of the currency in that column."""
    return f"CASE {_CASES.format(column)} ELSE {USUAL_SCALE} END"
