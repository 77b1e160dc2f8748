"""One running stack for all tests of this folder, two merchants on it, and a look into every service's books.

The stack lives in a temporary home and is stopped at the end. It starts a PostgreSQL of its own, because databases
and roles are named after their services, and uses the tests' broker under a prefix that nobody else has.
``TIEOUT_E2E_HOME`` names the home of a stack that is already up: it is used as it is and left running.

Every xdist worker would start a stack of its own, so the tests are one group: use ``--dist loadgroup``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from shared.kernel.ids import UlidIds
from tests.e2e.books import Books
from tests.e2e.desk import Desk
from tests.e2e.oracle import Course
from tests.e2e.shop import Shop
from tools.demo.sandbox_script import SandboxScript
from tools.local_stack.layout import Layout
from tools.local_stack.services import SERVICES
from tools.local_stack.stack import LocalStack

STACK_TIMEOUT_S = 600
HERE = Path(__file__).parent
LAST = ("test_no_secret_anywhere.py", "test_one_oracle.py", "test_waiting.py")
"""In this order behind all others: what the last one leaves in doubt takes minutes, for which nobody waits."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in Path(item.path).parents:
            item.add_marker(pytest.mark.xdist_group("stack"))
            # The first test's time holds the start of the stack.
            item.add_marker(pytest.mark.timeout(STACK_TIMEOUT_S))
    items.sort(key=lambda item: LAST.index(name) + 1 if (name := Path(item.path).name) in LAST else 0)


@pytest.fixture(scope="session")
def course() -> Course:
    """What the one oracle has to know of the tests before it."""
    return Course()


@pytest.fixture(autouse=True)
def _this_test_begins(request: pytest.FixtureRequest, course: Course) -> None:
    course.begins(request.node.nodeid)


@pytest.fixture(scope="session")
def stack(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A stack that is up."""
    running = os.environ.get("TIEOUT_E2E_HOME")
    if running:
        found = LocalStack(Layout(Path(running)))
        yield found
        found.supervisor.close()
        return
    prefix = UlidIds().new("t_") + "."
    home = tmp_path_factory.mktemp("stack")
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("TIEOUT_POSTGRES_URL", raising=False)
        environment.setenv("TIEOUT_KAFKA_BOOTSTRAP", kafka_bootstrap)
        environment.setenv("TIEOUT_KAFKA_TOPIC_PREFIX", prefix)
        environment.setenv("TIEOUT_HOME", str(home))
        made = LocalStack(Layout(home))
        try:
            _up()
            yield made
        finally:
            made.down()
            _remove_topics(kafka_bootstrap, prefix)


def _up() -> None:
    """By the command that people use, in a process of its own."""
    words = [sys.executable, "-m", "tools.cli", "up"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.fail(f"`tieout up` failed:\n{done.stderr[-3000:]}", pytrace=False)


def _remove_topics(bootstrap: str, prefix: str) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap})
    ours = [name for name in admin.list_topics(timeout=30).topics if name.startswith(prefix)]
    for removal in (admin.delete_topics(ours) if ours else {}).values():
        removal.result(timeout=30)


@pytest.fixture(scope="session")
def shop(stack: LocalStack) -> Shop:
    """The stack's first merchant."""
    merchant = stack.merchant(lambda _: None)
    return Shop(stack.url("payment"), merchant.merchant_id, merchant.api_key)


@pytest.fixture(scope="session")
def other_shop(stack: LocalStack) -> Shop:
    """Another merchant of the same platform."""
    reason = "a second merchant"
    merchant_id = stack.as_admin("merchants", "add", "--name", "Another shop", reason=reason)["merchant_id"]
    api_key = stack.as_admin("keys", "issue", merchant_id, "--mode", "test", reason=reason)["api_key"]
    return Shop(stack.url("payment"), merchant_id, api_key)


@pytest.fixture(scope="session")
def beta_shop(stack: LocalStack) -> Shop:
    """A merchant whose payments go to the processor beta."""
    merchant = stack.merchant(lambda _: None, "beta")
    return Shop(stack.url("payment"), merchant.merchant_id, merchant.api_key)


@pytest.fixture(scope="session")
def desk(stack: LocalStack, shop: Shop) -> Desk:
    """The operators."""
    return Desk(stack, shop)


@pytest.fixture
def script(stack: LocalStack) -> Iterator[SandboxScript]:
    """What goes wrong at the processors, by this test's word; its rules go with it."""
    with SandboxScript(stack) as made:
        yield made


@pytest.fixture(params=["alpha", "beta"])
def processor(request: pytest.FixtureRequest) -> str:
    """Each processor in turn."""
    name: str = request.param
    return name


@pytest.fixture
def shop_there(request: pytest.FixtureRequest, processor: str) -> Shop:
    """A merchant whose payments go to the processor of this turn."""
    found: Shop = request.getfixturevalue({"alpha": "shop", "beta": "beta_shop"}[processor])
    return found


@pytest.fixture(scope="session")
def books(stack: LocalStack) -> Iterator[Books]:
    """What every service has stored, read by its reader role; and the ledger as an operator sees it."""
    with Books(stack) as found:
        yield found


@pytest.fixture(autouse=True)
def _no_service_failed(stack: LocalStack) -> Iterator[None]:
    """Whatever a test throws at the stack: no process dies, and no log holds a failure of ours."""
    before = {service.name: stack.supervisor.pid_of(service.name) for service in SERVICES}
    marks = {service.name: _log(stack, service.name).stat().st_size for service in SERVICES}
    yield
    after = {service.name: stack.supervisor.pid_of(service.name) for service in SERVICES}
    assert after == before, "a service has died and was started again"
    for name, mark in marks.items():
        with _log(stack, name).open("rb") as log:
            log.seek(mark)
            failures = [line for line in log if b"request_failed" in line or b"waiters_poll_failed" in line]
        assert not failures, f"{name}: {failures[:3]!r}"


def _log(stack: LocalStack, service: str) -> Path:
    return stack.place.logs / f"{service}.log"
