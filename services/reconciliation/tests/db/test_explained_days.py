"""What is left of a day: payouts of opposite signs do not make each other good, and every part has its break's name."""

from datetime import date, timedelta

import pytest

from services.reconciliation.adapters.explained_days import explained_days
from services.reconciliation.tests.three_legs import T0, World

pytestmark = pytest.mark.db
LOST = T0 + timedelta(days=20)
DAY = date(2026, 11, 3)


@pytest.fixture
def world(desk):
    """One day: a payout that is short by 300, one that is over by as much, one paid, and a credit of nobody's."""
    made = World(desk)
    for name, net, paid in (("po_1", 1_000, 700), ("po_2", 1_000, 1_300), ("po_3", 500, 500)):
        made.line(f"l_{name}", net, payout_id=name, object_id=f"cap_{name}")
        made.payout(name, net)
        made.bank_line(f"b_{name}", paid, f"ref_{name}")
    made.bank_line("b_4", 77, "who knows")
    made.bank_line("b_5", -12, "a fee", value_on=date(2026, 11, 7))
    return made


def days(world):
    found = world.desk.run(lambda uow: explained_days(uow.connection, date(2026, 11, 1), date(2026, 11, 30)))
    return {row["day"]: row for row in found}


def test_what_is_left_of_a_day_adds_up_without_signs_and_is_named(world):
    world.match(as_of=LOST)
    day = days(world)[DAY]
    assert (day["payouts"], day["net_minor"], day["bank_credit_minor"]) == (3, 2_500, 2_500)
    assert (day["residue_minor"], day["unallocated_minor"]) == (600, 77)
    assert day["named_by"] == [
        {"type": "missing_in_bank", "breaks": 1, "minor": 300},
        {"type": "unexpected_in_bank", "breaks": 2, "minor": 377},
    ]
    assert (day["unnamed_minor"], day["explained"]) == (0, True)


def test_a_credit_for_no_payout_is_left_on_its_own_day(world):
    world.match(as_of=LOST)
    day = days(world)[date(2026, 11, 7)]
    assert (day["payouts"], day["residue_minor"], day["unallocated_minor"]) == (0, 0, 12)
    assert day["named_by"] == [{"type": "unexpected_in_bank", "breaks": 1, "minor": 12}]


def test_what_no_break_names_yet_is_said_to_have_no_name(world):
    day = days(world)[DAY]
    assert (day["residue_minor"], day["named_by"]) == (2_500, [])
    assert (day["unnamed_minor"], day["explained"]) == (2_500 + 700 + 1_300 + 500 + 77, False)
