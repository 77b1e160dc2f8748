"""What a world does to itself and the product is not to blame for, told by the cards and by what was arranged."""

from collections.abc import Callable, Collection
from typing import Any

from tests.simulation.arranging import BY_HAND
from tools.auditor.sandbox_queries import at_both
from tools.faults.verdict import OF_TWO_EFFECTS

Rows = Callable[..., list[tuple[Any, ...]]]
NOBODYS = "nobodys_"
"""What a processor calls objects that never were where it is told to announce some: facts about them wait for ever."""
# By their cards: what a processor does twice by itself, and what it denies although it was done.
_DONE_TWICE = """
SELECT reference FROM alpha_objects
 WHERE payment_method LIKE ANY (ARRAY['pm_fault_effect_twice%', 'pm_fault_key_forgotten%'])
UNION
SELECT reference FROM beta_objects
 WHERE payment_method LIKE ANY (ARRAY['pm_fault_effect_twice%', 'pm_fault_rate_limited_after%'])
"""
# Without a key, or with one that is forgotten too soon, what is sent again may find no room, and is declined for that.
_DENIED = f"""
SELECT reference FROM {at_both("objects")} WHERE payment_method LIKE 'pm_fault_refused_after%'
UNION
SELECT reference FROM alpha_objects WHERE payment_method LIKE 'pm_fault_key_forgotten%'
UNION
SELECT reference FROM beta_objects WHERE payment_method LIKE 'pm_fault_rate_limited_after%'
"""
_ABOUT_NOBODY = f"SELECT waiting_id FROM waiting_facts WHERE array_to_string(refs, ' ') LIKE '%{NOBODYS}%'"


class Excuses:
    """Those of one world."""

    def __init__(self, rows: Rows, typed: Collection[str] = ()) -> None:
        self._typed = frozenset(typed)
        self.done_twice = {reference for (reference,) in rows("sandbox", _DONE_TWICE)} | self._typed
        self.denied = {reference for (reference,) in rows("sandbox", _DENIED)} | self._typed
        self._waits = {waiting_id for (waiting_id,) in rows("payment", _ABOUT_NOBODY)}

    def cover(self, invariant: str, row: dict[str, Any]) -> bool:
        """Whether what breaks the invariant is such a thing."""
        named_by = OF_TWO_EFFECTS.get(invariant)
        return (
            (named_by is not None and row[named_by] in self.done_twice)
            or row.get("operation_id") in self._waits
            or (invariant == "I5.references_are_ours" and str(row["reference"]).startswith(BY_HAND))
            or (invariant == "I5.one_key_per_call" and row["reference"] in self._typed)
        )
