"""A metric that is declared and counted nowhere is a promise that nobody keeps."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.runtime import metric_names
from shared.runtime.metric_names import Metric

pytestmark = pytest.mark.architecture

ROOT = Path(__file__).parents[2]
DECLARED = {name for name, value in vars(metric_names).items() if isinstance(value, Metric)}


def code() -> Iterator[Path]:
    for top in ("services", "shared"):
        for path in (ROOT / top).rglob("*.py"):
            if "tests" not in path.parts and path.name != "metric_names.py":
                yield path


def named(path: Path) -> set[str]:
    """Names used in a module, imports left out: importing a metric counts nothing."""
    tree = ast.parse(path.read_text())
    return {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute)
    }


def test_every_declared_metric_is_counted_somewhere() -> None:
    used = set().union(*(named(path) for path in code()))
    assert DECLARED - used == set()


def test_every_metric_is_in_the_list_and_has_one_name() -> None:
    names = [metric.name for metric in metric_names.ALL]
    assert len(names) == len(set(names)) == len(DECLARED)
