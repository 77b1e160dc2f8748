"""A process starts only if all holds, says why not in one line, drains on a signal, and dies with its roles."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.testing.waiting import eventually

SCRIPT = Path(__file__).with_name("shop_process.py")
ROOT = Path(__file__).parents[3]


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Running:
    def __init__(self, process, port, traces):
        self.process = process
        self.port = port
        self.traces = traces

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            reply = connection.getresponse()
            return reply.status, json.loads(reply.read() or b"null")
        finally:
            connection.close()

    def is_ready(self):
        try:
            return self.get("/health/ready")[0] == 200
        except OSError:
            assert self.process.poll() is None, self.process.stderr.read()
            return False

    def stop(self, signal_number=signal.SIGTERM):
        self.process.send_signal(signal_number)
        return self.process.wait(20)

    def drained(self):
        return set(self.traces.read_text().split("\n")) - {""} if self.traces.exists() else set()


def environment(tmp_path, port, **settings):
    given = {f"SHOP_{name.upper()}": str(value) for name, value in settings.items()}
    return os.environ | {
        "SHOP_HTTP_PORT": str(port), "SHOP_TRACES": str(tmp_path / "traces"), "PYTHONPATH": str(ROOT), **given
    }  # fmt: skip


@contextmanager
def started(tmp_path, *words, **settings):
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *(words or ("run",))],
        env=environment(tmp_path, port, **settings),
        stderr=subprocess.PIPE,
        text=True,
    )
    running = Running(process, port, tmp_path / "traces")
    try:
        yield running
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def once(tmp_path, *words, **settings):
    return subprocess.run(
        [sys.executable, str(SCRIPT), *words],
        env=environment(tmp_path, free_port(), **settings),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_every_role_and_the_requests_in_flight(tmp_path, signal_number):
    with started(tmp_path) as running:
        eventually(running.is_ready, timeout_s=20)
        with ThreadPoolExecutor(1) as pool:
            slow = pool.submit(running.get, "/slow")
            eventually(lambda: "slow began" in running.drained())
            assert running.stop(signal_number) == 0
            assert slow.result() == (200, {"done": True})
        assert running.drained() >= {"relay drained", "work.one drained", "work.two drained"}


def test_one_role_runs_alone_and_still_answers_the_probes(tmp_path):
    with started(tmp_path, "relay") as running:
        eventually(running.is_ready, timeout_s=20)
        assert running.get("/health/live") == (200, {"live": True, "stalled_s": {}})
        assert running.get("/slow")[0] == 404
        assert running.stop() == 0
        assert running.drained() == {"relay drained"}


def test_loops_beside_http_run_where_http_is_served(tmp_path):
    with started(tmp_path, "serve") as running:
        eventually(running.is_ready, timeout_s=20)
        assert running.stop() == 0
        assert running.drained() == {"serve.beside drained"}


def test_garbage_is_collected_once_a_process_runs_and_not_while_it_starts(tmp_path):
    with started(tmp_path, behaviour="tell_collecting") as running:
        eventually(running.is_ready, timeout_s=20)
        assert running.stop() == 0
        assert running.drained() >= {"starting, collecting: False", "running, collecting: True"}


@pytest.mark.parametrize("behaviour", ["raise", "return"])
def test_a_role_that_dies_takes_the_process_with_it_and_the_others_drain(tmp_path, behaviour):
    with started(tmp_path, behaviour=behaviour) as running:
        assert running.process.wait(20) == 1
        assert {"relay drained", "work.two drained"} <= running.drained()


def test_a_drain_ends_at_its_deadline_and_says_who_was_stuck(tmp_path):
    with started(tmp_path, behaviour="never_stop", drain_timeout_s=1) as running:
        eventually(running.is_ready, timeout_s=20)
        assert running.stop() == 1
        assert '"drain_deadline_passed"' in running.process.stderr.read()


def test_a_loop_that_does_not_move_is_not_live_though_it_still_serves(tmp_path):
    with started(tmp_path, behaviour="hang", heartbeat_limit_s=0.5) as running:
        eventually(running.is_ready, timeout_s=20)
        _, document = eventually(lambda: (found := running.get("/health/live"))[0] == 503 and found)
        assert list(document["stalled_s"]) == ["work.one"]
        assert running.get("/health/ready")[0] == 200


@pytest.mark.parametrize(
    ("words", "settings", "line"),
    [
        (["run"], {"behaviour": "refuse"}, "shop: topic orders: has 1 partition; expected 6"),
        (["run"], {"behaviour": "unreachable"}, "shop: topics: connection refused"),
        (
            ["run", "dance"],
            {},
            "shop: role 'dance': shop has no such role; expected one of serve, relay, work",
        ),
        (["serve"], {"log_format": "xml"}, "shop: SHOP_LOG_FORMAT: Input should be 'json' or 'pretty'"),
    ],
)
def test_a_start_is_refused_in_one_line_with_exit_code_78(tmp_path, words, settings, line):
    done = once(tmp_path, *words, **settings)
    assert done.returncode == 78
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1


def test_a_taken_port_is_one_line(tmp_path):
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        done = once(tmp_path, "run", http_port=holder.getsockname()[1])
    assert done.returncode == 78
    assert done.stderr.startswith("shop: SHOP_HTTP_PORT: cannot listen on 127.0.0.1:")


def test_the_doctor_says_each_check(tmp_path):
    done = once(tmp_path, "doctor", "--json")
    assert (done.returncode, [item["ok"] for item in json.loads(done.stdout)]) == (0, [True, True])
    sick = once(tmp_path, "doctor", behaviour="refuse")
    assert sick.returncode == 1
    assert "FAIL  topics: topic orders: has 1 partition; expected 6" in sick.stdout


def test_settings_print_as_json(tmp_path):
    assert json.loads(once(tmp_path, "settings", "--json").stdout)["SHOP_BEHAVIOUR"] == "well"


def test_every_command_is_in_the_help(tmp_path):
    shown = once(tmp_path, "--help").stdout
    for word in (
        "run",
        "serve",
        "relay",
        "consume",
        "work",
        "migrate",
        "settings",
        "doctor",
        "parked",
        "refill",
        "archive",
    ):
        assert f" {word} " in shown
