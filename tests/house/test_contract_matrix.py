"""Every adapter is held to every law of every port that it implements; the page in the docs says so."""

from __future__ import annotations

import pytest

from house import contract_matrix as matrix

matrix.load()


@pytest.mark.parametrize("contract", matrix.CONTRACTS, ids=lambda contract: contract.port.__name__)
def test_every_law_is_a_test_of_its_name(contract):
    together = {
        name.removeprefix("test_")
        for other in matrix.CONTRACTS
        if other.module is contract.module
        for name in matrix.tests_of(other.mixin)
    }

    assert {*matrix.laws(contract.module)} == together - {"any_history"}


@pytest.mark.parametrize("contract", matrix.CONTRACTS, ids=lambda contract: contract.port.__name__)
def test_no_box_is_empty(contract):
    empty = [
        f"{adapter}: {law}"
        for law, _, boxes in matrix.rows(contract)
        for adapter, box in zip(matrix.adapters(contract), boxes, strict=True)
        if not box
    ]

    assert [] == empty, "promised by a class, held to by no test in tests/adapters/test_<adapter>.py"


def test_the_model_and_the_embedded_engine_keep_every_port():
    for contract in matrix.CONTRACTS:
        wanted = {"memory", "clock" if contract.port.__name__ == "Clock" else "embedded"}
        assert wanted <= set(matrix.adapters(contract))


def test_the_page_is_up_to_date():
    assert matrix.page() == matrix.PAGE.read_text(), f"run `{matrix.COMMAND}`"
