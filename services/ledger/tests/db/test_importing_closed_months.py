"""History of a month that is closed: it takes effect in the first open one, keeps its time, and is booked once all the same."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from services.ledger.tests.bringing import bring
from services.ledger.tests.db.closing import close
from services.ledger.tests.import_lines import line, write
from services.ledger.tests.payloads import Payment

pytestmark = pytest.mark.db
JULY, AUGUST = datetime(2024, 7, 15, tzinfo=UTC), datetime(2024, 8, 10, tzinfo=UTC)
FIRST_OF_AUGUST = datetime(2024, 8, 1, tzinfo=UTC)
BOOKED = (
    "SELECT j.fact_key, j.effective_at, l.told_effective_at FROM journals j"
    " LEFT JOIN late_journals l ON l.journal_position = j.position WHERE j.rule = 'imported' ORDER BY j.position"
)
TOLD = "SELECT convert_from(payload, 'UTF8') FROM outbox WHERE event_type = 'JournalPosted.v1' ORDER BY position DESC LIMIT 2"


def test_what_is_imported_into_a_closed_month_is_late_like_anything_else(ledger, tmp_path):
    ledger.tell(Payment(1).captured(10_000, 300), time=JULY)
    close(ledger, "2024-07")
    said = [line(1, at="2024-07-15T00:00:00Z"), line(2, at="2024-08-10T00:00:00Z")]

    assert bring(ledger, write(tmp_path / "one.jsonl", said)).booked == 2
    assert ledger.rows(BOOKED) == [("old:tx-1", FIRST_OF_AUGUST, JULY), ("old:tx-2", AUGUST, None)]
    second, first = (json.loads(payload) for (payload,) in ledger.rows(TOLD))
    assert (first["effective_at"], first["told_effective_at"]) == (
        "2024-08-01T00:00:00Z",
        "2024-07-15T00:00:00Z",
    )
    assert second.get("told_effective_at") is None
    again = bring(ledger, write(tmp_path / "two.jsonl", [*said, line(3)]))
    assert (again.booked, again.checked.already) == (1, 2), "told as before, it is the same journal"
