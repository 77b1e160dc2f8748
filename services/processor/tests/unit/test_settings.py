"""Leases outlast the calls of every processor that is switched on, and of no other; waits are lengths of time."""

import pytest
from pydantic import ValidationError

from services.processor import settings
from services.processor.domain.operation import KINDS
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


def test_every_kind_of_operation_may_have_a_ladder_and_a_limit_of_its_own():
    assert settings.KINDS == KINDS
    for kind in KINDS:
        made = ProcessorSettings(
            **GIVEN, look_up_ladders_s=f"beta.{kind}=1,2,3", pending_limits_s=f"beta.{kind}=7"
        )
        assert (made.ladder_s("beta", kind), made.pending_limit_s("beta", kind)) == ((1, 2, 3), 7)
        assert made.ladder_s("alpha", kind) != (1, 2, 3)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"alpha_timeout_s": 2}, "alpha_timeout_s"),
        (BETA | {"beta_timeout_s": 2}, "beta_timeout_s"),
        ({"beta_base_url": "http://beta", "beta_timeout_s": 1}, "beta_api_key"),
        ({"pending_limits_s": "gamma=5"}, "gamma"),
        ({"pending_limits_s": "alpha=0"}, "positive"),
        ({"pending_limits_s": "alpha=nan"}, "alpha: 'nan' is not positive"),
        ({"pending_limits_s": "alpha=1e12"}, "at most a year"),
        ({"pending_limits_s": "alpha=5,6"}, "alpha=5,6 is not one"),
        ({"pending_limits_s": "alpha=5 alpha=6"}, "'alpha' is named twice"),
        ({"look_up_ladders_s": "beta.payout=1,2,3"}, "dispute_accept"),
        ({"look_up_ladders_s": "beta=1,x,3"}, "beta: '1,x,3'"),
        ({"look_up_ladders_s": "beta=1,nan,3"}, "beta: '1,nan,3'"),
        ({"look_up_ladder_s": "1,5,inf"}, "'1,5,inf'"),
        ({"beta_visibility_window_s": float("inf")}, "beta_visibility_window_s"),
    ],
)
def test_what_could_not_be_kept_is_refused_by_its_name(changes, named):
    with pytest.raises(ValidationError, match=named):
        ProcessorSettings(**GIVEN | changes)
