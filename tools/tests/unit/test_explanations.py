"""`tieout verify --explain`: says what would be asked, all of it or what is named, as text or as JSON."""

import json

import pytest
from typer.testing import CliRunner

from tools.auditor.model import AuditImpossible, Moment
from tools.auditor.registry import CHECKS, LIVENESS
from tools.cli import app


def told(*words):
    done = CliRunner().invoke(app, ["verify", "--explain", "--json", *words])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_json_holds_every_invariant_with_its_moment_and_what_it_says():
    everything = told()
    assert [one["name"] for one in everything] == [LIVENESS, *(check.name for check in CHECKS)]
    assert {one["asked"] for one in everything} == {moment.value for moment in Moment}
    assert all(one.keys() == {"name", "asked", "explanation"} and one["explanation"] for one in everything)


def test_live_tells_only_what_holds_at_any_moment():
    assert {one["asked"] for one in told("--live")} == {Moment.LIVE.value}


@pytest.mark.parametrize("named", [CHECKS[-1].name, LIVENESS])
def test_a_named_invariant_is_told_alone(named):
    assert [one["name"] for one in told("--only", named)] == [named]
    shown = CliRunner().invoke(app, ["verify", "--explain", "--only", named], env={"COLUMNS": "200"})
    assert named in shown.stdout
    assert CHECKS[0].name not in shown.stdout


def test_the_start_of_a_name_tells_its_family():
    family = CHECKS[0].name.partition(".")[0] + "."
    assert {one["name"] for one in told("--only", family)} == {
        check.name for check in CHECKS if check.name.startswith(family)
    }


def test_a_name_that_there_is_not_is_refused():
    done = CliRunner().invoke(app, ["verify", "--explain", "--only", "I999"])
    assert isinstance(done.exception, AuditImpossible)
    assert "I999" in str(done.exception)
