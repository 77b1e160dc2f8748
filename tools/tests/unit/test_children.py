"""What the stack's processes inherit: everything, and a place where they may keep what they compiled."""

from tools.local_stack.children import BYTE_CODE, inherited


def test_where_no_byte_code_may_lie_among_the_sources_it_lies_in_a_folder_of_ours(monkeypatch):
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    environment = inherited()
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert environment["PYTHONPYCACHEPREFIX"] == str(BYTE_CODE)


def test_a_folder_that_somebody_chose_is_kept(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", "/elsewhere")
    assert inherited()["PYTHONPYCACHEPREFIX"] == "/elsewhere"


def test_nothing_changes_where_python_may_write_what_it_likes(monkeypatch):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.delenv("PYTHONPYCACHEPREFIX", raising=False)
    monkeypatch.setenv("ANYTHING", "else")
    environment = inherited()
    assert environment["ANYTHING"] == "else"
    assert "PYTHONPYCACHEPREFIX" not in environment


def test_no_child_acts_by_a_token_that_it_was_not_given(monkeypatch):
    monkeypatch.setenv("TIEOUT_OPERATOR_TOKEN", "somebody's")
    assert "TIEOUT_OPERATOR_TOKEN" not in inherited()
