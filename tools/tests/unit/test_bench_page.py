"""Each section of the page of figures is written for itself, in one order, and one that fails loses no other."""

from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from tools.bench.bench import Measured, run_bench
from tools.bench.figures import Figure
from tools.bench.page import write
from tools.bench.sections import SECTIONS, WORDS, Section, chosen

MACHINE = {"cpus": 2, "system": "s", "python": "3", "postgresql": "18", "fsync": "on", "load": [1.0]}
BY_WORD = {section.word: section for section in SECTIONS}


def part(word, year):
    section = BY_WORD[word]
    return Measured(
        section=section, at=datetime(year, 1, 1, tzinfo=UTC), seconds=1, quick=False, machine=MACHINE,
        figures=[Figure(section=section.title, name="n", unit="u", samples=(1.5,))],
    )  # fmt: skip


def test_a_section_is_written_in_its_place_and_leaves_the_others(tmp_path):
    page = tmp_path / "benchmarks.md"
    for word, year in (("growth", 2001), ("base", 2002), ("journey", 2003)):
        write(part(word, year), page)
    three = page.read_text()
    assert [line for line in three.splitlines() if line.startswith("#")] == [
        "# Benchmarks", "## Base", "## Payments end to end, instant processor", "## Growth",
    ]  # fmt: skip
    write(part("journey", 2004), page)
    assert page.read_text() == three.replace("2003-", "2004-")


def test_all_but_what_takes_an_hour_runs_and_a_section_brings_its_base():
    assert [section.word for section in chosen([])] == [word for word in WORDS if word != "growth"]
    assert [section.word for section in chosen(["readers"])] == ["readers"]
    assert [section.word for section in chosen(["journey"])] == ["base", "journey"]
    assert [section.word for section in chosen(["create", "readers"])] == ["base", "create", "readers"]


def test_a_section_that_fails_is_told_and_the_others_are_measured(capsys):
    def fails(_):
        raise RuntimeError("no luck")

    def measures(_):
        return [Figure(section="b", name="n", unit="u", samples=(1.0,))]

    sections = [
        Section(word=word, title=word, ran="", measure=measure, brings_stacks=True)
        for word, measure in (("a", fails), ("b", measures))
    ]
    heard = []
    run = run_bench(print, sections, quick=True, entries=0, done=heard.append)
    assert run.failed == {"a": "RuntimeError: no luck"}
    assert [p.section.word for p in heard] == ["b"]
    assert "no luck" in capsys.readouterr().err


def test_a_section_is_measured_where_the_one_before_it_was_or_afresh(monkeypatch):
    @contextmanager
    def stack(_progress, *, quick):
        yield object()

    monkeypatch.setattr("tools.bench.sections.benchmark_site", stack)
    monkeypatch.setattr("tools.bench.bench._postgresql", lambda: "18")
    places = []

    def measures(ground):
        places.append(ground.site)
        return [Figure(section="b", name="n", unit="u", samples=(1.0,))]

    sections = [
        Section(word=word, title=word, ran="", measure=measures, afresh=word == "c") for word in "abc"
    ]
    assert run_bench(print, sections, quick=True, entries=0, done=lambda _: None).failed == {}
    first, second, third = places
    assert first is second
    assert second is not third


def test_whole_payments_are_measured_afresh():
    assert BY_WORD["journey"].afresh


@pytest.mark.parametrize("word", WORDS)
def test_every_section_has_a_heading_of_its_own(word):
    assert sum(section.title == BY_WORD[word].title for section in SECTIONS) == 1
