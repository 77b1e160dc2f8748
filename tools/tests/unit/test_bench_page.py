"""The page of figures is written by two kinds of runs, and neither forgets what the other found."""

from tools.bench import growth
from tools.bench.bench import write_page
from tools.bench.figures import Figure

MACHINE = {"cpus": 2, "system": "s", "python": "3", "postgresql": "18", "fsync": "on", "load": [1.0]}


def run(section, median, at):
    return {
        "at": at, "quick": False, "seconds": 1, "machine": MACHINE,
        "figures": [Figure(section=section, name="n", unit="u", samples=(median,))],
    }  # fmt: skip


def test_growth_leaves_the_other_sections_and_they_leave_growth(tmp_path):
    page = tmp_path / "benchmarks.md"
    write_page(run("base", 1.5, "first"), page)
    alone = page.read_text()
    write_page(run(growth.SECTION, 2.5, "second"), page)
    both = page.read_text()
    assert both.startswith(alone.rstrip("\n"))
    assert both.count("## Growth\n") == 1
    assert "second" in both.partition("## Growth")[2]
    write_page(run("base", 3.5, "third"), page)
    newer = page.read_text()
    assert newer.partition("## Growth")[2] == both.partition("## Growth")[2]
    assert "first" not in newer
    assert "third" in newer
    write_page(run(growth.SECTION, 4.5, "fourth"), page)
    assert page.read_text().partition("## Growth")[0] == newer.partition("## Growth")[0]
    assert "second" not in page.read_text()


def test_growth_can_be_written_first(tmp_path):
    page = tmp_path / "benchmarks.md"
    write_page(run(growth.SECTION, 2.5, "first"), page)
    assert page.read_text().startswith("# Benchmarks\n")
    write_page(run("base", 1.5, "second"), page)
    assert page.read_text().count("# Benchmarks\n") == 1
    assert "## Growth" in page.read_text()
