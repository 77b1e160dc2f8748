"""The base of everything over HTTP: what a FastAPI application that does nothing answers on this machine."""

import subprocess
import sys
from typing import Final

from tools.bench.figures import Figure, repeated
from tools.bench.http_load import drive
from tools.bench.site import STOP_DEADLINE_S, Site, wait_until
from tools.local_stack.layout import StackError, free_ports

CLIENTS: Final = 8
NAME: Final = "bare FastAPI, 8 clients"
_BODY: Final = b'{"amount":1999,"currency":"EUR","capture_method":"automatic"}'
_REQUEST: Final = (
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    % (len(_BODY), _BODY)
)


def measure(site: Site, section: str) -> Figure:
    """Requests per second of one worker, from the load generator that everything else is driven by."""
    site.progress(NAME)
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    words = [
        sys.executable, "-m", "uvicorn", "tools.bench.bare_api:app", f"--port={port}", "--loop=uvloop",
        "--http=httptools", "--no-access-log", "--log-level=error",
    ]  # fmt: skip
    running = subprocess.Popen(words)

    def post(count: int) -> float:
        return drive(url, lambda: _REQUEST, clients=CLIENTS, count=count, expected=200).rate

    def ready() -> bool:
        if running.poll() is not None:
            raise StackError(f"{' '.join(words)} ended by itself")
        try:
            return post(CLIENTS) > 0
        except OSError:
            return False

    try:
        wait_until(ready, f"{NAME} is ready")
        count = 2_000 if site.quick else 10_000
        samples = repeated(site.repetitions, lambda: post(count))
    finally:
        running.terminate()
        running.wait(STOP_DEADLINE_S)
    return Figure(section=section, name=NAME, unit="1/s", samples=samples)
