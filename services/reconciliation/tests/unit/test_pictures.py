"""Which band money is in, and how days are drawn."""

from __future__ import annotations

import itertools
from datetime import date

import pytest

from services.reconciliation.domain.break_life import BreakState
from services.reconciliation.domain.breaks import BreakType
from services.reconciliation.domain.pictures import HEIGHT, WIDTH, Band, DayPicture, band_of, drawings

STANDING = [state for state in BreakState if state is not BreakState.SELF_CLOSED]


@pytest.mark.parametrize(("kind", "state"), list(itertools.product(BreakType, STANDING)))
def test_every_break_that_stands_has_one_band(kind, state):
    wanted = {BreakState.RESOLVED: Band.ACCEPTED, BreakState.DEFERRED: Band.TIMING}.get(state)
    if wanted is None:
        wanted = Band.TIMING if kind is BreakType.SETTLEMENT_DELAY else Band.BROKEN
    assert band_of(kind, state) is wanted


def test_what_closed_itself_is_no_money():
    with pytest.raises(ValueError, match="stands for no money"):
        band_of(BreakType.AMOUNT_MISMATCH, BreakState.SELF_CLOSED)


def test_a_broken_cent_beside_a_million_is_seen_and_nothing_leaves_the_drawing():
    days = [
        DayPicture(
            day=date(2026, 11, day),
            currency="EUR",
            minor={Band.MATCHED: 100_000_000, Band.TIMING: 1, Band.BROKEN: 1},
        )
        for day in range(1, 31)
    ]
    [drawing] = drawings(days)
    assert {bar.band for bar in drawing.bars if bar.height >= 2} == {Band.MATCHED, Band.TIMING, Band.BROKEN}
    assert all(bar.y >= 0 and bar.y + bar.height <= HEIGHT for bar in drawing.bars)
    assert all(bar.x + bar.width <= WIDTH for bar in drawing.bars)


def test_each_currency_is_drawn_to_its_own_scale():
    days = [
        DayPicture(day=date(2026, 11, 1), currency=currency, minor={Band.MATCHED: minor})
        for currency, minor in (("JPY", 1_000_000), ("EUR", 5))
    ]
    assert [(drawing.currency, drawing.highest_minor) for drawing in drawings(days)] == [
        ("EUR", 5),
        ("JPY", 1_000_000),
    ]
    assert len({drawing.bars[0].height for drawing in drawings(days)}) == 1
