"""Planted bugs: each protection that a simulation can miss is taken out of a scratch copy, and seeds are run until one
finds it. What no seed finds within the limit is a hole in the simulation.

The patches are those of ``tools.sabotage``, where each has a test of its own besides.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.simulation.planted_bugs import MISSED, NEVER_MET, OUT_OF_REACH, REACHED, not_yet_seen
from tools.sabotage.case import Case
from tools.sabotage.cases import CASES
from tools.sabotage.scratch import REPOSITORY, Scratch, scratch_copy

SEEDS_MAX = 200
DEADLINE_S = 900.0
FOUND = "| planted bug | what it does | found by seed | after seeds | the broken invariant |\n|---|---|---|---|---|\n"
"""The head of the page's table of what was found."""
NOT_HUNTED = "| protection | why no seed looks for it |\n|---|---|\n"
"""The head of the page's last table; nothing comes after it."""


def write_page() -> None:
    """Bring the table of what is not hunted up to the lists."""
    page = REPOSITORY / "docs" / "simulation.md"
    kept, heading, _ = page.read_text().partition(NOT_HUNTED)
    page.write_text("\n".join([kept + heading.rstrip("\n"), *page_rows(), ""]))


def page_rows() -> list[str]:
    """What docs/simulation.md says of the cases that are not hunted."""
    rows = [f"| {name} | {why} |" for name, why in OUT_OF_REACH.items()]
    unasked = "reachable, not hunted since the draws changed"
    left = {name: f"reachable, missed by seeds 0 to {seeds - 1}" for name, seeds in MISSED.items()} | {
        name: f"reachable, not hunted: in seeds 0 to {seeds - 1} it never comes to what it is about"
        for name, seeds in NEVER_MET.items()
    }
    return [*rows, *(f"| {name} | {left.get(name, unasked)} |" for name in not_yet_seen())]


@dataclass(frozen=True, slots=True)
class Found:
    """What a planted bug came to; ``seed`` is None where it was missed."""

    case: Case
    seed: int | None
    seeds: int
    violation: str
    seconds: float


def planted(only: str | None = None) -> tuple[Case, ...]:
    """Every bug that seeds are known to find, or the one of that name, known or not."""
    by_name = {case.name: case for case in CASES}
    return tuple(by_name[name] for name in (REACHED if only is None else (only,)))


def recorded() -> dict[str, int]:
    """The seed that the page names for each bug."""
    page = (REPOSITORY / "docs" / "simulation.md").read_text()
    rows = (row.strip("| ").split(" | ") for row in page.partition(FOUND)[2].split("\n\n")[0].splitlines())
    return {name: int(seed) for name, _, seed, *_ in rows}


def hunt(scratch: Scratch, case: Case, *, first: int = 0, seeds: int = SEEDS_MAX, workers: int = 1) -> Found:
    """Plant one bug and run seeds until one finds it."""
    began_s = time.monotonic()
    words = [sys.executable, "-m", "tests.simulation", "--first", str(first), "--seeds", str(seeds)]
    words += ["--workers", str(workers)]
    environment = os.environ | {"PYTHONPATH": str(scratch.root), "PYTHONDONTWRITEBYTECODE": "1"}
    with scratch.without(case):
        done = subprocess.run(
            [*words, "--stop", "--json"], cwd=scratch.root, env=environment, capture_output=True, text=True,
            timeout=DEADLINE_S, check=False,
        )  # fmt: skip
    if not done.stdout:
        raise RuntimeError(f"{case.name}: the simulation did not run: {done.stderr[-500:]}")
    result = json.loads(done.stdout)
    first = result["violated"][0] if result["violated"] else None
    return Found(
        case=case,
        seed=first["seed"] if first else None,
        seeds=result["seeds"],
        violation=first["violations"][0] if first else "",
        seconds=time.monotonic() - began_s,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Hunt each, print the table; 0 where every bug was found."""
    parser = argparse.ArgumentParser(prog="make sim-planted", description=__doc__)
    names = sorted(case.name for case in CASES)
    parser.add_argument(
        "--only", choices=names, metavar="NAME", help="one case of the sabotage list, by its name"
    )
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX)
    parser.add_argument(
        "--recorded", action="store_true", help="ask only the seed that docs/simulation.md names for each"
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--page", action="store_true", help="only write the page's table of what is not hunted"
    )
    asked = parser.parse_args(arguments)
    if asked.page:
        write_page()
        return 0
    missed = 0
    print(FOUND, end="")
    known = recorded() if asked.recorded else {}
    with scratch_copy() as scratch:
        for case in planted(asked.only):
            where = {"first": known[case.name], "seeds": 1, "workers": 1} if asked.recorded else {}
            found = hunt(scratch, case, **({"seeds": asked.seeds, "workers": asked.workers} | where))
            missed += found.seed is None
            seed = "**missed**" if found.seed is None else str(found.seed)
            told = found.violation.replace("|", "/")[:120]
            print(f"| {case.name} | {case.change} | {seed} | {found.seeds} | {told} |", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
