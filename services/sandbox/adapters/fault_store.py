"""Owns the rows of scripts: the rules as they were sent, how often each has struck, and the test clock."""

from collections.abc import Sequence
from typing import Any, Final

import orjson

from services.sandbox.adapters.connections import Connections
from services.sandbox.app.ports import StoredRule
from services.sandbox.app.script_requests import read_rule
from services.sandbox.domain.scripts import RULES_MAX, Rule
from shared.kernel.errors import Rejected

ADD: Final = """
INSERT INTO script_faults (processor, rule, calls)
SELECT %(processor)s, %(rule)s::jsonb, %(calls)s::integer WHERE (SELECT count(*) FROM script_faults) < %(most)s
RETURNING id
"""
RULES: Final = """
SELECT id, rule FROM script_faults WHERE processor = %(processor)s AND (calls IS NULL OR struck < calls) ORDER BY id
"""
ALL: Final = "SELECT id, processor, rule, calls, struck FROM script_faults ORDER BY id"
STRIKE: Final = """
UPDATE script_faults SET struck = struck + 1 WHERE id = %(id)s AND (calls IS NULL OR struck < calls) RETURNING 1
"""
REMOVE: Final = "DELETE FROM script_faults WHERE %(id)s::bigint IS NULL OR id = %(id)s::bigint RETURNING 1"
AHEAD: Final = "SELECT ahead_s FROM script_clock"
ADVANCE: Final = "UPDATE script_clock SET ahead_s = ahead_s + %(seconds)s RETURNING ahead_s"


class SqlFaultStore:
    """Scripts of both processors; every call is one statement."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def add(self, processor: str, document: dict[str, Any], rule: Rule) -> int:
        """Keep a rule; returns its number."""
        parameters = {
            "processor": processor,
            "rule": orjson.dumps(document).decode(),
            "calls": rule.calls,
            "most": RULES_MAX,
        }
        found = await self._connections.fetch(ADD, parameters)
        if not found:
            raise Rejected(
                "script_full", f"At most {RULES_MAX} rules; remove some.", status=409, stored=False
            )
        return int(found[0][0])

    async def rules(self, processor: str) -> Sequence[Rule]:
        """The rules that may still strike, oldest first."""
        found = await self._connections.fetch(RULES, {"processor": processor})
        rules = [_readable(document, rule_id) for rule_id, document in found]
        return [rule for rule in rules if rule is not None]

    async def all_rules(self) -> Sequence[StoredRule]:
        """Every rule as it was sent, with how often it has struck."""
        return [StoredRule(*row) for row in await self._connections.fetch(ALL, {})]

    async def count_strike(self, rule_id: int) -> bool:
        """Count one call; false if the rule has had all of its calls, or is gone."""
        return bool(await self._connections.fetch(STRIKE, {"id": rule_id}))

    async def remove(self, rule_id: int | None) -> int:
        """Remove one rule, or all; returns how many."""
        return len(await self._connections.fetch(REMOVE, {"id": rule_id}))

    async def clock_ahead_s(self) -> float:
        """How far the sandbox's clock is ahead."""
        return float((await self._connections.fetch(AHEAD, {}))[0][0])

    async def advance_clock(self, seconds: int) -> float:
        """Set the clock ahead; returns how far it is now."""
        return float((await self._connections.fetch(ADVANCE, {"seconds": seconds}))[0][0])


def _readable(document: dict[str, Any], rule_id: int) -> Rule | None:
    """The rule; none where a former release took what is refused now, which must not keep the others from striking."""
    try:
        return read_rule(document, rule_id=rule_id)[1]
    except Rejected:
        return None
