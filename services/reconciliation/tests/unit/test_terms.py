"""What can be agreed: each kind its own key and values, within what can be."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, timedelta

import pytest

from services.reconciliation.domain.terms import Said, TermKind, check_said
from shared.kernel.errors import Rejected

pytestmark = pytest.mark.unit
NOW = datetime(2026, 11, 27, tzinfo=UTC)
TOLERANCE = Said(
    kind=TermKind.TOLERANCE, valid_from=NOW, source="alpha", currency="EUR", field="bank", tolerance_minor=1
)
FEE = Said(
    kind=TermKind.AGREED_FEE, valid_from=NOW, source="alpha", category="charge", currency="EUR", per_million=14_000,
    fixed_minor=25,
)  # fmt: skip
CALENDAR = Said(
    kind=TermKind.CALENDAR, valid_from=NOW, processor="alpha", time_zone="Europe/Berlin", settles_after_days=2,
    lost_after_days=5, holidays=(date(2026, 12, 25),),
)  # fmt: skip


@pytest.mark.parametrize("said", [TOLERANCE, FEE, CALENDAR], ids=lambda said: said.kind)
def test_each_kind_is_taken_and_ends_without_its_values(said):
    check_said(said)
    values = dict.fromkeys(
        (
            "tolerance_minor",
            "per_million",
            "fixed_minor",
            "time_zone",
            "settles_after_days",
            "lost_after_days",
            "holidays",
        )
    )
    check_said(dataclasses.replace(said, ended=True, **values))


@pytest.mark.parametrize(
    ("said", "changes", "field"),
    [
        (TOLERANCE, {"source": None}, "source"),
        (TOLERANCE, {"processor": "alpha"}, "processor"),
        (TOLERANCE, {"tolerance_minor": None}, "tolerance_minor"),
        (TOLERANCE, {"tolerance_minor": -1}, "tolerance_minor"),
        (TOLERANCE, {"ended": True}, "tolerance_minor"),
        (TOLERANCE, {"field": "net"}, "field"),
        (TOLERANCE, {"currency": "eur"}, "currency"),
        (FEE, {"category": "payout"}, "category"),
        (FEE, {"per_million": 1_000_001}, "per_million"),
        (FEE, {"fixed_minor": None}, "fixed_minor"),
        (CALENDAR, {"time_zone": "Europe/Nowhere"}, "time_zone"),
        (CALENDAR, {"time_zone": "../etc"}, "time_zone"),
        (CALENDAR, {"lost_after_days": 61}, "lost_after_days"),
        (
            CALENDAR,
            {"holidays": tuple(date(2026, 1, 1) + timedelta(days=nth) for nth in range(90))},
            "holidays",
        ),
        (CALENDAR, {"source": "alpha"}, "source"),
    ],
)
def test_what_cannot_be_is_refused_naming_the_field(said, changes, field):
    with pytest.raises(Rejected) as refused:
        check_said(dataclasses.replace(said, **changes))
    assert (refused.value.code, refused.value.param) == ("term_invalid", field)
