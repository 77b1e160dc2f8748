"""Buffered randomness: no byte is given twice, not even to a child."""

import os

from shared.kernel.entropy import BufferedEntropy


def test_takers_get_what_they_ask_for_and_never_the_same_bytes():
    entropy = BufferedEntropy()
    taken = [entropy(10) for _ in range(5_000)]
    assert {len(each) for each in taken} == {10}
    assert len(set(taken)) == 5_000


def test_a_forked_process_draws_its_own():
    entropy = BufferedEntropy()
    entropy(1)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, entropy(16))
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 16) != entropy(16)
