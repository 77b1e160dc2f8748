"""What payment knows of a processor beforehand is what that processor's adapter declares of itself."""

from __future__ import annotations

import pytest

from services.payment.domain.routing import ABILITIES, takes_several_captures
from services.processor.adapters.processors import alpha_http, beta_http

DECLARED = {"alpha": alpha_http.CAPABILITIES, "beta": beta_http.CAPABILITIES}


def test_both_know_the_same_processors() -> None:
    assert ABILITIES.keys() == DECLARED.keys()


@pytest.mark.parametrize("processor", DECLARED)
def test_payment_asks_for_several_captures_only_where_they_are_declared(processor: str) -> None:
    assert takes_several_captures(processor) == DECLARED[processor].multiple_captures
