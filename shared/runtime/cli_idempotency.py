"""Commands that look at idempotency keys: one by owner and text, those in flight, those under which another came."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from shared.runtime.cli import CommandLine, JsonFlag, emit
from shared.runtime.startup import EXIT_FAILED, StartupRefused

if TYPE_CHECKING:
    import sqlalchemy as sa

    from shared.persistence.key_inspection import InspectedKey

OwnerArgument = Annotated[str, typer.Argument(help="The merchant's id, or operator:<name>.")]
KeyArgument = Annotated[str, typer.Argument(help="The key, as sent in Idempotency-Key.")]
Limit = Annotated[int, typer.Option(min=1, max=1_000, help="At most so many keys.")]
#: What a table has room for; the rest is in ``show`` and in ``--json``.
IN_FLIGHT_COLUMNS: Final = (
    "owner", "mode", "endpoint", "in_flight_s", "lease_ended", "lease_owner", "resource", "in_use",
)  # fmt: skip
MISMATCH_COLUMNS: Final = (
    "owner", "mode", "endpoint", "state", "mismatches", "last_mismatch_at", "last_mismatch_endpoint",
    "last_mismatch_param",
)  # fmt: skip


def add_idempotency(app: typer.Typer, line: CommandLine) -> None:
    """Add the commands; a service without such keys refuses with one line."""
    group = typer.Typer(no_args_is_help=True, help="Look at idempotency keys and what came under them.")
    app.add_typer(group, name="idempotency-keys")

    @group.command()
    def show(owner: OwnerArgument, key: KeyArgument, as_json: JsonFlag = False) -> None:
        """Show a key: its first request, what became of it, and what came under it since."""
        from shared.kernel.errors import Rejected
        from shared.persistence.key_inspection import keys_by_text

        def look(connection: sa.Connection) -> Sequence[InspectedKey]:
            found = keys_by_text(connection, owner, key)
            if not found:
                raise Rejected(
                    "idempotency_key_not_found", f"{owner} has no such key, in no mode", status=404
                )
            return found

        found = [asdict(each) for each in _look(line, look)]
        for shown in [found] if as_json else found:
            emit(shown, as_json=as_json)

    @group.command("in-flight")
    def in_flight(
        for_s: Annotated[float, typer.Option(min=0, help="In flight for at least so many seconds.")] = 0,
        limit: Limit = 100,
        as_json: JsonFlag = False,
    ) -> None:
        """List keys that have no reply yet, oldest first."""
        from shared.persistence.key_inspection import keys_in_flight

        found = _look(line, lambda connection: keys_in_flight(connection, for_s, limit))
        _emit(found, IN_FLIGHT_COLUMNS, as_json=as_json)

    @group.command()
    def mismatched(
        within_s: Annotated[float, typer.Option(min=0, help="Within the last so many seconds.")] = 86_400,
        limit: Limit = 100,
        as_json: JsonFlag = False,
    ) -> None:
        """List keys under which another request came, the latest first."""
        from shared.persistence.key_inspection import keys_mismatched

        found = _look(line, lambda connection: keys_mismatched(connection, within_s, limit))
        _emit(found, MISMATCH_COLUMNS, as_json=as_json)


def _look(
    line: CommandLine, look: Callable[[sa.Connection], Sequence[InspectedKey]]
) -> Sequence[InspectedKey]:
    with line.opened() as runtime:
        transactions: Any = runtime.transactions
        if transactions is None:
            raise StartupRefused(f"{runtime.name} has no idempotency keys to look at", exit_code=EXIT_FAILED)
        found: Sequence[InspectedKey] = transactions.read(
            lambda uow: look(uow.connection), name="inspect keys"
        )
        return found


def _emit(found: Sequence[InspectedKey], columns: tuple[str, ...], *, as_json: bool) -> None:
    rows = [asdict(each) for each in found]
    emit(rows if as_json else [{name: row[name] for name in columns} for row in rows], as_json=as_json)
