"""What an adapter declares decides how its processor is looked up: from when on, with which patience, how often."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.processor import bootstrap
from services.processor.adapters.processors import beta_http
from services.processor.app.call_processor import Lane, LaneLimits, Store
from services.processor.app.record_outcomes import Recorded
from services.processor.bootstrap import make_policies
from services.processor.domain.attempt import Attempt, Phase
from services.processor.domain.operation import Operation
from services.processor.domain.outcome import Found, LookUp
from services.processor.domain.policy import TOLD_CHECK_S, UNTOLD_CHECK_S, LookUpBy, Policy
from services.processor.settings import ProcessorSettings
from shared.kernel.clock import SystemClock
from shared.kernel.jitter import Jitter
from shared.runtime.startup import StartupRefused

SENT_AT = datetime(2026, 1, 1, tzinfo=UTC)
LONG_BEFORE = SENT_AT - timedelta(seconds=300 + Policy(keys_live_s=0).visibility_window_s)
"""Five minutes for clocks that differ, and a window."""


def policies(window_s=600.0):
    return make_policies(
        ProcessorSettings(
            database_url="postgresql://app@localhost/processor",
            alpha_base_url="http://alpha",
            alpha_api_key="k",
            beta_base_url="http://beta",
            beta_api_key="k",
            beta_visibility_window_s=window_s,
        )
    )


@pytest.fixture
def declared(monkeypatch):
    """Let beta declare something else."""

    def change(**other):
        monkeypatch.setattr(bootstrap.beta_http, "CAPABILITIES", replace(beta_http.CAPABILITIES, **other))

    return change


@pytest.mark.parametrize("kind", ["authorize", "capture", "refund"])
def test_only_a_list_is_searched_and_that_from_long_enough_before_the_first_send(kind):
    made = policies()
    assert made["alpha"].of(kind).searched_since(SENT_AT) is None
    window_s = made["beta"].visibility_window_s
    assert made["beta"].of(kind).searched_since(SENT_AT) == SENT_AT - timedelta(seconds=300 + window_s)
    assert made["beta"].of(kind).searched_since(None) is None


@pytest.mark.parametrize(("by", "since"), [(LookUpBy.REFERENCE, None), (LookUpBy.DELAYED_LIST, LONG_BEFORE)])
def test_the_lane_gives_a_look_up_what_is_declared_that_it_needs(by, since):
    operation = Operation(
        operation_id="op_1", payment_id="pay_1", kind="capture", processor="x", account="a",
        amount_minor=1, currency="EUR", authorization_id="auth",
    )  # fmt: skip
    held = Attempt(
        operation=operation, cause_id="evt", next_at=SENT_AT, phase=Phase.WAITING, first_sent_at=SENT_AT
    )
    due, stop, asked = [held], threading.Event(), []

    class Outside:
        name = "x"

        async def look_up(self, looked_up, *, since=None):
            asked.append((looked_up, since))
            return LookUp(found=Found.NOT_FOUND)

    def claim(_limit):
        return [due.pop()] if due else []

    def record(outcomes):
        stop.set()
        return Recorded(applied=len(outcomes), stale=0)

    with ThreadPoolExecutor(2) as threads:
        lane = Lane(
            Outside(), Store(claim=claim, record=record), policy=Policy(keys_live_s=0, look_up_by=by),
            limits=LaneLimits(concurrent_calls=2, call_timeout_s=1.0), clock=SystemClock(), jitter=Jitter(),
            executor=threads,
        )  # fmt: skip
        asyncio.run(lane.run(stop))
    assert asked == [(operation, since)]


def test_a_list_without_a_window_is_refused_at_the_start(declared):
    with pytest.raises(StartupRefused, match=r"PROCESSOR_BETA_VISIBILITY_WINDOW_S.*expected more than 0"):
        policies(window_s=0)
    declared(look_up_by=LookUpBy.REFERENCE)
    assert policies(window_s=0)["beta"].visibility_window_s == 0


@pytest.mark.parametrize(
    ("webhooks", "feed", "check_s"),
    [
        (True, True, TOLD_CHECK_S),
        (True, False, TOLD_CHECK_S),
        (False, True, TOLD_CHECK_S),
        (False, False, UNTOLD_CHECK_S),
    ],
)
def test_who_tells_nobody_what_it_decided_is_asked_more_often(webhooks, feed, check_s, declared):
    declared(webhooks=webhooks, feed=feed)
    made = policies()["beta"]
    above = len(made.ladder_s)
    assert {made.of(kind).wait_s(above) for kind in ("authorize", "capture", "refund")} == {check_s}
