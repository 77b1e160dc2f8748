"""What somebody else wrote is printed as what it is: on its own line, with nothing done to the terminal."""

import json

import pytest

from shared.kernel.visible import visible
from shared.runtime.cli import emit

FORGED = "x\n  10:00:05.000  decision\x1b[2K"
SEEN = r"x\n  10:00:05.000  decision\x1b[2K"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        ("Zoë — 10 €", "Zoë — 10 €"),
        (FORGED, SEEN),
        ("a\tb\r\x00\x7f\x9b", r"a\tb\r\x00\x7f\x9b"),
        ("a\u202eb\u200b\u2028\ufeff\U000e0041\ud800", r"a\u202eb\u200b\u2028\ufeff\U000e0041\ud800"),
    ],
)
def test_what_does_not_print_is_spelt(text, shown):
    assert visible(text) == shown


@pytest.mark.parametrize(
    "value", [{"reason": FORGED}, [{"reason": FORGED, "by": "ada"}], FORGED], ids=["one", "table", "text"]
)
def test_people_see_it_and_programs_get_it_as_it_is(value, capsys):
    emit(value, as_json=False)
    printed = capsys.readouterr().out
    assert SEEN in printed
    assert "\x1b" not in printed
    emit(value, as_json=True)
    assert json.loads(capsys.readouterr().out) == value


def test_a_table_has_a_line_for_each_row_whatever_is_in_it(capsys):
    emit([{"reason": FORGED, "by": "ada"}, {"reason": "agreed", "by": "bob"}], as_json=False)
    head, forged, agreed = capsys.readouterr().out.splitlines()
    assert head.index("by") == forged.index("ada") == agreed.index("bob")
