"""Leases outlast the calls of every processor that is switched on, and of no other."""

import pytest
from pydantic import ValidationError

from services.processor.settings import ProcessorSettings

GIVEN = {
    "database_url": "postgresql://app@localhost/processor",
    "relay_database_url": "postgresql://relay@localhost/processor",
    "owner_database_url": "postgresql://owner@localhost/processor",
    "kafka_bootstrap_servers": "localhost:9092",
    "alpha_base_url": "http://alpha",
    "alpha_api_key": "k",
    "alpha_timeout_s": 1,
    "lease_s": 3,
    "lease_margin_s": 0.5,
}
BETA = {"beta_base_url": "http://beta", "beta_api_key": "k"}


def test_a_processor_that_is_not_there_needs_no_patience():
    assert ProcessorSettings(**GIVEN, beta_timeout_s=30).lease_s == 3


def test_how_long_it_may_pend_is_said_by_processor_and_kind_and_else_by_kind():
    made = ProcessorSettings(**GIVEN, pending_limits_s="beta=60 alpha.refund=120.5")
    assert [made.pending_limit_s("beta", "refund"), made.pending_limit_s("alpha", "refund")] == [60, 120.5]
    assert made.pending_limit_s("alpha", "authorize") is None


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"alpha_timeout_s": 2}, "alpha_timeout_s"),
        (BETA | {"beta_timeout_s": 2}, "beta_timeout_s"),
        ({"beta_base_url": "http://beta", "beta_timeout_s": 1}, "beta_api_key"),
        ({"pending_limits_s": "gamma=5"}, "gamma"),
        ({"pending_limits_s": "alpha=0"}, "positive"),
    ],
)
def test_a_lease_shorter_than_a_call_and_a_half_processor_are_refused(changes, named):
    with pytest.raises(ValidationError, match=named):
        ProcessorSettings(**GIVEN | changes)
