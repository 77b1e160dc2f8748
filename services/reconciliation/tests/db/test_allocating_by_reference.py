"""Bank lines that name a payout: as a whole word, the bank's own numbers never for it."""

import pytest

from services.reconciliation.tests.three_legs import World

pytestmark = pytest.mark.db


@pytest.fixture
def world(desk):
    return World(desk)


def allocated(world):
    return world.rows("SELECT line_id, payout_id, amount_minor, rule FROM payout_allocations ORDER BY 1, 2")


def test_a_number_of_the_banks_own_is_not_the_batch_of_the_same_number(world):
    world.payout("118", 10_000, bank_reference=None)
    world.bank_line("b", 700, "118")
    world.match()
    assert allocated(world) == []


@pytest.mark.parametrize("amount", [10_000, -10_000])
def test_a_short_number_counts_with_the_amount_of_its_payout(world, amount):
    world.payout("118", 10_000, bank_reference=None)
    world.bank_line("b", amount, "118", returned=amount < 0)
    world.match()
    assert allocated(world) == [("b", "118", amount, "reference")]


def test_what_the_bank_was_given_counts_however_short_it_is(world):
    world.payout("po_000001", 10_000, bank_reference="P7")
    world.bank_line("b", 9_000, "P7")
    world.match()
    assert allocated(world) == [("b", "po_000001", 9_000, "reference")]


def test_a_reference_is_found_as_a_word_within_another(world):
    world.payout("po_000001", 10_000, bank_reference=None)
    world.bank_line("b", 9_000, "ALPHA PAYOUT po_000001")
    world.bank_line("c", 9_000, "po_0000012")
    world.bank_line("d", 9_000, "xpo_000001")
    world.match()
    assert allocated(world) == [("b", "po_000001", 9_000, "reference")]


def test_a_whole_reference_goes_before_a_word_within_one(world):
    """Two payouts that do not add up to the line would leave it to nobody."""
    world.payout("po_000001", 10_000, bank_reference=None)
    world.payout("po_000002", 5_000, bank_reference=None)
    world.bank_line("b", 9_000, "po_000001", "follows po_000002")
    world.match()
    assert allocated(world) == [("b", "po_000001", 9_000, "reference")]
