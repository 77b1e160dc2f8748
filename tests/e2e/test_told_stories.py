"""The stories that the demo tells come true, each at its processor, and end with two books that agree.

The auditor, who has the last word when a story is told on a stack of its own, reads this one in ``test_one_oracle.py``.
"""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from tools.demo.demo import print_stories, tell_story
from tools.demo.stories import STORIES
from tools.local_stack.stack import LocalStack


@pytest.mark.parametrize("name", STORIES)
def test_a_story_is_told_to_its_good_end(stack: LocalStack, name: str) -> None:
    heard = io.StringIO()
    ended = tell_story(stack, STORIES[name], Console(file=heard, width=200))
    told = heard.getvalue()
    assert ended["ties_out"], told
    for chapter in (
        "client   <- 201",
        "What the processor did",
        "The ladder",
        "The evidence",
        "The steps that followed",
        "The ledger's journals",
        "they agree",
    ):
        assert chapter in told, told
    if name == "capture-timeout-after-effect":
        assert "refused as long as the first is in doubt" in told


def test_the_stories_can_be_listed() -> None:
    heard = io.StringIO()
    print_stories(Console(file=heard, width=200))
    assert all(name in heard.getvalue() for name in STORIES)
