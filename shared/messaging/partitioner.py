"""The partitioner owns the murmur2 placement of keys, the same as in Kafka's Java client and librdkafka.

Kafka places live records itself; this is for the memory broker and for the golden test that holds both together.
"""

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """Return Kafka's 32-bit murmur2 of the bytes."""
    length = len(data)
    digest = (_SEED ^ length) & _MASK
    whole = length - length % 4
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _M & _MASK
        word = (word ^ word >> 24) * _M & _MASK
        digest = (digest * _M & _MASK) ^ word
    if rest := data[whole:]:
        digest = (digest ^ int.from_bytes(rest, "little")) * _M & _MASK
    digest = (digest ^ digest >> 13) * _M & _MASK
    return digest ^ digest >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key, as ``murmur2_random`` places it."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
