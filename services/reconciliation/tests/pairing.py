"""Matches by hand in tests: agreed by ada and bob."""

from __future__ import annotations

from services.reconciliation.app.match_by_hand import approve_hand_match, propose_hand_match
from services.reconciliation.tests.three_legs import World
from shared.kernel.operators import Actor

ADA = Actor(name="ada", role="operator")
BOB = Actor(name="bob", role="approver")


def item(number: int, category: str = "charge", account: str = "acct_alpha") -> str:
    """The key of the item of object ``cap_<number>``."""
    return f"{category}:alpha:{account}:cap_{number}"


def propose(desk, lines, items, *, actor=ADA, source="alpha_report"):
    """Pair them; nothing counts yet."""
    return desk.run(lambda uow: propose_hand_match(source, lines, items, "seen on paper", actor, uow))


def decide(desk, step, hand_match_id, *, actor=BOB):
    """One step of a use case about a match by hand."""
    return desk.run(lambda uow: step(hand_match_id, "looked at it", actor, uow))


def agree(desk, lines, items, **more):
    """Proposed by ada and approved by bob."""
    made = propose(desk, lines, items, **more)
    return decide(desk, approve_hand_match, made.hand_match_id)


def named_otherwise(desk):
    """A sale of ten that the report names otherwise, and one of twenty that it has in two lines of other names."""
    made = World(desk)
    made.captured(1, 1_000)
    made.captured(2, 2_000)
    made.line("l1", 1_000, object_id="other_1")
    made.line("l2", 1_500, object_id="other_2")
    made.line("l3", 500, object_id="other_3")
    made.match()
    assert made.matches() == set()
    return made
