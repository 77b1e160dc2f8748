"""Owns the names of what beta makes by itself: charges, claims, clawbacks, movements; by rules that are alpha's too."""

from collections.abc import Mapping
from typing import Final

from shared.kernel.ids import Ids

PREFIXES: Final[Mapping[str, str]] = {"cap_": "bc_", "dsp_": "bq_", "rvl_": "bw_", "row_": "bm_"}


class BetaIds:
    """Makes ids as the wrapped ones do, with beta's prefixes."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids

    def new(self, prefix: str) -> str:
        """Return a new id."""
        return self._ids.new(PREFIXES.get(prefix, prefix))
