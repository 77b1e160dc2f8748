"""One service that has to die, at one point after the other: orders are given, and seen to be carried out."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Final

from tools.crash.points import CrashCase
from tools.crash.stack import FragileStack

REBALANCES: Final = "consumer.in_revoke"
"""Partitions are taken away only when another member joins."""


class Deaths:
    """The cases of one service in one round.

    The next order is given only once the supervisor saw the last death, because the dying process could take that
    one as well, and once the service is back, so that it dies in the middle of its life.
    """

    def __init__(self, stack: FragileStack, service: str, cases: Sequence[CrashCase]) -> None:
        self.service = service
        # First while everybody is a member: who comes back meets the other copy there, and has nothing to give away.
        self.alive = sorted(cases, key=lambda case: case.point != REBALANCES)
        self.dead: list[CrashCase] = []
        self.ordered: CrashCase | None = None
        self.waves = 0
        """Waves of load that began under the standing order."""
        self._stack = stack
        self._kills_before = stack.kills_seen(service)

    @property
    def kills(self) -> int:
        """How often the supervisor saw it killed since."""
        return self._stack.kills_seen(self.service) - self._kills_before

    @property
    def is_dying(self) -> bool:
        """Whether a process took the order and nobody has seen it die yet."""
        return self.ordered is not None and self._stack.order_was_taken(self.service)

    @property
    def is_coming_back(self) -> bool:
        """Whether it died and has a point left, and is not up yet to be ordered to die there."""
        return self.ordered is None and bool(self.alive)

    def begin(self, members: ExitStack) -> None:
        """Give the first order; where partitions have to be taken away, another member joins for the round."""
        self._order()
        if self.alive[0].point == REBALANCES:
            members.enter_context(self._stack.second_copy(self.service, "consume"))

    def advance(self, *, may_order: bool = True) -> None:
        """Note a death, and give the next order if it is time for it."""
        if self.is_dying and self.kills > len(self.dead):
            self.dead.append(self.alive.pop(0))
            self.ordered = None
        if may_order and self.ordered is None and self.alive and self._stack.is_ready(self.service):
            self._order()

    def withdraw(self) -> None:
        """Whoever has not taken the order by now does not die of it any more."""
        self._stack.withdraw_order(self.service)

    def _order(self) -> None:
        self.ordered = self.alive[0]
        self.waves = 0
        self._stack.order_death(self.service, self.ordered.point)
