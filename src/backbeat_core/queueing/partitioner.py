"""Which partition a key belongs to: the two hashes that share Kafka topics with us (queue-and-wire 1.4)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

Partitioner: TypeAlias = Callable[[bytes, int], int]
"""A non-empty key and a number of partitions → the key's partition."""

_MASK: Final = 0xFFFFFFFF
_M: Final = 0x5BD1E995
_SEED: Final = 0x9747B28C


def crc32(key: bytes, partitions: int) -> int:
    """Return the partition that librdkafka's `consistent_random` gives to *key*."""
    return zlib.crc32(key) % partitions


def murmur2(key: bytes, partitions: int) -> int:
    """Return the partition that the Java client, and so Kafka Connect, gives to *key*."""
    return (murmur2_hash(key) & 0x7FFFFFFF) % partitions


def murmur2_hash(data: bytes) -> int:
    """Return the 32-bit MurmurHash2 of *data* with the Java client's seed, unsigned."""
    length = len(data)
    whole = length & ~3
    h = _SEED ^ length
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _M & _MASK
        k = (k ^ (k >> 24)) * _M & _MASK
        h = (h * _M & _MASK) ^ k
    if whole < length:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _MASK
    h = (h ^ (h >> 13)) * _M & _MASK
    return h ^ (h >> 15)


PARTITIONERS: Final[Mapping[str, Partitioner]] = {"crc32": crc32, "murmur2": murmur2}
"""By the name that a configuration gives them; CRC-32 is the default, so that old producers agree."""
