"""Every protection of the sabotage list is hunted, out of reach for a reason, or named as not yet seen."""

from tests.simulation.planted import NOT_HUNTED, SEEDS_MAX, page_rows, recorded
from tests.simulation.planted_bugs import OUT_OF_REACH, REACHED
from tools.sabotage.cases import CASES
from tools.sabotage.scratch import REPOSITORY


def test_every_case_stands_in_one_list_and_no_list_names_another():
    names = {case.name for case in CASES}
    assert set(REACHED) | set(OUT_OF_REACH) <= names
    assert not set(REACHED) & set(OUT_OF_REACH)


def test_the_page_says_what_the_lists_say():
    lines = (REPOSITORY / "docs" / "simulation.md").read_text().splitlines()
    _, _, rest = "\n".join(lines).partition(NOT_HUNTED)
    assert rest.splitlines() == page_rows(), "make sim-planted ARGS=--page writes it"
    found = [
        line.split(" ")[1] for line in lines if line.startswith(tuple(f"| {name} | " for name in REACHED))
    ]
    assert sorted(found) == sorted(REACHED)


def test_the_page_names_a_seed_below_two_hundred_for_each_bug_that_is_found() -> None:
    found = recorded()
    assert set(found) == set(REACHED)
    assert max(found.values()) < SEEDS_MAX == 200
