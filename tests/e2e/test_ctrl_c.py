"""Ctrl-C at every step of the commands that start a stack: it ends as a shell expects, and nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil
import pytest

from shared.testing.waiting import eventually
from tools.local_stack.supervision import STOP_DEADLINE_S

ENDED_BY_CTRL_C: Final = 130
STEP_S: Final = 120.0
OWN_SERVERS: Final = ("TIEOUT_POSTGRES_URL", "TIEOUT_KAFKA_BOOTSTRAP", "TIEOUT_KAFKA_TOPIC_PREFIX")
UP: Final = "import sys; sys.argv = ['tieout', 'up']; from tools.cli import main; main()"
#: The demo's own home is the checkout's, where somebody may have kept one.
DEMO: Final = (
    "import os, pathlib, sys; sys.argv = ['tieout', 'demo']; from tools.demo import demo;"
    " demo.DEMO_HOME = pathlib.Path(os.environ['TIEOUT_HOME']); from tools.cli import main; main()"
)


@contextmanager
def started(program: str, home: Path) -> Iterator[subprocess.Popen[str]]:
    """The command as a shell starts it in its foreground: a group of its own, in which Ctrl-C means to end."""
    environment = {name: value for name, value in os.environ.items() if name not in OWN_SERVERS}
    environment |= {"TIEOUT_HOME": str(home), "PYTHONUNBUFFERED": "1", "TERM": "dumb"}
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # An ignored one would be inherited.
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", program], env=environment, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()


def read_until(process: subprocess.Popen[str], step: str) -> str:
    """What it prints up to this step."""
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if step in line:
            return said
    raise AssertionError(f"ended before {step!r}: {said[-2000:]}")


def stop_at(process: subprocess.Popen[str], step: str, home: Path) -> None:
    """Ctrl-C as soon as it says that it is there; it ends as it should."""
    read_until(process, step)
    assert running(home)
    os.killpg(process.pid, signal.SIGINT)
    rest, _ = process.communicate(timeout=STOP_DEADLINE_S + STEP_S)
    assert process.returncode == ENDED_BY_CTRL_C, rest
    assert "Traceback" not in rest
    eventually(lambda: not running(home), timeout_s=10, describe=lambda: f"all gone: {running(home)}")


def running(home: Path) -> list[str]:
    """Every process that was started for the stack in this folder."""
    found = []
    for process in psutil.process_iter():
        try:
            words, environment = process.cmdline(), process.environ()
        except psutil.Error:
            continue
        if str(home) in " ".join([*words, *environment.values()]):
            found.append(" ".join(words)[:200])
    return found


@pytest.mark.parametrize(
    ("program", "step"),
    [
        pytest.param(UP, "Kafka's jars", id="up: files of the servers are being made"),
        pytest.param(UP, "PostgreSQL and Kafka", id="up: the supervisor is being started"),
        pytest.param(UP, "migrations", id="up: databases are being migrated"),
        pytest.param(DEMO, "Driving payments", id="demo: payments flow"),
    ],
)
def test_ctrl_c_stops_everything_that_was_started(tmp_path: Path, program: str, step: str) -> None:
    home = tmp_path / "stack"
    with started(program, home) as process:
        stop_at(process, step, home)


def test_a_stack_whose_first_start_was_stopped_starts_the_next_time(tmp_path: Path) -> None:
    home = tmp_path / "stack"
    for step in ("Kafka's jars", "services"):
        with started(UP, home) as process:
            stop_at(process, step, home)
