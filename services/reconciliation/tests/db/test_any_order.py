"""Whatever comes in whichever order and pieces: the same matches as over everything at once, and as in plain Python."""

import random
from datetime import timedelta

import pytest

from services.reconciliation.app.run_matching import RunKind
from services.reconciliation.tests.plain_matching import plain_matches
from services.reconciliation.tests.three_legs import LATER, T0, World, op, pay

AMOUNTS = (1_000, 1_000, 1_000, 500, 2_000)
_LINES = """SELECT processor, account, category, line_id, object_id, our_reference, currency,
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


def in_plain_python(world):
    with world.desk.engine.connect() as connection:
        lines = list(connection.exec_driver_sql(_LINES).mappings())
        items = list(connection.exec_driver_sql("SELECT * FROM matchable_items").mappings())
    return plain_matches(lines, items)


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
