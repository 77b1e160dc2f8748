"""Commands that change something are an operator's, whom a token names: refused in one line that says what to do."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from shared.kernel.clock import SystemClock
from shared.runtime.cli import command_line, service_cli
from shared.runtime.cli_token import TokenFile, acting
from shared.runtime.operator_tokens import OperatorRole, TokenIssuer, new_key_pair
from shared.runtime.settings import ProcessSettings

PRIVATE, PUBLIC = new_key_pair()
HOW = "`tieout operators issue {} --role approver` makes one"
cli = service_cli("shop", ProcessSettings, lambda _settings: None)


class Earlier(SystemClock):
    def now(self):
        return datetime.now(UTC) - timedelta(days=2)


@cli.command()
def sell(token_file: TokenFile) -> None:
    """Something that an approver does."""
    who = acting(command_line(cli), token_file, "approver")
    typer.echo(f"{who.name} {who.role} {who.request_id}")


def token(subject="ada", role=OperatorRole.APPROVER, key=PRIVATE, **more):
    return TokenIssuer(key, **more).operator(subject, role)


def run(*words, **environment):
    given = {"OPERATOR_PUBLIC_KEY": PUBLIC, "TIEOUT_OPERATOR_TOKEN": None, **environment}
    return CliRunner().invoke(cli, ["sell", *words], env=given)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "token"


def test_the_token_says_who_acts_and_in_which_role(file):
    file.write_text(token("ada", OperatorRole.ADMIN) + "\n")
    assert run("--token-file", str(file)).stdout == "ada admin None\n"
    assert run(TIEOUT_OPERATOR_TOKEN=token("bob")).stdout == "bob approver None\n"
    assert run("--token-file", str(file), TIEOUT_OPERATOR_TOKEN=token("bob")).stdout == "ada admin None\n"


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        ("", "token_missing", "give --token-file PATH or set TIEOUT_OPERATOR_TOKEN"),
        ("ada", "token_refused", "the token of $TIEOUT_OPERATOR_TOKEN is expired, cut off or of another"),
        (token(clock=Earlier()), "token_refused", "is expired"),
        (token()[:-9], "token_refused", "is expired, cut off"),
        (token(key=new_key_pair()[0]), "token_refused", "of another environment"),
        (token("ann", OperatorRole.OPERATOR), "role_too_low", "ann's token has the role operator; this needs"),
    ],
)  # fmt: skip
def test_a_missing_an_expired_a_foreign_and_a_weak_token_are_refused_in_one_line(given, code, told):
    done = run(TIEOUT_OPERATOR_TOKEN=given)
    assert (done.exit_code, done.stdout) == (1, "")
    (said,) = done.stderr.splitlines()
    assert said.startswith(f"shop: {code}: ")
    assert told in said
    assert said.endswith(HOW.format("ann" if code == "role_too_low" else "NAME"))


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "No such file or directory"), (b"\xff\xfe", "holds no token"), (b"x" * 100_000, "is expired")],
)
def test_a_file_without_a_token_is_refused_and_the_environment_does_not_stand_in_for_it(file, content, told):
    if content is not None:
        file.write_bytes(content)
    done = run("--token-file", str(file), TIEOUT_OPERATOR_TOKEN=token())
    (said,) = done.stderr.splitlines()
    assert (done.exit_code, done.stdout) == (1, "")
    assert str(file) in said
    assert told in said


def test_without_a_public_key_nobody_is_an_operator():
    done = run(TIEOUT_OPERATOR_TOKEN=token(), OPERATOR_PUBLIC_KEY=None)
    assert (done.exit_code, done.stdout) == (78, "")
    assert done.stderr.startswith("shop: OPERATOR_PUBLIC_KEY: missing; expected PEM")


def test_a_folder_is_no_token(tmp_path: Path):
    assert "Is a directory" in run("--token-file", str(tmp_path)).stderr
