"""Reports that are cut off, or have a line twice: only by the seed that was asked for it, and the key tells of it."""

import json

import pytest

from services.sandbox.tests.db.conftest import SETTLEMENT, get, key, script, span


@pytest.mark.parametrize("form", SETTLEMENT)
def test_a_file_is_cut_off_in_the_middle_of_a_line_and_the_key_says_of_which(traded, form):
    asked = {"processor": "alpha", "format": form, **span(traded)}
    (planted,) = script(traded, "errors", seed="cut", file="cut_off")["data"]
    assert (planted["error"], planted["break_type"], planted["told_minor"]) == ("cut_off", "truncated", 0)
    assert key(traded, "cut") == [planted]
    honest = get(traded, "settlement", **asked).content
    told = get(traded, "settlement", **asked, seed="cut").content
    assert honest.startswith(told)
    assert not told.endswith(b"\n")
    assert planted["object_id"].encode() in honest[len(told.rpartition(b"\n")[0]) :].splitlines()[1]


@pytest.mark.parametrize("form", SETTLEMENT)
def test_a_file_has_one_line_twice_and_its_totals_as_they_were(traded, form):
    (capture,) = traded.rows(
        "SELECT payment_id, object_id FROM balance_transactions WHERE reference = 'op_2EUR'"
    )
    (planted,) = script(traded, "errors", seed="twice", file="line_twice", payment=capture["payment_id"])[
        "data"
    ]
    assert (planted["error"], planted["break_type"]) == ("line_twice", "line_repeated")
    assert planted["payment_id"] == capture["payment_id"]
    asked = {"processor": "alpha", "format": form, **span(traded)}
    honest = get(traded, "settlement", **asked).content.splitlines()
    told = get(traded, "settlement", **asked, seed="twice").content.splitlines()
    at = next(number for number, pair in enumerate(zip(honest, told[1:], strict=False)) if pair[0] == pair[1])
    assert told == [*honest[:at], honest[at], *honest[at:]]
    assert planted["object_id"].encode() in honest[at]


def test_files_are_damaged_by_command_too_and_nothing_that_was_not_paid_out(traded, commands):
    words = ("plant-errors", "--seed", "cmd", "--file", "cut_off", "--json")
    assert json.loads(commands(*words).out) == key(traded, "cmd")
    refused = commands("plant-errors", "--seed", "none", "--file", "cut_off", "--payment", "pay_none")
    assert refused.code == 1


@pytest.mark.parametrize(
    ("said", "param"),
    [
        ({"file": "burnt"}, "file"),
        ({"file": "cut_off", "each": 2}, "each"),
        ({"payment": "pay_1"}, "payment"),
        ({"file": "cut_off", "of_files": True}, "of_files"),
        ({"of_files": "yes"}, "of_files"),
    ],
)
def test_what_does_not_fit_a_damaged_file_is_named(alpha, said, param):
    base = str(alpha.http.base_url).replace("/alpha/v1/", "/script/v1/")
    reply = alpha.http.post(f"{base}errors", json={"seed": "1"} | said)
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, param)
