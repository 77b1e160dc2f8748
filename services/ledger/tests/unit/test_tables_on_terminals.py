"""A table shows what others wrote as what it is: no line of its own, no markup, nothing done to the terminal."""

from services.ledger.entrypoints.tables_on_terminals import show


def test_what_others_wrote_does_nothing(capsys):
    rows = [{"reason": "x\ny \x1b[2K[black on black]"}]
    show(rows, [("reason", "reason")], title="adjustments")
    assert r"x\ny \x1b[2K[black on black]" in capsys.readouterr().out
