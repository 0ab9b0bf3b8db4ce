"""Version ids and the pieces of a multipart object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from backbeat_core.domain import metadata, version_id
from backbeat_core.domain.ranges import reduced_locations
from backbeat_core.errors import InvalidDocument
from golden.vectors import Case, Check, answer


def _decoded(public: str, expected: object) -> None:
    decoded = answer(lambda: version_id.decode(public))
    if isinstance(expected, dict):
        assert isinstance(decoded, InvalidDocument)
        assert decoded.code == "InvalidArgument"
    else:
        assert expected == decoded


def check_encode(case: Case) -> None:
    encoded = version_id.encode(case.input["versionId"])

    assert case.expected["encoded"] == encoded
    _decoded(encoded, case.expected["decodedAgain"])


def check_decode(case: Case) -> None:
    _decoded(case.input["encoded"], case.expected["decoded"])


def check_reduced_locations(case: Case) -> None:
    assert case.expected["reduced"] == list(reduced_locations(metadata.locations(case.input)))


CHECKS: Final[Mapping[str, Check]] = {
    "version_id_encode": check_encode,
    "version_id_decode": check_decode,
    "reduced_locations": check_reduced_locations,
}
