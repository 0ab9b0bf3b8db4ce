"""The two partitioners agree with librdkafka and the Java client (queue-and-wire 1.4)."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.queueing.partitioner import PARTITIONERS, crc32, murmur2, murmur2_hash

# key, CRC-32, its partition among 3 / 5 / 12, murmur2, its partition among 3 / 5 / 12
VECTORS = [
    ("canary", 1036808545, (1, 0, 1), 1860255217, (1, 2, 1)),
    ("bootstrap", 1369654896, (0, 1, 0), 3600728528, (0, 0, 0)),
    ("foo", 2356372769, (2, 4, 5), 597841616, (2, 1, 8)),
    ("bucket%2Fkey", 321731229, (0, 4, 9), 2904765422, (0, 4, 6)),
    ("my-bucket%2Fpath%2Fto%2Fobj.txt", 156566335, (1, 0, 7), 3877015450, (2, 2, 2)),
]


@pytest.mark.parametrize(("key", "checksum", "partitions", "_murmur", "_theirs"), VECTORS)
def test_crc32_gives_the_partition_that_old_producers_give(key, checksum, partitions, _murmur, _theirs):
    assert checksum == zlib.crc32(key.encode())
    assert partitions == tuple(crc32(key.encode(), n) for n in (3, 5, 12))


@pytest.mark.parametrize(("key", "_checksum", "_ours", "hashed", "partitions"), VECTORS)
def test_murmur2_gives_the_partition_that_kafka_connect_gives(key, _checksum, _ours, hashed, partitions):
    assert hashed == murmur2_hash(key.encode())
    assert partitions == tuple(murmur2(key.encode(), n) for n in (3, 5, 12))


@given(st.binary(min_size=1), st.integers(1, 200), st.sampled_from(sorted(PARTITIONERS)))
def test_every_key_has_a_partition(key, partitions, name):
    assert 0 <= PARTITIONERS[name](key, partitions) < partitions
