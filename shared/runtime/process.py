"""One process of a service: its roles as threads, HTTP in the main thread, a drain with a deadline, and
exit codes.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from shared.kernel.clock import Clock, SystemClock
from shared.runtime.face import ProcessFace
from shared.runtime.health import Health
from shared.runtime.logs import configure_logs, logger
from shared.runtime.server import ASGIApp, ManagedServer, bind, make_server, run_server
from shared.runtime.settings import ProcessSettings
from shared.runtime.startup import EXIT_FAILED, EXIT_OK, StartupCheck, StartupRefused

SERVE: Final = "serve"
"""The role that is not a thread: HTTP in the main thread."""
_FORCED_EXIT: Final = 130
_log = logger(__name__)


class Role(Protocol):
    """A loop of its own thread: relay, consumer, worker."""

    @property
    def name(self) -> str: ...

    def run(self, stop: threading.Event) -> None:
        """Loop until ``stop`` is set, then finish or abandon the work at hand and return."""
        ...

    def heartbeat(self) -> float:
        """Monotonic seconds of the loop's last turn."""
        ...


def _nothing() -> None:
    """What closes when there is nothing to close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRuntime:
    """What a service's ``bootstrap.build`` returns: its parts, not yet running.

    ``roles`` maps a role to the maker of its loop. A role with several loops uses dotted names
    (``work.sender``, ``work.ladder``): choosing ``work`` starts them all, choosing ``serve`` those beside HTTP.
    ``app`` may be the application or a function that makes it, which then runs only if HTTP is served.
    """

    name: str
    settings: ProcessSettings
    app: Any = None
    roles: Mapping[str, Callable[[], Role]] = field(default_factory=dict)
    checks: Sequence[StartupCheck] = ()
    transactions: Any = None
    engines: Mapping[str, Any] = field(default_factory=dict)
    """SQLAlchemy engines by role (``app``, ``relay``, ``reader``), for the operator commands."""
    operations: Any = None
    """What ``parked``, ``redrive``, ``skip``, ``refill`` and ``archive`` act on; see
    ``shared.runtime.operations``.
    """
    on_drain: Sequence[Callable[[], None]] = ()
    """Called in the event loop when the drain begins, e.g. ``Waiters.release``."""
    close: Callable[[], None] = _nothing
    clock: Clock = field(default_factory=SystemClock)

    def role_names(self) -> list[str]:
        """The roles that can be chosen, ``serve`` first."""
        own = dict.fromkeys(name.partition(".")[0] for name in self.roles)
        own.pop(SERVE, None)  # loops beside HTTP
        return [*([SERVE] if self.app is not None else []), *own]

    def make_app(self) -> ASGIApp | None:
        from starlette.applications import Starlette

        if self.app is None or isinstance(self.app, Starlette):
            return self.app
        made: ASGIApp = self.app()
        return made


def chosen_roles(runtime: ServiceRuntime, wanted: Iterable[str]) -> frozenset[str]:
    """Translate what was asked for into roles; nothing asked means all of them."""
    known = runtime.role_names()
    wanted = list(wanted) or known
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise StartupRefused(
            f"role {unknown[0]!r}: {runtime.name} has no such role; expected one of {', '.join(known)}"
        )
    return frozenset(wanted)


def run_checks(runtime: ServiceRuntime, roles: frozenset[str]) -> None:
    """Everything that does not hold is told at once, one line each."""
    lines: list[str] = []
    for item in runtime.checks:
        if not item.concerns(roles):
            continue
        try:
            item.check()
        except StartupRefused as refused:
            lines.extend(refused.lines)
    if lines:
        raise StartupRefused(*lines)


def run(runtime: ServiceRuntime, wanted: Iterable[str] = ()) -> int:
    """Run the chosen roles until a signal or a dead role; returns the exit code."""
    settings = runtime.settings
    configure_logs(log_format=settings.log_format, level=settings.log_level, service=runtime.name)
    try:
        roles = chosen_roles(runtime, wanted)
        run_checks(runtime, roles)
        return _Process(runtime, roles).run()
    except StartupRefused as refused:
        for line in refused.lines:
            sys.stderr.write(f"{runtime.name}: {line}\n")
        return refused.exit_code
    finally:
        runtime.close()


class _RoleThread(threading.Thread):
    """Runs one role; its end before the stop, by error or not, ends the process."""

    def __init__(self, name: str, role: Role, stop: threading.Event, on_death: Callable[[str], None]) -> None:
        super().__init__(name=name, daemon=True)  # a stuck role must not keep a drained process alive
        self.role = role
        self._stop_event = stop
        self._on_death = on_death

    def run(self) -> None:
        try:
            self.role.run(self._stop_event)
        except BaseException:  # noqa: BLE001 - the process boundary
            _log.exception("role_died", role=self.name)
            self._on_death(self.name)
        else:
            if not self._stop_event.is_set():
                _log.error("role_returned", role=self.name, reason="returned without being told to stop")
                self._on_death(self.name)


class _Process:
    def __init__(self, runtime: ServiceRuntime, roles: frozenset[str]) -> None:
        self._runtime = runtime
        self._settings = runtime.settings
        self._roles = roles
        self._health = Health(runtime.clock, runtime.settings.heartbeat_limit_s)
        self._stop = threading.Event()
        self._dead: list[str] = []
        self._threads: list[_RoleThread] = []
        self._server: ManagedServer | None = None
        self._drain_began_s: float | None = None

    def run(self) -> int:
        settings = self._settings
        prefix = settings.model_config.get("env_prefix", "")
        listener = bind(settings.http_host, settings.http_port, f"{prefix}HTTP_PORT")
        app = self._runtime.make_app() if SERVE in self._roles else None
        self._server = make_server(
            ProcessFace(app, self._health),
            on_started=lambda: self._started(listener.getsockname()[1]),
            on_drain=self._draining,
            graceful_s=settings.drain_timeout_s,
        )
        for signal_number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signal_number, self._on_signal)
        try:
            run_server(self._server, [listener])
        finally:
            self._begin_stop("server_ended")
            stuck = self._join()
        if stuck:
            _log.error("drain_deadline_passed", roles=stuck, drain_timeout_s=settings.drain_timeout_s)
        _log.info("stopped", dead=self._dead or None)
        return EXIT_FAILED if self._dead or stuck else EXIT_OK

    def _started(self, port: int) -> None:
        """Roles start once the port answers, so that a slow start shows in the probes."""
        for name, make in self._runtime.roles.items():
            if name.partition(".")[0] in self._roles:
                thread = _RoleThread(name, make(), self._stop, self._on_death)
                self._health.watch(name, thread.role.heartbeat)
                self._threads.append(thread)
        # What the start left behind stays to the end: no collection needs to walk through it again.
        gc.collect()
        gc.freeze()
        gc.enable()
        for thread in self._threads:
            thread.start()
        self._health.serving(True)
        _log.info("started", roles=sorted(self._roles), host=self._settings.http_host, port=port)

    def _on_signal(self, signal_number: int, _frame: object) -> None:
        if self._stop.is_set():
            os._exit(
                _FORCED_EXIT
            )  # a second signal: somebody does not want to wait, and a kill must be safe anyway
        self._begin_stop(signal.Signals(signal_number).name)

    def _on_death(self, role: str) -> None:
        self._dead.append(role)
        self._begin_stop(f"{role} died")

    def _begin_stop(self, reason: str) -> None:
        if self._stop.is_set():
            return
        self._drain_began_s = self._runtime.clock.monotonic_s()
        self._health.serving(False)
        self._stop.set()
        if self._server is not None:
            self._server.should_exit = True
        _log.info("stopping", reason=reason)

    def _draining(self) -> None:
        for action in self._runtime.on_drain:
            action()

    def _join(self) -> list[str]:
        """Wait for the roles until the deadline; returns those that did not end."""
        began_s = (
            self._drain_began_s if self._drain_began_s is not None else self._runtime.clock.monotonic_s()
        )
        for thread in self._threads:
            left_s = self._settings.drain_timeout_s - (self._runtime.clock.monotonic_s() - began_s)
            thread.join(max(0.0, left_s))
        return [thread.name for thread in self._threads if thread.is_alive()]
