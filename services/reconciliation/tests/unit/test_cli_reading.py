"""Trying a file out says whether all is well, by exit code and in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.reconciliation.entrypoints.cli import cli

pytestmark = pytest.mark.unit
SAMPLES = Path(__file__).parents[1] / "samples"


def tried(*words):
    done = CliRunner().invoke(cli, ["read", *map(str, words), "--json"])
    return done.exit_code, json.loads(done.stdout)


def test_a_file_that_holds_is_told_so():
    code, said = tried(
        "stripe_payout_csv",
        SAMPLES / "stripe_payout_reconciliation.csv",
        "--option",
        "time_zone=Europe/Berlin",
    )
    assert (
        code,
        said["holds"],
        said["line_count"],
        said["quarantined_count"],
        said["control_total_count"],
    ) == (0, True, 10, 0, 2)


def test_a_file_that_is_refused_is_told_why():
    code, said = tried("stripe_payout_csv", SAMPLES / "stripe_payout_reconciliation.csv")
    assert (code, said["holds"], said["line_count"]) == (1, False, 0)
    assert said["refused"].startswith("time_zone_missing: created")


def test_bad_lines_and_totals_are_shown(tmp_path):
    damaged = tmp_path / "damaged.csv"
    damaged.write_text((SAMPLES / "tieout.csv").read_text().replace("98.30", "98.31"))
    code, said = tried("tieout_csv", damaged)
    assert (code, said["line_count"], said["quarantined_count"]) == (1, 9, 1)
    assert said["quarantined"][0].startswith("line 2: sum_mismatch: net")
    assert said["control_totals_unequal"] == ["po_1: payout po_1 sums to zero: 5830, -4000"]


def test_a_format_that_nobody_reads_is_refused():
    done = CliRunner().invoke(cli, ["read", "qif", str(SAMPLES / "tieout.csv")])
    assert done.exit_code == 2
