"""What the terms of a world demand, asked of rows made by hand."""

from types import SimpleNamespace

import pytest

from tests.simulation.terms import broken_terms

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
        return [denied] if "denied" in query else []

    assert list(broken_terms(DRAWN, rows)) == ([] if told is None else [told])
