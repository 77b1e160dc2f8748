"""Whoever changes something in a terminal shows a token of the role that the HTTP route of the same act asks for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from shared.runtime.cli import CommandLine
from shared.runtime.cli_token import TOKEN_VARIABLE
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, new_key_pair
from shared.runtime.settings import ProcessSettings
from shared.runtime.startup import StartupRefused

OPERATOR, APPROVER, ADMIN = OperatorRole.OPERATOR, OperatorRole.APPROVER, OperatorRole.ADMIN
MECHANISM = {
    "parked redrive": OPERATOR, "parked skip": OPERATOR, "parked approve-skip": APPROVER, "parked discard": OPERATOR,
    "parked approve-discard": APPROVER, "refill": OPERATOR, "take-refill": OPERATOR,
}  # fmt: skip
TWO_PEOPLE = {"propose": OPERATOR, "approve": APPROVER, "reject": OPERATOR}
OWN: dict[str, dict[str, OperatorRole]] = {
    "ledger": {
        **{f"adjustments {step}": role for step, role in TWO_PEOPLE.items()},
        **{f"periods {step}": role for step, role in TWO_PEOPLE.items()},
        "adjustments reverse": OPERATOR,
        **{f"imports {step}": role for step, role in TWO_PEOPLE.items()},
        "imports book": OPERATOR, "rebuild": ADMIN,
    },
    "payment": {
        "decide operation": OPERATOR, "decide stray": OPERATOR, "decide approve": APPROVER, "decide reject": OPERATOR,
        "decide close-case": OPERATOR, "decide dismiss-fact": OPERATOR, "risk-reviews approve": OPERATOR, "risk-reviews refuse": OPERATOR,
        "routes set": ADMIN, "merchants add": ADMIN, "keys issue": ADMIN, "keys revoke": ADMIN, "prices set": ADMIN,
    },
    "reconciliation": {
        **{f"periods {step}": role for step, role in TWO_PEOPLE.items()},
        "terms tolerance": OPERATOR, "terms fee": OPERATOR, "terms calendar": OPERATOR, "terms approve": APPROVER,
        "terms reject": OPERATOR, "sources declare": OPERATOR, "files prefer": OPERATOR,
        "upload": OPERATOR, "feed": OPERATOR, "match": OPERATOR,
        "breaks defer": OPERATOR, "breaks accept": OPERATOR, "breaks return": OPERATOR, "breaks adjust": OPERATOR,
        "breaks approve": APPROVER, "breaks reject": OPERATOR, "breaks bulk": OPERATOR,
        "breaks assign": OPERATOR,
        **{f"hand-matches {step}": role for step, role in TWO_PEOPLE.items()},
        "hand-matches take-back": OPERATOR, "hand-matches approve-take-back": APPROVER, "hand-matches keep": OPERATOR,
    },
    "risk": {f"rules {step}": role for step, role in TWO_PEOPLE.items()},
    "processor": {},
    "webhook_ingest": {},
}  # fmt: skip
"""A second yes to a risk review is an approver's, which is known once the first was read; so with what bulk approves."""

KEYS = new_key_pair()
TOKENS = {role: TokenIssuer(KEYS[0]).operator("ada", role) for role in OperatorRole}


def app_of(service: str) -> typer.Typer:
    """A service's command line."""
    found: typer.Typer = import_module(f"services.{service}.entrypoints.cli").cli
    return found


def commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """Every command below, by the words that call it."""
    if (group := getattr(command, "commands", None)) is not None:
        for name, below in group.items():
            yield from commands(below, (*path, name))
    else:
        yield " ".join(path), command


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts}


def filled(command: Any, file: Path) -> list[str]:
    """Words that the command's own checks let through."""
    words = []
    for parameter in command.params:
        if parameter.required:
            name = parameter.opts[0] if parameter.param_type_name == "option" else None
            words += [*([name] if name else []), _word(parameter.type_descriptor.annotation, file)]
    return words


def _word(kind: type[Any], file: Path) -> str:
    if issubclass(kind, Enum):
        return str(next(iter(kind)).value)
    return {datetime: "2026-01-01", Path: str(file)}.get(kind, "1")


def test_the_table_names_every_service() -> None:
    here = Path(__file__).parents[2] / "services"
    with_people = {path.parents[1].name for path in here.glob("*/entrypoints/cli.py")} - {"sandbox"}
    assert set(OWN) == with_people


@pytest.mark.parametrize("service", sorted(OWN))
def test_each_command_that_changes_something_asks_for_the_role_of_its_route(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def build(_line: CommandLine) -> Any:
        raise StartupRefused("let through")

    def refusal(command: Any, words: list[str], token: str) -> str:
        """What a command says that is refused before it opens anything."""
        monkeypatch.setenv(TOKEN_VARIABLE, token)
        with suppress(StartupRefused):  # of settings that are not given here: it was let through
            command.main(args=words, standalone_mode=False)
        return capsys.readouterr().err

    monkeypatch.setattr(CommandLine, "build", build)
    monkeypatch.setattr(CommandLine, "settings", lambda _line: ProcessSettings(operator_public_key=KEYS[1]))
    file = tmp_path / "file"
    file.write_text("{}\n")
    found: dict[str, OperatorRole | None] = {}
    for path, command in commands(typer.main.get_command(app_of(service))):
        if "--token-file" not in options(command):
            assert not {"--reason", "--actor"} & options(command), f"{service} {path} asks for no token"
            continue
        words = filled(command, file)
        assert "token_missing" in refusal(command, words, ""), path
        lets = (role for role in OperatorRole if "role_too_low" not in refusal(command, words, TOKENS[role]))
        found[path] = next(lets, None)
    assert found == {**MECHANISM, **OWN[service]}
