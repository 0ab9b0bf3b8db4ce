"""What a breaker may be configured with (queue-and-wire 1.12)."""

from __future__ import annotations

from typing import Any

import pytest

from backbeat_core.errors import InvalidConfiguration
from backbeat_core.queueing.probes import BreakerSettings, Noop, Output, Query

WHERE = {"endpoint": "http://prometheus:9090"}
QUERY = {"type": "prometheusQuery", "prometheus": WHERE, "query": "up", "threshold": 3}
LAG = {"type": "kafkaConsumerLag", "prometheus": WHERE, "wantTotalLagLessThan": 50, "consumerGroupName": "g"}


def probe(document: dict[str, Any], output: Output | None = None) -> Noop | Query:
    return BreakerSettings.from_document({"probes": [document]}, output=output).probes[0]


@pytest.mark.parametrize("document", [None, {}, {"probes": []}])
def test_nothing_said_is_all_defaults(document: dict[str, Any] | None) -> None:
    assert BreakerSettings((), 60_000, 60_000, 60_000, 2) == BreakerSettings.from_document(document)
    assert BreakerSettings((), 60_000, 60_000, 60_000, 2) == BreakerSettings()


def test_each_interval_has_its_key() -> None:
    document = {
        "nominalEvaluateIntervalMs": 1,
        "trippedEvaluateIntervalMs": 2,
        "stabilizingEvaluateIntervalMs": 3.5,
        "stabilizeAfterNSuccesses": 4,
    }

    assert BreakerSettings((), 1, 2, 3.5, 4) == BreakerSettings.from_document(document)


@pytest.mark.parametrize("value", [True, False])
def test_a_noop_has_a_constant(value: bool) -> None:
    assert Noop(value) == probe({"type": "noop", "returnConstantValue": value})


def test_a_query_is_summed() -> None:
    assert Query("http://prometheus:9090", "sum(up)", 3) == probe(QUERY)


def test_a_query_over_an_interval_is_the_sum_of_the_average() -> None:
    assert probe({**QUERY, "averagedOverInterval": "60s"}).query == "sum(avg_over_time(up[60s]))"


def test_a_query_says_where_and_how_long_it_is_asked() -> None:
    where = {"endpoint": "HTTPS://p.example/prefix", "timeout": 0.5}

    assert Query("HTTPS://p.example/prefix", "sum(up)", -1.5, 0.5, False) == probe(
        {**QUERY, "prometheus": where, "threshold": -1.5, "failOpen": False}
    )


def test_a_lag_probe_asks_for_its_group_and_topic() -> None:
    assert probe(LAG).query == 'sum(kafka_consumergroup_group_lag{group="g"})'
    assert probe(LAG).threshold == 50
    assert probe({**LAG, "topicName": "t"}).query == 'sum(kafka_consumergroup_group_lag{group="g",topic="t"})'


def test_names_in_a_query_are_quoted() -> None:
    assert r'{group="a\"b\\c\nd"}' in probe({**LAG, "consumerGroupName": 'a"b\\c\nd'}).query


@pytest.mark.parametrize(
    ("output", "labels"),
    [(Output("out", "readers"), 'group="readers",topic="out"'), (Output("out"), 'topic="out"')],
)
def test_the_single_output_topic_takes_the_place_of_names(output: Output, labels: str) -> None:
    for document in (LAG, without(LAG, "consumerGroupName")):
        assert f"{{{labels}}}" in probe({**document, "implicitSingleOutputTopic": True}, output).query


def test_an_implicit_topic_that_is_off_injects_nothing() -> None:
    assert '{group="g"}' in probe({**LAG, "implicitSingleOutputTopic": False}, Output("out", "readers")).query


def without(document: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != key}


