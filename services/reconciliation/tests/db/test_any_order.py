"""Whatever comes in whichever order and pieces: the same matches as over everything at once, and as in plain Python."""

import random
from contextlib import suppress
from datetime import timedelta
from itertools import combinations

import pytest

from services.reconciliation.app.match_by_hand import approve_taking_back, propose_taking_back
from services.reconciliation.app.run_matching import RunKind
from services.reconciliation.tests.pairing import ADA, BOB, agree, decide
from services.reconciliation.tests.plain_matching import plain_matches
from services.reconciliation.tests.three_legs import LATER, T0, World, op, pay
from shared.kernel.errors import Rejected

AMOUNTS = (1_000, 1_000, 1_000, 500, 2_000)
_LINES = """SELECT processor, account, category, line_id, revision, object_id, our_reference, currency,
                   gross_minor AS amount_minor, occurred_at FROM matchable_lines"""


@pytest.fixture
def world(desk):
    return World(desk)


def steps(dice):
    """Things that happen, few enough objects and amounts that they collide."""
    made = []
    for number in range(14):
        payment = dice.randrange(1, 6)
        at = T0 + timedelta(hours=dice.randrange(0, 120))
        amount = dice.choice(AMOUNTS)
        kind = dice.choice(
            ("PaymentCaptured", "PaymentCaptured", "RefundSucceeded", "OperationUncertain", "StrayFound")
        )
        changes = {"object_id": f"cap_{dice.randrange(1, 8)}", "at": at}
        if kind == "RefundSucceeded":
            changes |= {"refund_id": f"re_{number:026d}"}
        if kind == "OperationUncertain":
            changes |= {"direction": "in", "object_id": None}
        if kind == "StrayFound":
            changes |= {"stray_id": f"str_{number:026d}", "kind": "money"}
        made.append(lambda world, k=kind, p=payment, a=amount, c=changes: world.told(k, p, a, **c))
    for number in range(14):
        refund = dice.random() < 0.2
        said = {
            "object_id": dice.choice(
                (None, None, f"cap_{dice.randrange(1, 8)}", f"cap_{dice.randrange(1, 8)}")
            ),
            "our_reference": dice.choice((None, None, op(dice.randrange(1, 6)), pay(dice.randrange(1, 6)))),
            "occurred_at": T0 + timedelta(hours=dice.randrange(0, 120)),
            "category": "refund" if refund else "charge",
        }
        gross = dice.choice(AMOUNTS) * (-1 if refund else 1)
        made.append(lambda world, n=number, g=gross, s=said: world.line(f"l{n:02d}", g, **s))
    dice.shuffle(made)
    return made


def amendment(dice, world):
    """A line that says something else, or nothing any more."""
    known = world.rows("SELECT line_id, category, gross_minor FROM matchable_lines ORDER BY line_id")
    if not known:
        return
    line_id, category, gross = dice.choice(known)
    if dice.random() < 0.3:
        world.amend(line_id, 0, category=category, withdrawn=True)
        return
    reference = dice.choice((None, op(dice.randrange(1, 6))))
    object_id = dice.choice((None, f"cap_{dice.randrange(1, 8)}"))
    world.amend(line_id, gross, category=category, object_id=object_id, our_reference=reference)


_AGREED = """
SELECT (SELECT jsonb_object_agg(line_id, revision) FROM hand_match_lines AS l WHERE l.hand_match_id = m.hand_match_id),
       (SELECT jsonb_object_agg(item_key, event_id) FROM hand_match_items AS i WHERE i.hand_match_id = m.hand_match_id)
  FROM hand_matches AS m WHERE approved_by IS NOT NULL AND back_approved_by IS NULL
"""


def by_hand(dice, world):
    """Two people pair what comes to the same, or take back what two agreed."""
    standing = world.rows("SELECT hand_match_id FROM hand_matches WHERE state = 'APPROVED' ORDER BY 1")
    if standing and dice.random() < 0.1:
        (hand_match_id,) = dice.choice(standing)
        _take_back(world, hand_match_id)
        return
    lines = world.rows("SELECT line_id, category, gross_minor FROM matchable_lines ORDER BY 1")
    items = world.rows("SELECT item_key, category, amount_minor FROM matchable_items ORDER BY 1")
    pairs = [
        ([name for name, *_ in some], [name for name, *_ in others])
        for some in _some(dice, lines)
        for others in _some(dice, items)
        if _comes_to(some) == _comes_to(others)
    ]
    for lines_and_items in dice.sample(pairs, min(len(pairs), 8)):
        # What a rule matched exactly, and what is in doubt, is refused.
        with suppress(Rejected):
            agree(world.desk, *lines_and_items)
            return


def _some(dice, rows):
    """Singles and a few twos."""
    twos = list(combinations(rows, 2))
    return [(row,) for row in rows] + dice.sample(twos, min(len(twos), 10))


def _comes_to(rows):
    return {category for _, category, _ in rows}, sum(minor for *_, minor in rows)


def _take_back(world, hand_match_id):
    decide(world.desk, propose_taking_back, hand_match_id, actor=ADA)
    decide(world.desk, approve_taking_back, hand_match_id, actor=BOB)


def in_plain_python(world):
    with world.desk.engine.connect() as connection:
        lines = list(connection.exec_driver_sql(_LINES).mappings())
        items = list(connection.exec_driver_sql("SELECT * FROM matchable_items").mappings())
        agreed = list(connection.exec_driver_sql(_AGREED))
    return plain_matches(lines, items, agreed)


@pytest.mark.parametrize("seed", range(12))
def test_run_in_pieces_it_comes_to_what_one_run_over_everything_comes_to(world, seed):
    dice = random.Random(seed)  # noqa: S311 - a seed must replay
    for step in steps(dice):
        step(world)
        if dice.random() < 0.15:
            amendment(dice, world)
        if dice.random() < 0.4:
            world.match(tell=False)
    world.match(tell=False)
    matches, breaks = world.matches(), world.breaks()
    assert matches == in_plain_python(world)
    assert matches
    world.match(RunKind.FULL, tell=False)
    assert (world.matches(), world.breaks()) == (matches, breaks)
    world.match(RunKind.INCREMENTAL, as_of=LATER, tell=False)
    assert (world.matches(), world.breaks()) == (matches, breaks)


@pytest.mark.parametrize("seed", range(6))
def test_what_people_matched_by_hand_in_between_comes_to_the_same_in_every_run(world, seed):
    dice = random.Random(seed)  # noqa: S311 - a seed must replay
    for step in steps(dice):
        step(world)
        if dice.random() < 0.08:
            amendment(dice, world)
        if dice.random() < 0.6:
            by_hand(dice, world)
        if dice.random() < 0.4:
            world.match(dice.choice(list(RunKind)), tell=False)
    by_hand(dice, world)
    world.match(tell=False)
    matches, breaks = world.matches(), world.breaks()
    assert matches == in_plain_python(world)
    world.match(RunKind.FULL, tell=False)
    assert (world.matches(), world.breaks()) == (matches, breaks)
