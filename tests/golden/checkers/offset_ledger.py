"""The offset ledger: what is committable after each delivery and completion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

from backbeat_core.errors import InvalidInput
from backbeat_core.queueing.ledger import Ledger
from golden.vectors import Case, Check

Ledgers = defaultdict[tuple[str, int], Ledger]


def _answer(ledgers: Ledgers, operation: str, *arguments: Any) -> dict[str, Any]:
    if operation == "count":
        wanted = [ledger for place, ledger in ledgers.items() if place[: len(arguments)] == arguments]
        return {"count": sum(ledger.unfinished for ledger in wanted)}
    topic, partition, *offset = arguments
    ledger = ledgers[topic, partition]
    try:
        if operation == "consumed":
            ledger.consumed(*offset)
        elif operation == "processed":
            ledger.processed(*offset)
        else:
            assert operation == "committable"
    except InvalidInput:
        return {"error": "assertion"}
    return {"committable": ledger.committable}


def check_ledger(case: Case) -> None:
    ledgers: Ledgers = defaultdict(Ledger)

    results = [_answer(ledgers, *operation) for operation in case.input["ops"]]

    assert case.expected["results"] == results
    final: dict[str, dict[str, Any]] = defaultdict(dict)
    for (topic, partition), ledger in ledgers.items():
        final[topic][str(partition)] = ledger.export()
    assert case.expected["finalState"] == final


CHECKS: Final[Mapping[str, Check]] = {"ledger": check_ledger}
