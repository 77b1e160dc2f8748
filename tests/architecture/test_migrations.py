"""Migrations stand in one line and are named by their revision: a start reads the newest one off the names."""

import re
from pathlib import Path

import pytest

from shared.persistence.schema_version import revisions

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = sorted(REPOSITORY.glob("services/*/migrations"))
SAYS = re.compile(r'^(revision|down_revision) = (?:"(\w+)"|None)$', re.MULTILINE)


def test_every_service_with_tables_has_migrations():
    assert {folder.parent.name for folder in FOLDERS} == {
        path.parents[1].name for path in REPOSITORY.glob("services/*/adapters/tables.py")
    }


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_a_revision_is_its_files_number_and_follows_the_one_before(folder):
    known = revisions(folder)
    assert known == [f"{number:04d}" for number in range(1, len(known) + 1)]
    steps = sorted(folder.glob("versions/*.py"))
    assert [path.name[:4] for path in steps] == known
    said = [dict(SAYS.findall(path.read_text())) for path in steps]
    assert said == [
        {"revision": revision, "down_revision": before}
        for revision, before in zip(known, ["", *known], strict=False)
    ]
