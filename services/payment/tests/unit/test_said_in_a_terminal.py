"""What an operator says in a terminal is as plain as what the operator API takes."""

import pytest
from typer.testing import CliRunner

from services.payment.entrypoints.cli import cli


@pytest.mark.parametrize("said", ["x\n  10:00:05.000  decision", "x\x1b[2K", "x" * 513])
@pytest.mark.parametrize("option", ["--evidence", "--reason"])
def test_proof_and_reason_are_what_the_next_one_sees(said, option, tmp_path):
    token = tmp_path / "token"
    token.write_text("nobody's")
    words = {"--evidence": "a ticket", "--reason": "seen", "--token-file": str(token), option: said}
    asked = [
        "decide",
        "operation",
        "op_1",
        "--outcome",
        "succeeded",
        *[part for pair in words.items() for part in pair],
    ]
    done = CliRunner().invoke(cli, asked)
    assert (done.exit_code, "printable characters" in done.output) == (2, True)
