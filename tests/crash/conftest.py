"""One stack of its own for the whole suite: nothing that another test uses is killed.

``TIEOUT_CRASH_HOME`` names a folder whose stack is used and left running, for working on one case.
"""

import os
from pathlib import Path

import pytest

from tools.crash.culprits import Rounds
from tools.crash.stack import FragileStack
from tools.local_stack.services import SERVICES

KEPT = "TIEOUT_CRASH_HOME"
NOT_OURS_TO_KILL = ("TIEOUT_POSTGRES_URL", "TIEOUT_KAFKA_BOOTSTRAP", "TIEOUT_KAFKA_TOPIC_PREFIX")


@pytest.fixture(scope="session")
def stack(tmp_path_factory):
    kept = os.environ.get(KEPT)
    with pytest.MonkeyPatch.context() as patch:
        for name in NOT_OURS_TO_KILL:
            patch.delenv(name, raising=False)
        made = FragileStack(Path(kept) if kept else tmp_path_factory.mktemp("crash") / "stack")
        try:
            made.up(lambda _: None)
            yield made
        finally:
            if not kept:
                made.down()
                made.remove_data()
            made.supervisor.close()


@pytest.fixture(scope="session")
def rounds(stack):
    """A stack that somebody keeps is never thrown away, whatever broke in it."""
    return Rounds(stack, may_renew=KEPT not in os.environ)


@pytest.fixture(autouse=True)
def _all_is_well_before(stack):
    """What one case broke must not fail the next one."""
    stack.wait_until_back(*(service.name for service in SERVICES))
