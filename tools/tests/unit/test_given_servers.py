"""Servers that somebody names are used and none is started beside them; a name that leads nowhere is told by its setting."""

import pytest

from tools.local_stack import kafka, postgres
from tools.local_stack.infrastructure import KAFKA_VARIABLE, POSTGRES_VARIABLE, throw_away_infrastructure
from tools.local_stack.layout import Layout, StackError
from tools.local_stack.stack import KAFKA_BOOTSTRAP, POSTGRES_URL, LocalStack

GIVEN_URL = "postgresql://postgres:x@127.0.0.1:1/postgres"
GIVEN_BROKER = "127.0.0.1:1"
BOTH = {POSTGRES_URL: GIVEN_URL, KAFKA_BOOTSTRAP: GIVEN_BROKER}


@pytest.fixture
def impatient(monkeypatch):
    """Nobody is waited for."""
    for server in (postgres, kafka):
        monkeypatch.setattr(server, "GIVEN_DEADLINE_S", 0.0)


@pytest.fixture
def stack(tmp_path, monkeypatch):
    """A stack that would start what it has to start."""
    for name in BOTH:
        monkeypatch.delenv(name, raising=False)
    return LocalStack(Layout(tmp_path))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("url", "why"),
    [(GIVEN_URL, "did not answer"), ("not an address", "missing"), ("postgresql://h:port/x", "port")],
)
def test_a_postgresql_that_is_not_there_is_told_by_its_setting(stack, monkeypatch, url, why):
    monkeypatch.setenv(POSTGRES_URL, url)
    with pytest.raises(
        StackError, match=f"^{POSTGRES_URL}: expected a superuser's URL.* unset it .*"
    ) as refused:
        stack.up(lambda _: None)
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("impatient")
def test_a_broker_that_is_not_there_is_told_by_its_setting(stack, monkeypatch):
    monkeypatch.setenv(KAFKA_BOOTSTRAP, GIVEN_BROKER)
    with pytest.raises(
        StackError, match=f"^{KAFKA_BOOTSTRAP}: expected host:port of a running broker; .*did not"
    ):
        stack.up(lambda _: None)


@pytest.mark.parametrize(
    ("given", "started"),
    [
        (BOTH, set()),
        ({POSTGRES_URL: GIVEN_URL}, {"kafka"}),
        ({KAFKA_BOOTSTRAP: GIVEN_BROKER}, {"postgres"}),
        ({}, {"postgres", "kafka"}),
        ({POSTGRES_URL: "", KAFKA_BOOTSTRAP: ""}, {"postgres", "kafka"}),
    ],
)
def test_only_what_nobody_named_is_started(stack, monkeypatch, given, started):
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    made = []
    monkeypatch.setattr(postgres, "initialise", lambda *_: None)
    monkeypatch.setattr(kafka, "initialise", lambda *_, **__: None)
    monkeypatch.setattr(kafka, "jars", lambda: "jars")
    for server in (postgres, kafka):
        monkeypatch.setattr(
            server, "wait_until_ready", lambda where, named_by=None: made.append((where, named_by))
        )
    monkeypatch.setattr(stack.supervisor, "launch", lambda: None)
    monkeypatch.setattr(stack, "_provision", lambda _: pytest.skip("far enough"))
    with pytest.raises(pytest.skip.Exception):
        stack.up(lambda _: None)
    config = (stack.place.home / "supervisord.conf").read_text()
    assert {name for name in ("postgres", "kafka") if f"[program:{name}]" in config} == started
    named = {name: value for name, value in given.items() if value}
    assert {name: where for where, name in made if name} == named


def test_kafka_home_that_is_no_installation_is_told_by_its_name(monkeypatch, tmp_path):
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    with pytest.raises(StackError, match=r"KAFKA_HOME=.* has no libs folder"):
        kafka.jars()


def test_the_jars_of_kafka_home_are_what_the_broker_runs(monkeypatch, tmp_path):
    (tmp_path / "libs").mkdir()
    monkeypatch.setenv("KAFKA_HOME", str(tmp_path))
    assert f"{tmp_path}/libs/*" in kafka.server_command(Layout(tmp_path))


@pytest.mark.parametrize("alone", [POSTGRES_VARIABLE, KAFKA_VARIABLE])
def test_one_server_of_the_two_that_tests_need_is_not_replaced_without_a_word(monkeypatch, alone):
    for name in (POSTGRES_VARIABLE, KAFKA_VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(alone, "somewhere")
    with pytest.raises(StackError, match=f"^{alone} is set alone"), throw_away_infrastructure():
        pass
