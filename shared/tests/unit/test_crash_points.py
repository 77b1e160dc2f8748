"""Crash points: inert unless armed and allowed, deadly at the hit that was named, and only once if told so."""

import os
import signal
import subprocess
import sys

import pytest

from shared.kernel.crash_points import ALLOWED, KNOWN_CRASH_POINTS, _armed_from, armed_unasked, crash_point
from shared.kernel.errors import InvariantViolation

HITS = """
from shared.kernel.crash_points import crash_point
for hit in range(3):
    print(hit, flush=True)
    crash_point("relay.before_mark")
    crash_point("relay.after_mark")
"""


def hit_three_times(allowed=ALLOWED, **environment):
    done = subprocess.run(
        [sys.executable, "-c", HITS],
        env={**os.environ, **allowed, **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.returncode, done.stdout.split()


def test_an_unarmed_process_runs_through():
    assert hit_three_times() == (0, ["0", "1", "2"])


def test_an_armed_point_kills_at_the_named_hit():
    assert hit_three_times(TIEOUT_CRASH_AT="relay.before_mark") == (-signal.SIGKILL, ["0"])
    assert hit_three_times(TIEOUT_CRASH_AT="relay.after_mark:2") == (-signal.SIGKILL, ["0", "1"])


def test_with_a_once_file_the_restarted_process_runs_on(tmp_path):
    armed = {"TIEOUT_CRASH_AT": "relay.before_mark", "TIEOUT_CRASH_ONCE_FILE": str(tmp_path / "crashed")}
    assert hit_three_times(**armed)[0] == -signal.SIGKILL
    assert hit_three_times(**armed) == (0, ["0", "1", "2"])


@pytest.mark.parametrize("wanted", ["no.such_point", "relay.after_mark:0", "relay.after_mark:x"])
def test_a_process_armed_with_nonsense_does_not_start(wanted):
    with pytest.raises(InvariantViolation):
        _armed_from({"TIEOUT_CRASH_AT": wanted} | ALLOWED)


def test_a_process_that_is_not_said_to_be_under_test_is_never_killed(tmp_path):
    order = tmp_path / "order"
    order.write_text("relay.before_mark")
    for armed in ({"TIEOUT_CRASH_AT": "relay.before_mark"}, {"TIEOUT_CRASH_ORDER_FILE": str(order)}):
        for allowed in ({}, dict.fromkeys(ALLOWED, "1")):
            assert hit_three_times(allowed, **armed) == (0, ["0", "1", "2"])
            assert armed_unasked(armed | allowed) == list(armed)
        assert armed_unasked(armed | ALLOWED) == []


def test_an_unlisted_point_is_refused_even_unarmed():
    with pytest.raises(InvariantViolation):
        crash_point("no.such_point")
    for name in KNOWN_CRASH_POINTS:
        crash_point(name)


def test_an_order_written_to_the_file_kills_once_at_its_own_point_only(tmp_path):
    order = tmp_path / "order"
    armed = {"TIEOUT_CRASH_ORDER_FILE": str(order)}
    assert hit_three_times(**armed) == (0, ["0", "1", "2"])
    order.write_text("relay.before_mark")
    assert hit_three_times(**armed) == (-signal.SIGKILL, ["0"])
    assert [path.name for path in tmp_path.iterdir()] == ["order.taken"]
    assert hit_three_times(**armed) == (0, ["0", "1", "2"])
    order.write_text("relay.after_claim")
    assert hit_three_times(**armed) == (0, ["0", "1", "2"])
    assert order.exists()
