"""Budgets and bans that keep the house livable; each ban names the file that alone may break it."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median, quantiles

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
ROOTS = ("schemas", "shared", "services", "tools")
FILE_LINES_MAX = 350
FUNCTION_LINES_MAX = 70
FILE_LINES_MEDIAN_MAX = 100
FUNCTION_LINES_MEDIAN_MAX = 10
FUNCTION_LINES_P90_MAX = 30
# pattern -> (folders where it is allowed, why it is banned elsewhere)
BANNED: dict[str, tuple[tuple[str, ...], str]] = {
    r"\.commit\(\)|\.begin\(\)": (
        ("shared/persistence/", "shared/testing/"),
        "the unit of work is the only commit",
    ),
    r"\bdatetime\.now\(|\bdatetime\.utcnow\(": (
        ("shared/kernel/", "shared/testing/", "tools/"),
        "time comes from a Clock",
    ),
    r"\btime\.sleep\(": (("shared/kernel/", "tools/"), "waiting goes through a Clock"),
    r"\buuid4\(|\brandom\.(random|randint|choice)\(": (
        ("shared/kernel/", "tools/"),
        "ids and chance are injected",
    ),
    r"\bTODO\b|\bFIXME\b|NotImplementedError": ((), "nothing is left for later"),
    r"amount_\w+\s*:\s*float|amount_minor\s*/\s|float\(\s*\w*amount_": ((), "money is integer minor units"),
    r"\bpickle\b|yaml\.(unsafe|full)_load\(|\beval\(": ((), "no code from data"),
}


@cache
def sources() -> tuple[Path, ...]:
    found = []
    for root in ROOTS:
        for path in (REPOSITORY / root).rglob("*.py"):
            parts = path.relative_to(REPOSITORY).parts
            if "tests" not in parts and path.name != "generated.py":
                found.append(path)
    return tuple(sorted(found))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def relative(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    sizes = {relative(path): len(path.read_text().splitlines()) for path in sources()}
    # A migration is a record of one step and is never edited again; splitting it would only hide its order.
    too_long = {
        name: lines
        for name, lines in sizes.items()
        if lines > FILE_LINES_MAX and "/migrations/versions/" not in name
    }
    assert not too_long
    assert median(sizes.values()) <= FILE_LINES_MEDIAN_MAX


def test_no_function_is_longer_than_a_screen() -> None:
    sizes = {(relative(path), name): lines for path in sources() for name, lines in functions(path)}
    too_long = {where: lines for where, lines in sizes.items() if lines > FUNCTION_LINES_MAX}
    assert not too_long
    assert median(sizes.values()) <= FUNCTION_LINES_MEDIAN_MAX
    assert quantiles(sizes.values(), n=10)[-1] <= FUNCTION_LINES_P90_MAX


def test_every_module_says_what_it_owns() -> None:
    silent = [
        relative(path)
        for path in sources()
        if path.read_text().strip() and not ast.get_docstring(parsed(path))
    ]
    assert not silent


@pytest.mark.parametrize("pattern", BANNED)
def test_banned_words_stay_where_they_are_allowed(pattern: str) -> None:
    allowed, why = BANNED[pattern]
    found = [
        f"{relative(path)}:{number}: {line.strip()}"
        for path in sources()
        if not relative(path).startswith(allowed or ("-",))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(pattern, line)
    ]
    assert not found, f"{why}: {found}"


def test_no_vague_rooms() -> None:
    vague = re.compile(r"(^|/)(utils?|helpers?|common|misc|manager|base)(\.py)?(/|$)")
    assert not [relative(path) for path in sources() if vague.search(relative(path))]


def test_shared_names_no_service() -> None:
    names = [path.name for path in (REPOSITORY / "services").iterdir() if (path / "pyproject.toml").exists()]
    pattern = re.compile(r"\b(services\.(?!\w*x\b)\w+|" + "|".join(n for n in names if "_" in n) + r")\b")
    found = [
        f"{relative(path)}: {match.group()}"
        for path in sources()
        if relative(path).startswith("shared/")
        for match in pattern.finditer(path.read_text())
        if match.group() in {f"services.{name}" for name in names} | set(names)
    ]
    assert not found
