"""One service of the running stack with other settings for a while."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from shared.testing.waiting import eventually
from tests.e2e.shop import server_at
from tools.local_stack.children import inherited
from tools.local_stack.services import SERVICES
from tools.local_stack.stack import LocalStack


@contextmanager
def other_settings(stack: LocalStack, name: str, **settings: str) -> Iterator[None]:
    """Run the service with these settings instead of its usual process, which comes back at the end."""
    service = next(service for service in SERVICES if service.name == name)
    stack.supervisor.stop(service.name)
    process = subprocess.Popen(
        [str(Path(sys.executable).parent / service.command), "run"],
        env=inherited()
        | stack.environment(service)
        | {service.prefix + setting: value for setting, value in settings.items()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _await_ready(stack, service.name, process)
        yield
    finally:
        process.kill()  # its calls hang; whoever comes next takes them over
        process.wait()
        stack.supervisor.start(service.name)
        _await_ready(stack, service.name)


def _await_ready(stack: LocalStack, service: str, process: subprocess.Popen[bytes] | None = None) -> None:
    server = server_at(stack.url(service))

    def ready() -> bool:
        if process is not None and process.poll() is not None:
            pytest.fail(
                f"{service} ended with {process.returncode} instead of starting; run it by hand to see why"
            )
        try:
            return server.call("GET", "/health/ready").status == 200
        except ConnectionError:
            return False

    eventually(ready, timeout_s=90, interval_s=0.2, describe=f"{service} being ready")
