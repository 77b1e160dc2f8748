"""How deep JSON is nested is told from any bytes, and never costs more than reading them."""

import json
from time import thread_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.kernel.json_depth import is_deeper_than

DOCUMENTS = st.recursive(
    st.none() | st.text(alphabet='[]{}"\\ a'),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(alphabet='[{"\\', max_size=3), inner, max_size=3)
    ),
)


def depth_of(document):
    if not isinstance(document, list | dict):
        return 0
    inner = document.values() if isinstance(document, dict) else document
    return 1 + max(map(depth_of, inner), default=0)


@given(document=DOCUMENTS)
def test_it_is_the_depth_of_the_document_whatever_its_texts_hold(document):
    raw, depth = json.dumps(document).encode(), depth_of(document)
    assert not is_deeper_than(depth, raw)
    assert depth == 0 or is_deeper_than(depth - 1, raw)


@pytest.mark.parametrize("tail", [b'"' + b'\\"' * 12_000, b'"' * 25_000, b"\\" * 25_000])
def test_texts_without_an_end_cost_no_more_than_their_length(tail):
    began_s = thread_time()
    assert not is_deeper_than(16, b"[]" * 20 + tail)
    assert thread_time() - began_s < 0.5, "it was seconds where each escaped quote was tried as a beginning"
