"""The life of a rule set as a table: proposed by one person, put in force by another, and then replaced."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from shared.kernel.errors import Rejected


class RuleSetState(StrEnum):
    """Where a rule set stands."""

    PROPOSED = "PROPOSED"
    ACTIVE = "ACTIVE"
    RETIRED = "RETIRED"
    REJECTED = "REJECTED"


_S = RuleSetState
#: Absent means forbidden. The database holds the same pairs in ``check_rule_set_step``.
NEXT: Final[Mapping[RuleSetState, frozenset[RuleSetState]]] = {
    _S.PROPOSED: frozenset({_S.ACTIVE, _S.REJECTED}),
    _S.ACTIVE: frozenset({_S.RETIRED}),
    _S.RETIRED: frozenset(),
    _S.REJECTED: frozenset(),
}


def check_step(version: int, source: RuleSetState, target: RuleSetState) -> None:
    """Refuse a step that the table does not list, as the caller's mistake."""
    if target not in NEXT[source]:
        raise Rejected(
            "rule_set_wrong_state",
            f"rule set {version} is {source} and cannot become {target}",
            extra={"version": version, "state": source.value},
        )


def check_four_eyes(proposed_by: str, approved_by: str) -> None:
    """Rules take effect only when a second person agrees."""
    if proposed_by == approved_by:
        raise Rejected("four_eyes", "whoever proposed a rule set cannot approve it", status=403, stored=False)
