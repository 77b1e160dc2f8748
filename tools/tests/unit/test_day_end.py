"""The demo's reconciliation holds only if exactly the planted breaks stand, payouts are explained and accounts agree."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tools.demo.clearing import Cleared
from tools.demo.reconciling import DayEnd, Found

FEE = {"processor": "alpha", "currency": "EUR", "at_risk_minor": 50}
LATE = {"processor": "beta", "currency": "EUR", "at_risk_minor": 700}
PAYOUT = {"payout_id": "po_1", "currency": "EUR", "explained": True}
ACCOUNT = Cleared(family="bank_clearing", owner="alpha:acct_1", currency="EUR", ledger_minor=0, open_minor=0)
GOOD = DayEnd(
    planted=[
        {**FEE, "error": "fee", "break_type": "fee_mismatch"},
        {**LATE, "error": "late", "break_type": "settlement_delay"},
    ],
    breaks=[{**FEE, "type": "fee_mismatch"}],
    payouts=[PAYOUT],
    cleared=[ACCOUNT],
    page=Path("page.html"),
    days=(date(2026, 11, 27), date(2026, 12, 4)),
)


def test_what_was_planted_and_nothing_else_holds():
    assert GOOD.holds
    assert (GOOD.missed, GOOD.unplanned, GOOD.unexplained, GOOD.uncleared) == ([], [], [], [])


@pytest.mark.parametrize(
    ("changed", "amiss"),
    [
        ({"breaks": []}, "missed"),
        ({"breaks": [*GOOD.breaks, *GOOD.breaks]}, "unplanned"),
        ({"breaks": [{**FEE, "type": "fee_mismatch", "at_risk_minor": 49}]}, "missed"),
        ({"breaks": [*GOOD.breaks, {**LATE, "type": "settlement_delay"}]}, "unplanned"),
        ({"payouts": [{**PAYOUT, "explained": False}]}, "unexplained"),
        ({"cleared": [replace(ACCOUNT, open_minor=1)]}, "uncleared"),
    ],
)
def test_anything_amiss_is_named_and_does_not_hold(changed, amiss):
    day = replace(GOOD, **changed)
    assert getattr(day, amiss)
    assert not day.holds


@pytest.mark.parametrize("nothing", ["planted", "payouts", "cleared"])
def test_a_day_of_nothing_proves_nothing(nothing):
    assert not replace(GOOD, breaks=[], **{nothing: []}).holds


def test_a_break_is_compared_by_type_place_and_money():
    (found,) = replace(GOOD, breaks=[]).missed
    assert found == Found(type="fee_mismatch", processor="alpha", currency="EUR", at_risk_minor=50)
