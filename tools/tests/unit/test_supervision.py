"""A supervisor is never left behind by whoever stops its start."""

import os
import signal
import subprocess

import pytest

from tools.local_stack.layout import Layout
from tools.local_stack.supervision import Supervisor


@pytest.mark.parametrize(
    ("number", "ends_by"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_who_stops_the_start_is_heard_once_the_supervisor_can_be_told_to_stop(
    tmp_path, monkeypatch, number, ends_by
):
    supervisor = Supervisor(Layout(tmp_path), control_port=1, control_password="secret")
    steps = []

    def begun(*_, **__):
        steps.append("begun")
        os.kill(os.getpid(), number)
        return subprocess.CompletedProcess([], 0)

    def ended(*_):
        raise ends_by

    monkeypatch.setattr(subprocess, "run", begun)
    monkeypatch.setattr(supervisor, "_wait_until_it_answers", lambda: steps.append("answers"))
    before = signal.signal(number, ended)
    try:
        with pytest.raises(ends_by):
            supervisor.launch()
        assert steps == ["begun", "answers"]
        assert signal.getsignal(number) is ended
    finally:
        signal.signal(number, before)
