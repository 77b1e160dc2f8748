"""What the terms of a world demand, asked of rows made by hand."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from tests.simulation.terms import _ASKED, _DENIED_TOO_LATE, _NOT_DENIED, broken_terms

DRAWN = SimpleNamespace(risk_small_minor="authorize=1", risk_recheck_after_s=1.0)


@pytest.mark.parametrize(
    ("denied", "told"),
    [
        (("op_1", "CANCELED", 0, True, False), None),
        (("op_1", "AUTHORIZED", 0, True, False), None),
        (("op_1", "FAILED", 0, False, False), None),
        (("op_1", "CAPTURED", 5, False, True), None),
        (("op_1", "AUTHORIZED", 0, False, False), "op_1 was denied, and what it holds was never given back"),
        (
            ("op_1", "CAPTURED", 5, False, False),
            "op_1 was denied, and nobody was asked about the 5 that were taken",
        ),
    ],
)
def test_what_was_denied_too_late_is_given_back_or_a_person_is_asked(denied, told):
    def rows(query):
        return [denied] if query == _DENIED_TOO_LATE else []

    assert list(broken_terms(DRAWN, rows)) == ([] if told is None else [told])


@pytest.mark.parametrize(
    ("stands", "told"),
    [
        (("pay_1", False, False), None),
        (("pay_1", None, False), None),
        (("pay_1", True, False), "pay_1 was given back for risk, which denied nothing that it has"),
        (("pay_1", None, True), "pay_1 was put before a person for risk, which denied nothing that it has"),
    ],
)
def test_what_risk_did_not_deny_is_left_alone(stands, told):
    def rows(query):
        return [stands] if query == _NOT_DENIED else []

    assert list(broken_terms(DRAWN, rows)) == ([] if told is None else [told])


@pytest.mark.parametrize(("second", "told"), [("BLOCKED", 1), ("WITHDRAWN", 1), ("ALLOWED", 0)])
def test_what_was_refused_is_no_judgement_that_a_capture_may_rest_on(second, told):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    asked = [
        ("op_1", "pay_1", "authorize", 1, start, "ALLOWED", "risk", None, None),
        ("op_2", "pay_1", "capture", 1, start + timedelta(seconds=5), second, "risk", None, None),
        ("op_3", "pay_1", "capture", 1, start + timedelta(seconds=5.5), None, None, None, None),
    ]

    def rows(query):
        return asked if query == _ASKED else []

    never = "op_3 (capture) was never judged, 5.5 s after the last judgement"
    assert list(broken_terms(DRAWN, rows)) == [never] * told
