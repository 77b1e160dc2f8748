"""One shape of command line for every service: run its roles, migrate, look at it, and operate its parked
keys.

Imports are lazy so that ``--help`` and ``settings`` answer at once: a service passes
``"services.x.bootstrap:build"``.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import typer

from shared.kernel.visible import visible

if TYPE_CHECKING:
    from shared.runtime.process import ServiceRuntime
    from shared.runtime.settings import ProcessSettings

T = TypeVar("T")
JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
REASON_CHARS_MAX: Final = 512


def words(chars_max: int, chars_min: int = 1) -> Callable[[str], str]:
    """Refuse what the audit trail would not take."""

    def check(given: str) -> str:
        text = given.strip()
        if not chars_min <= len(text) <= chars_max or not text.isprintable():
            raise typer.BadParameter(f"{chars_min} to {chars_max} printable characters")
        return text

    return check


Reason = Annotated[
    str, typer.Option("--reason", help="Why; recorded with the action.", callback=words(REASON_CHARS_MAX))
]
_EXIT_REFUSED: Final = 1


@dataclass(frozen=True, slots=True)
class CommandLine:
    """What a service's own commands use to get at its settings and parts."""

    name: str
    settings_source: str | type[Any]
    build_source: str | Callable[[Any], ServiceRuntime]

    def settings(self) -> ProcessSettings:
        from shared.runtime.settings import load_settings

        loaded: ProcessSettings = load_settings(_resolved(self.settings_source))
        return loaded

    def build(self) -> ServiceRuntime:
        runtime: ServiceRuntime = _resolved(self.build_source)(self.settings())
        return runtime

    @contextmanager
    def opened(self) -> Iterator[ServiceRuntime]:
        """The service's parts for one command; refusals become one line and exit code 1 or 78."""
        with refusals(self.name):
            runtime = self.build()
            try:
                yield runtime
            finally:
                runtime.close()

    def run(self, work: Callable[[Any], T], name: str) -> T:
        """Run one transaction of the service, and tell refusals as ``opened`` does."""
        with self.opened() as runtime:
            result: T = runtime.transactions.run(work, name=name)
            return result


def service_cli(
    name: str, settings_class: str | type[Any], build: str | Callable[[Any], ServiceRuntime]
) -> typer.Typer:
    """Return the command line that every service has; a service adds its own with ``@cli.command()``.

    ``cli.info.obj``-free access for added commands: ``command_line(cli)`` gives the same ``CommandLine``.
    """
    line = CommandLine(name, settings_class, build)
    app = typer.Typer(
        name=name, no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
        help=f"Run and operate the {name} service. Its settings come from the environment: `{name} settings`.",
        context_settings={"help_option_names": ["-h", "--help"]},
    )  # fmt: skip
    _LINES[id(app)] = line
    _add_running(app, line)
    _add_looking(app, line)
    from shared.runtime.cli_idempotency import add_idempotency
    from shared.runtime.cli_operations import add_operations

    add_operations(app, line)
    add_idempotency(app, line)
    return app


_LINES: Final[dict[int, CommandLine]] = {}


def command_line(app: typer.Typer) -> CommandLine:
    """The settings and parts behind a command line made by ``service_cli``."""
    return _LINES[id(app)]


def _add_running(app: typer.Typer, line: CommandLine) -> None:
    def start(*roles: str) -> None:
        # A start makes hundreds of thousands of objects and hardly any garbage; `run` collects once it is over.
        gc.disable()
        with refusals(line.name):
            from shared.runtime.process import run

            runtime = line.build()
            raise typer.Exit(run(runtime, roles))

    @app.command("run")
    def run_roles(
        roles: Annotated[
            list[str] | None, typer.Argument(help="Roles to run in this process; all if none is named.")
        ] = None,
    ) -> None:
        """Run roles of this service in one process (default: all)."""
        start(*(roles or ()))

    @app.command()
    def serve() -> None:
        """Serve HTTP only."""
        start("serve")

    @app.command()
    def relay() -> None:
        """Publish the outbox only."""
        start("relay")

    @app.command()
    def consume() -> None:
        """Consume topics only."""
        start("consume")

    @app.command()
    def work() -> None:
        """Run the background workers only."""
        start("work")


def _add_looking(app: typer.Typer, line: CommandLine) -> None:
    @app.command()
    def migrate(
        check: Annotated[
            bool, typer.Option("--check", help="Change nothing; exit 1 if a migration is due.")
        ] = False,
        as_json: JsonFlag = False,
    ) -> None:
        """Bring the database to this version's schema, as the owner role."""
        with refusals(line.name):
            from shared.runtime.migration import migrate_service

            before, after = migrate_service(line.name, line.settings(), check_only=check)
            emit(
                {"service": line.name, "before": before, "after": after, "due": check and before != after},
                as_json=as_json,
            )
            raise typer.Exit(_EXIT_REFUSED if check and before != after else 0)

    @app.command()
    def settings(as_json: JsonFlag = False) -> None:
        """Print the settings in force, secrets masked."""
        with refusals(line.name):
            from shared.runtime.settings import masked

            emit(masked(line.settings()), as_json=as_json)

    @app.command()
    def doctor(as_json: JsonFlag = False) -> None:
        """Check everything that start-up checks, and say each result; exit 1 if anything is wrong."""
        from shared.runtime.doctor import examine

        findings = examine(line)
        if as_json:
            emit(findings, as_json=True)
        else:
            for item in findings:
                typer.echo(
                    ("ok    " if item["ok"] else "FAIL  ")
                    + ": ".join(filter(None, (item["check"], item["detail"])))
                )
        raise typer.Exit(0 if all(item["ok"] for item in findings) else _EXIT_REFUSED)


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """Turn refusals into one line each on stderr and an exit code; anything else stays a traceback."""
    from shared.kernel.errors import Rejected
    from shared.runtime.startup import StartupRefused

    try:
        yield
    except StartupRefused as refused:
        for text in refused.lines:
            sys.stderr.write(f"{name}: {text}\n")
        raise typer.Exit(refused.exit_code) from None
    except Rejected as rejected:
        sys.stderr.write(f"{name}: {rejected.code}: {rejected.message}\n")
        raise typer.Exit(_EXIT_REFUSED) from None


def emit(value: Any, *, as_json: bool) -> None:
    """Print a result: JSON on one line for programs, aligned text for people, in which nothing hides."""
    if as_json:
        typer.echo(json.dumps(value, default=str))
    elif isinstance(value, dict):
        width = max((len(str(key)) for key in value), default=0)
        for key, item in value.items():
            typer.echo(f"{key!s:<{width}}  {visible(str(item))}")
    elif isinstance(value, list):
        _emit_table(value)
    else:
        typer.echo(visible(str(value)))


def _emit_table(rows: list[Any]) -> None:
    if not rows:
        typer.echo("none")
        return
    names = list(rows[0])
    cells = [names, *([visible(str(row[name])) for name in names] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(names))]
    for row in cells:
        typer.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _resolved(source: Any) -> Any:
    """``"package.module:name"`` to the thing itself, imported only now."""
    if not isinstance(source, str):
        return source
    module, _, attribute = source.partition(":")
    return getattr(import_module(module), attribute)
