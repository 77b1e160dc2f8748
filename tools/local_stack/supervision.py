"""supervisord as the process manager of the local stack: its file, its start, its control.

supervisord restarts what dies, keeps the logs and stops everything in order; nothing of that is written here.
"""

import shlex
import signal
import subprocess
import sys
import threading
import time
import xmlrpc.client
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from tools.local_stack.children import inherited
from tools.local_stack.layout import Layout, StackError

START_DEADLINE_S: Final = 20.0
STOP_DEADLINE_S: Final = 90.0
DRAIN_S: Final = 45


@dataclass(frozen=True, slots=True)
class Program:
    """One supervised process."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    priority: int = 100
    starts_itself: bool = False
    stop_signal: str = "TERM"


def write_config(
    place: Layout, programs: Sequence[Program], *, control_port: int, control_password: str
) -> None:
    """Write the supervisor's file for these programs; the control port listens on loopback only."""
    sections = [
        f"""[supervisord]
logfile={place.logs}/supervisord.log
pidfile={place.home}/supervisord.pid
childlogdir={place.logs}
loglevel=info

[inet_http_server]
port=127.0.0.1:{control_port}
username=tieout
password={control_password}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=http://127.0.0.1:{control_port}
username=tieout
password={control_password}
"""
    ]
    sections += [_section(place, program) for program in programs]
    place.supervisor_config.touch(mode=0o600)
    place.supervisor_config.write_text("\n".join(sections))


def _section(place: Layout, program: Program) -> str:
    environment = ",".join(
        f'{name}="{_escaped(value)}"' for name, value in sorted(program.environment.items())
    )
    lines = [
        f"[program:{program.name}]",
        f"command={shlex.join(program.command).replace('%', '%%')}",
        f"autostart={'true' if program.starts_itself else 'false'}",
        "autorestart=true",
        "startsecs=1",
        "startretries=10",
        f"stopsignal={program.stop_signal}",
        f"stopwaitsecs={DRAIN_S}",
        f"priority={program.priority}",
        "redirect_stderr=true",
        f"stdout_logfile={place.logs}/{program.name}.log",
        "stdout_logfile_maxbytes=20MB",
        "stdout_logfile_backups=2",
    ]
    if environment:
        lines.append(f"environment={environment}")
    return "\n".join(lines) + "\n"


def _escaped(value: str) -> str:
    return value.replace("%", "%%").replace('"', '\\"')


@contextmanager
def _told_to_stop_later() -> Iterator[None]:
    """Ctrl-C and a polite kill wait until a supervisor that was begun can be told to stop: its pid is known by then.

    Who is stopped between its start and its pid file would leave it behind, with everything that it starts.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Signals are the main thread's.
        return
    came: list[int] = []
    handlers = {
        number: signal.signal(number, lambda ended_by, _: came.append(ended_by))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for received in came:
            signal.raise_signal(received)


class Supervisor:
    """Control of one running supervisord."""

    def __init__(self, place: Layout, *, control_port: int, control_password: str) -> None:
        self._place = place
        url = f"http://tieout:{control_password}@127.0.0.1:{control_port}/RPC2"
        self._proxy = xmlrpc.client.ServerProxy(url)

    @property
    def pid(self) -> int | None:
        """The process id of the running supervisord, or None."""
        file = Path(self._place.home / "supervisord.pid")
        if not file.exists():
            return None
        try:
            process = psutil.Process(int(file.read_text()))
            return process.pid if "supervisord" in " ".join(process.cmdline()) else None
        except (ValueError, psutil.NoSuchProcess):
            return None

    def launch(self) -> None:
        """Start supervisord in the background; returns once it takes orders."""
        words = [str(Path(sys.executable).parent / "supervisord"), "-c", str(self._place.supervisor_config)]
        with _told_to_stop_later():
            done = subprocess.run(
                words, env=inherited(), capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
                start_new_session=True,
            )  # fmt: skip
            if done.returncode != 0:
                raise StackError(f"supervisord did not start: {done.stderr.strip() or done.stdout.strip()}")
            self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while True:
            try:
                self._proxy.supervisor.getState()
            except (OSError, xmlrpc.client.Error) as refusal:
                if time.monotonic() > deadline:
                    raise StackError(f"supervisord does not answer: {refusal}") from refusal
                time.sleep(0.1)
            else:
                return

    def start(self, name: str) -> None:
        """Start one program; returns without waiting for it to be ready."""
        try:
            self._proxy.supervisor.startProcess(name, False)
        except xmlrpc.client.Fault as fault:
            if "ALREADY_STARTED" not in fault.faultString:
                raise StackError(f"{name} did not start: {fault.faultString}; see its log") from fault

    def stop(self, name: str) -> None:
        """Stop one program and wait for its end."""
        try:
            self._proxy.supervisor.stopProcess(name, True)
        except xmlrpc.client.Fault as fault:
            if "NOT_RUNNING" not in fault.faultString:
                raise StackError(f"{name} did not stop: {fault.faultString}") from fault

    def processes(self) -> list[dict[str, Any]]:
        """Name, state and pid of every program."""
        answer: Any = self._proxy.supervisor.getAllProcessInfo()
        return list(answer)

    def pid_of(self, name: str) -> int:
        """The process id of one program; 0 if it does not run."""
        answer: Any = self._proxy.supervisor.getProcessInfo(name)
        return int(answer["pid"])

    def close(self) -> None:
        """Let go of the control connection; the next call opens another."""
        self._proxy("close")()

    def shut_down(self) -> None:
        """Stop everything in reverse priority and wait until supervisord is gone."""
        self.close()
        pid = self.pid
        if pid is None:
            return
        process = psutil.Process(pid)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=STOP_DEADLINE_S)
        except psutil.TimeoutExpired as expired:
            raise StackError(
                f"supervisord (pid {pid}) did not stop within {STOP_DEADLINE_S:.0f} s"
            ) from expired
