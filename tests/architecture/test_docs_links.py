"""Links between the pages of this repository lead somewhere."""

import re
from pathlib import Path

import pytest

from tools.auditor.registry import CHECKS, LIVENESS

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = sorted(
    path for path in REPOSITORY.rglob("*.md") if not {".venv", ".local", "node_modules"} & set(path.parts)
)
README_LINES_MAX = 150
INVARIANTS = {LIVENESS, *(check.name for check in CHECKS)}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_every_link_leads_to_a_file(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?://|#|mailto:)([^)#\s]+)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(REPOSITORY).as_posix())
def test_every_file_and_invariant_that_is_named_is_there(page: Path) -> None:
    """A path in backticks starts at the root, at the page's folder, or where a service's page says so itself."""
    text = page.read_text()
    named = re.findall(
        r"`((?:services|shared|schemas|tools|tests|docs|deploy)/[\w./-]+\.(?:py|md|yaml|json|sql))`", text
    )
    missing = [
        path for path in named if not (REPOSITORY / path).exists() and not (page.parent / path).exists()
    ]
    assert not missing
    if page.name != "CHANGELOG.md":  # what is gone was there when it was written
        assert not set(re.findall(r"`(I\d+\.\w+)`", text)) - INVARIANTS


def test_the_readme_stays_short() -> None:
    assert len((REPOSITORY / "README.md").read_text().splitlines()) < README_LINES_MAX
