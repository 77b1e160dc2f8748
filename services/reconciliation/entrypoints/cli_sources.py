"""``reconciliation sources``: whose files are taken in, for people in a terminal."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from shared.runtime.cli import JsonFlag, Reason, command_line, emit
from shared.runtime.cli_token import TokenFile, acting

if TYPE_CHECKING:
    from services.reconciliation.adapters.unit_of_work import ReconciliationUnitOfWork
    from services.reconciliation.domain.sources import Source

_SHOWN: Final = ("source", "kind", "format", "processor", "account", "bank_account")


def add_sources(cli: typer.Typer) -> None:
    """Add the group of commands."""
    group = typer.Typer(no_args_is_help=True, help="Whose reports and statements are taken in, and how.")
    cli.add_typer(group, name="sources")

    @group.command("list")
    def list_all(as_json: JsonFlag = False) -> None:
        """List sources."""
        from services.reconciliation.adapters.sources import list_sources

        found = command_line(cli).run(lambda uow: list_sources(uow.connection), "sources list")
        rows = [asdict(source) for source in found]
        if not as_json:
            rows = [{name: row[name] for name in _SHOWN} for row in rows]
        emit(rows, as_json=as_json)

    @group.command()
    def declare(  # noqa: PLR0917 - options by name
        source: Annotated[str, typer.Argument(help="A short name of your choice.")],
        file_format: Annotated[str, typer.Option("--format", help="The format of its files.")],
        token_file: TokenFile,
        reason: Reason,
        processor: Annotated[str | None, typer.Option(help="The processor whose report it is.")] = None,
        account: Annotated[str | None, typer.Option(help="Our account at the processor.")] = None,
        bank_account: Annotated[
            str | None, typer.Option(help="Our bank account's short name, for a bank's statements.")
        ] = None,
        option: Annotated[
            list[str] | None, typer.Option(help="name=value, once per option of the format.")
        ] = None,
        as_json: JsonFlag = False,
    ) -> None:
        """Declare a source, or change how its files are read from now on."""
        from services.reconciliation.adapters.readers import FORMATS
        from services.reconciliation.app.declare_source import declare_source
        from services.reconciliation.entrypoints.http_sources import DeclareSourceBody
        from shared.runtime.models import validate_model

        given = {
            "source": source, "format": file_format, "processor": processor, "account": account,
            "bank_account": bank_account, "options": dict(_pair(each) for each in option or ()), "reason": reason,
        }  # fmt: skip

        who = acting(command_line(cli), token_file, "operator")

        def work(uow: ReconciliationUnitOfWork) -> Source:
            declared = validate_model(DeclareSourceBody, given).declared()
            return declare_source(declared, reason, who, FORMATS, uow)

        emit(asdict(command_line(cli).run(work, "sources declare")), as_json=as_json)


def _pair(option: str) -> tuple[str, str]:
    name, separator, value = option.partition("=")
    if not name or not separator:
        raise typer.BadParameter("name=value", param_hint="--option")
    return name, value