TEXT = "is a text"
POSITIVE = "is a number above 0"


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (without(QUERY, "type"), "probes[0].type is missing"),
        ({**QUERY, "type": "ping"}, "type is one of noop, prometheusQuery, kafkaConsumerLag, not 'ping'"),
        ({**QUERY, "type": ["noop"]}, "type is one of noop"),
        ({"type": "noop"}, "probes[0].returnConstantValue is missing"),
        ({"type": "noop", "returnConstantValue": 1}, "returnConstantValue is true or false, not 1"),
        ({"type": "noop", "returnConstantValue": True, "extra": 1}, "probes[0].extra is not known"),
        (without(QUERY, "query"), "probes[0].query is missing"),
        ({**QUERY, "query": ""}, f"query {TEXT}"),
        ({**QUERY, "query": 1}, f"query {TEXT}"),
        (without(QUERY, "threshold"), "probes[0].threshold is missing"),
        ({**QUERY, "threshold": "3"}, "threshold is a number, not '3'"),
        ({**QUERY, "threshold": True}, "threshold is a number, not True"),
        ({**QUERY, "threshold": float("nan")}, "threshold is a number, not nan"),
        (without(QUERY, "prometheus"), "probes[0].prometheus is missing"),
        ({**QUERY, "prometheus": "http://p"}, "prometheus is an object"),
        ({**QUERY, "prometheus": {}}, "probes[0].prometheus.endpoint is missing"),
        ({**QUERY, "prometheus": {"endpoint": "ftp://p"}}, "prometheus.endpoint is an http or https address"),
        ({**QUERY, "prometheus": {"endpoint": "http://"}}, "prometheus.endpoint is an http or https address"),
        ({**QUERY, "prometheus": {"endpoint": 1}}, "prometheus.endpoint is an http or https address"),
        ({**QUERY, "prometheus": {**WHERE, "timeout": 0}}, f"prometheus.timeout {POSITIVE}"),
        ({**QUERY, "prometheus": {**WHERE, "port": 1}}, "probes[0].prometheus.port is not known"),
        ({**QUERY, "averagedOverInterval": "60"}, "averagedOverInterval is a number with s, m, h or d"),
        ({**QUERY, "averagedOverInterval": "x60s"}, "averagedOverInterval is"),
        ({**QUERY, "averagedOverInterval": 60}, "averagedOverInterval is"),
        ({**QUERY, "failOpen": "no"}, "failOpen is true or false"),
        ({**LAG, "prometheus": {}}, "probes[0].prometheus.endpoint is missing"),
        (without(LAG, "wantTotalLagLessThan"), "probes[0].wantTotalLagLessThan is missing"),
        ({**LAG, "wantTotalLagLessThan": 0}, f"wantTotalLagLessThan {POSITIVE}"),
        (without(LAG, "consumerGroupName"), "probes[0].consumerGroupName is missing"),
        ({**LAG, "consumerGroupName": 1}, f"consumerGroupName {TEXT}"),
        ({**LAG, "topicName": ""}, f"topicName {TEXT}"),
        ({**LAG, "implicitSingleOutputTopic": 1}, "implicitSingleOutputTopic is true or false"),
        ({**LAG, "implicitSingleOutputTopic": True}, "implicitSingleOutputTopic: there is no single output"),
    ],
)
def test_a_bad_probe_is_refused_by_its_path(document: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidConfiguration) as refusal:
        probe(document)

    assert str(refusal.value).startswith("circuitBreaker.probes[0]")
    assert complaint in str(refusal.value)


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([1], "circuitBreaker is an object, not [1]"),
        ({"probes": {}}, "circuitBreaker.probes is a list, not {}"),
        ({"probes": [1]}, "circuitBreaker.probes[0] is an object, not 1"),
        ({"nominalEvaluateIntervalMs": 0}, "circuitBreaker.nominalEvaluateIntervalMs is a number above 0, not 0"),
        ({"trippedEvaluateIntervalMs": -1}, "circuitBreaker.trippedEvaluateIntervalMs is a number above 0"),
        ({"stabilizingEvaluateIntervalMs": "1"}, "stabilizingEvaluateIntervalMs is a number above 0, not '1'"),
        ({"stabilizeAfterNSuccesses": float("inf")}, "stabilizeAfterNSuccesses is a number above 0"),
        ({"b": 1, "a": 2}, "circuitBreaker.a is not known"),
    ],
)
def test_a_bad_breaker_is_refused_by_its_path(document: Any, complaint: str) -> None:
    with pytest.raises(InvalidConfiguration) as refusal:
        BreakerSettings.from_document(document)

    assert complaint in str(refusal.value)
