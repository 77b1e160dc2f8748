"""The demo's tale of doubts: begun, ended by whom and after how long, each heard once, few told one by one."""

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from services.payment.domain.status import Source
from tools.demo.healing import HEALERS, NOT_HEALED, OWN_WORD, PROVED_ABSENT, TOLD_OF_EACH, Doubts, Healed

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NUMBERS = count(1)


def step(operation, to_state, after_s, *, from_state="SENT", source=None):
    return {
        "history_id": next(NUMBERS), "payment_id": "pay_1", "operation_id": operation, "type": "capture",
        "processor": "alpha", "from_state": from_state, "to_state": to_state,
        "at": NOW + timedelta(seconds=after_s), "source": source,
    }  # fmt: skip


def test_a_doubt_is_told_when_it_begins_and_when_it_ends_and_each_step_once():
    doubts = Doubts()
    begun = step("op_1", "UNCERTAIN", 0)
    (told,) = doubts.hear([begun])
    assert "in doubt" in told
    assert doubts.open == 1
    (told,) = doubts.hear([begun, step("op_1", "SUCCEEDED", 3, from_state="UNCERTAIN", source="webhook")])
    assert "SUCCEEDED after 3.0 s, by a webhook" in told
    assert doubts.open == 0
    assert doubts.healed() == [Healed("alpha", "capture", "SUCCEEDED", "a webhook", 1, 3.0, 3.0)]


def test_few_are_told_one_by_one_and_all_are_counted():
    doubts = Doubts()
    lines = []
    for number in range(10):
        lines += doubts.hear([step(f"op_{number}", "UNCERTAIN", 0)])
        lines += doubts.hear([step(f"op_{number}", "ABANDONED", number, from_state="UNCERTAIN")])
    assert len(lines) == 2 * TOLD_OF_EACH
    assert doubts.healed() == [Healed("alpha", "capture", "ABANDONED", PROVED_ABSENT, 10, 4.5, 9.0)]


@pytest.mark.parametrize(
    ("end", "by", "word"),
    [
        ("IN_REVIEW", NOT_HEALED["IN_REVIEW"], "still open"),
        ("PENDING", NOT_HEALED["PENDING"], "still open"),
        ("SUCCEEDED", OWN_WORD, "healed"),
    ],
)
def test_what_decides_nothing_is_not_called_healed_and_only_what_was_given_up_was_absent(end, by, word):
    doubts = Doubts()
    doubts.hear([step("op_1", "UNCERTAIN", 0)])
    (told,) = doubts.hear([step("op_1", end, 1, from_state="UNCERTAIN")])
    assert word in told
    assert [kind.by for kind in doubts.healed()] == [by]


def test_whatever_evidence_can_come_from_has_its_word():
    decide_nothing_themselves = {Source.MERCHANT, Source.TIMER, Source.RISK}
    assert set(HEALERS) == set(Source) - decide_nothing_themselves
