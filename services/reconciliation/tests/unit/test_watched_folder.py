"""The watched folder loses no file, and no file or folder that cannot be used holds up what lies beside it."""

import pytest

from services.reconciliation.adapters.watched_folder import WatchedFolder
from shared.kernel.errors import Rejected

LIMIT = 1_000


@pytest.fixture
def alpha(tmp_path):
    folder = tmp_path / "alpha"
    folder.mkdir()
    return folder


def looked_into(root, during=lambda _name: None):
    """The names and bytes that were taken in by one turn, and what could not be used."""
    taken, unusable = [], []

    def take_in(_source, name, spool):
        taken.append((name, spool.content().read()))
        during(name)

    WatchedFolder(root, LIMIT, take_in, lambda path, error: unusable.append((path.name, type(error)))).turn()
    return taken, unusable


def refuse(_name):
    raise Rejected("source_not_found", "there is none", status=404, stored=False)


def lying_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_where_one_cannot_be_moved_the_others_are(tmp_path, alpha):
    beta = tmp_path / "beta"
    beta.mkdir()
    (alpha / "done").write_text("a file where a folder has to be")
    (alpha / "report.csv").write_text("1")
    (beta / "report.csv").write_text("2")
    taken, unusable = looked_into(tmp_path)
    assert [content for _, content in taken] == [b"a file where a folder has to be", b"1", b"2"]
    assert unusable == [("done", FileExistsError), ("report.csv", FileExistsError)]
    assert lying_in(beta) == ["done/report.csv"]


def test_a_folder_that_cannot_be_read_holds_up_no_other(tmp_path, alpha, monkeypatch):
    (tmp_path / "beta").mkdir()
    (tmp_path / "beta" / "report.csv").write_text("2")
    listed = type(alpha).iterdir

    def iterdir(path):
        if path == alpha:
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(type(alpha), "iterdir", iterdir)
    taken, unusable = looked_into(tmp_path)
    assert (taken, unusable) == ([("report.csv", b"2")], [("alpha", PermissionError)])


def test_a_file_that_lies_there_is_told_of_whatever_is_missing(tmp_path, alpha):
    (alpha / "report.csv").write_text("1")

    def miss(_name):
        raise FileNotFoundError(2, "No usable temporary directory")

    assert looked_into(tmp_path, miss)[1] == [("report.csv", FileNotFoundError)]
    assert lying_in(alpha) == ["report.csv"]


def test_another_file_that_is_given_the_name_meanwhile_is_read_too(tmp_path, alpha):
    (alpha / "report.csv").write_text("first")

    def correct(_name):
        (alpha / ".new").write_text("second")
        (alpha / ".new").rename(alpha / "report.csv")

    assert looked_into(tmp_path, correct)[0] == [("report.csv", b"first")]
    assert lying_in(alpha) == ["report.csv"]
    assert looked_into(tmp_path)[0] == [("report.csv", b"second")]
    assert lying_in(alpha) == ["done/report.csv"]


def test_a_file_that_grows_while_it_is_read_is_read_again(tmp_path, alpha):
    report = alpha / "report.csv"
    report.write_text("half")

    def write_on(_name):
        with report.open("a") as rest:
            rest.write(" and half")

    looked_into(tmp_path, write_on)
    assert lying_in(alpha) == ["report.csv"]
    assert looked_into(tmp_path)[0] == [("report.csv", b"half and half")]
    assert lying_in(alpha) == ["done/report.csv"]


def test_the_longest_name_is_refused_with_its_reason_and_moved_twice(tmp_path, alpha):
    name = "n" * 251 + ".csv"
    for _ in range(2):
        (alpha / name).write_text("1")
        assert looked_into(tmp_path, refuse)[1] == []
    reasons = [path for path in lying_in(alpha) if path.endswith(".reason.txt")]
    assert (len(reasons), len(lying_in(alpha))) == (2, 4)
    assert {(alpha / path).read_text() for path in reasons} == {"source_not_found: there is none\n"}
