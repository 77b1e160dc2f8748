"""Bank lines that name no payout: the amount decides only where it can mean one payout."""

from datetime import date

import pytest

from services.reconciliation.tests.three_legs import World

pytestmark = pytest.mark.db


@pytest.fixture
def world(desk):
    return World(desk)


def allocated(world):
    return world.rows("SELECT line_id, payout_id, returned FROM payout_allocations ORDER BY 1")


def pay_out(world, name, day, *, arrived=True):
    world.payout(f"p{name}", 10_000, bank_reference=None, expected_on=day)
    if arrived:
        world.bank_line(f"b{name}", 10_000, value_on=day)


@pytest.mark.parametrize(
    "days", [[date(2026, month, 10) for month in range(1, 7)], [date(2026, 1, day) for day in range(1, 7)]]
)
def test_a_payout_that_never_came_shifts_none_of_those_that_came(world, days):
    for number, day in enumerate(days):
        pay_out(world, number, day, arrived=number > 0)
    world.match()
    assert allocated(world) == [(f"b{number}", f"p{number}", False) for number in range(1, 6)]
    assert len(world.breaks()) == 1


def test_between_two_payouts_as_near_nobody_chooses(world):
    for name, day in (("1", 10), ("2", 12)):
        world.payout(f"p{name}", 10_000, bank_reference=None, expected_on=date(2026, 1, day))
    world.bank_line("b", 10_000, value_on=date(2026, 1, 11))
    world.match()
    assert allocated(world) == []


def test_a_return_is_of_the_one_credit_that_it_can_be_of(world):
    for day in (1, 15):
        pay_out(world, day, date(2026, 1, day))
    world.bank_line("back", -10_000, value_on=date(2026, 1, 17), returned=True)
    world.match()
    assert ("back", "p15", True) in allocated(world)


def test_a_return_that_may_be_of_either_of_two_credits_is_of_none(world):
    for day in (8, 15):
        pay_out(world, day, date(2026, 1, day))
    world.bank_line("back", -10_000, value_on=date(2026, 1, 17), returned=True)
    world.match()
    assert [row[0] for row in allocated(world)] == ["b15", "b8"]


def test_a_corrected_currency_is_told_by_further_numbers(world):
    """Of one payout there may be a part in each currency; the ledger numbers what a line told of it over all of them."""
    world.payout("po_xxxxxx", 10_000, bank_reference=None)
    world.payout("po_xxxxxx", 9_000, bank_reference=None, currency="USD")
    world.bank_line("b", 10_000, "po_xxxxxx")
    world.match()
    rest = 'source, line_id, file_id, line_number, statement_id, account_number, booked_on, value_on, "references", text'
    with world.desk.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE bank_lines SET stands = false")
        connection.exec_driver_sql(
            f"INSERT INTO bank_lines ({rest}, returned, revision, currency, amount_minor)"
            f" SELECT {rest}, returned, 2, 'USD', 9000 FROM bank_lines"
        )
    world.match()
    world.match()
    told = world.rows("SELECT allocation_number, currency, amount_minor FROM payout_allocations ORDER BY 1")
    assert told == [(1, "EUR", 10_000), (2, "EUR", -10_000), (3, "USD", 9_000)]
