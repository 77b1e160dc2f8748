"""What others know of a processor beforehand is what that processor's adapter declares of itself."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from services.payment.domain.routing import ABILITIES, takes_partial_captures, takes_several_captures
from services.processor.adapters.processors import alpha_http, beta_http
from services.webhook_ingest.bootstrap import sources
from services.webhook_ingest.settings import WebhookIngestSettings

DECLARED = {"alpha": alpha_http.CAPABILITIES, "beta": beta_http.CAPABILITIES}


def test_both_know_the_same_processors() -> None:
    assert ABILITIES.keys() == DECLARED.keys()


@pytest.mark.parametrize("processor", DECLARED)
def test_payment_asks_for_several_captures_only_where_they_are_declared(processor: str) -> None:
    assert takes_several_captures(processor) == DECLARED[processor].multiple_captures


@pytest.mark.parametrize("processor", DECLARED)
def test_payment_asks_for_a_part_of_a_hold_only_where_that_is_declared(processor: str) -> None:
    assert takes_partial_captures(processor) == DECLARED[processor].partial_captures


@pytest.mark.parametrize("processor", DECLARED)
def test_several_captures_of_a_hold_are_parts_of_it(processor: str) -> None:
    assert DECLARED[processor].partial_captures or not DECLARED[processor].multiple_captures


def test_there_is_a_door_for_the_webhooks_of_whom_sends_them_and_for_no_other() -> None:
    secret = SecretStr("whsec_0123456789abcdef")
    settings = WebhookIngestSettings.model_construct(
        alpha_webhook_secrets=secret, beta_webhook_secrets=secret
    )
    assert sources(settings).keys() == {name for name, can in DECLARED.items() if can.webhooks}
