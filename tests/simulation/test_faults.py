"""What a fault leaves behind in the process that simulates: nothing, or thousands of seeds would not fit into one."""

import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared.testing.waiting import eventually
from tests.simulation.faults import lose_answer

pytestmark = pytest.mark.sim


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_session_that_ends_before_it_commits_leaves_no_open_end():
    session, database = socket.socketpair()
    before = open_descriptors()
    lose_answer(SimpleNamespace(socket=session.fileno()))
    session.sendall(b"begin")
    assert database.recv(5) == b"begin"
    session.close()
    database.settimeout(5)
    assert database.recv(1) == b""  # the database hears of it, too
    database.close()
    eventually(lambda: open_descriptors() == before - 2, timeout_s=5, describe="both ends of both are closed")
