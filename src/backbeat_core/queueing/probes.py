"""What a circuit breaker is configured with: its probes, and how often it asks them (queue-and-wire 1.12)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import attrs

from backbeat_core.errors import InvalidConfiguration

INTERVAL: Final = re.compile(r"[0-9]+[smhd]")
ENDPOINT: Final = re.compile(r"https?://[^\s/?#]+\S*", re.IGNORECASE)


@attrs.frozen
class Noop:
    """A probe that always says the same, for tests and drills."""

    value: bool


@attrs.frozen
class Query:
    """
    A probe that is content while what *query* gives, at a Prometheus *endpoint*, is under *threshold*.

    One that cannot be read keeps its last reading if it may *fail_open*; else it says no.
    """

    endpoint: str
    query: str
    threshold: float
    timeout_ms: float | None = None
    fail_open: bool = True


Probe: TypeAlias = Noop | Query


@attrs.frozen
class Output:
    """The single queue that a service writes to, for probes that say `implicitSingleOutputTopic`."""

    topic: str
    group: str | None = None


@attrs.frozen
class BreakerSettings:
    """The probes, the pause after an evaluation by the state that it led to, and what it takes to recover."""

    probes: tuple[Probe, ...] = ()
    nominal_evaluate_interval_ms: float = 60_000
    tripped_evaluate_interval_ms: float = 60_000
    stabilizing_evaluate_interval_ms: float = 60_000
    stabilize_after_n_successes: float = 2

    @classmethod
    def from_document(cls, document: Mapping[str, Any] | None, *, output: Output | None = None) -> BreakerSettings:
        """Read the configuration object; None is all defaults. Raises InvalidConfiguration naming the key."""
        found = _Reader(document or {}, "circuitBreaker")
        probes = found.take("probes", _is_list, "a list", default=[])

        def positive(key: str, default: float) -> float:
            return float(found.take(key, _is_positive, "a number above 0", default=default))

        settings = cls(
            tuple(_probe(probe, f"circuitBreaker.probes[{nth}]", output) for nth, probe in enumerate(probes)),
            positive("nominalEvaluateIntervalMs", 60_000),
            positive("trippedEvaluateIntervalMs", 60_000),
            positive("stabilizingEvaluateIntervalMs", 60_000),
            positive("stabilizeAfterNSuccesses", 2),
        )
        found.end()
        return settings


_REQUIRED: Final = object()


class _Reader:
    """Takes the members out of an object one by one, so that what is left is what nobody knows."""

    def __init__(self, document: Any, path: str) -> None:
        if not isinstance(document, Mapping):
            raise InvalidConfiguration(f"{path} is an object, not {document!r}")
        self._left = dict(document)
        self._path = path

    def take(
        self, key: str, accepts: Callable[[Any], bool], wanted: str, *, default: Any = _REQUIRED
    ) -> Any:
        if key not in self._left:
            if default is _REQUIRED:
                raise InvalidConfiguration(f"{self._path}.{key} is missing")
            return default
        value = self._left.pop(key)
        if not accepts(value):
            raise InvalidConfiguration(f"{self._path}.{key} is {wanted}, not {value!r}")
        return value

    def end(self) -> None:
        if self._left:
            raise InvalidConfiguration(f"{self._path}.{min(self._left)} is not known")


def _probe(document: Any, path: str, output: Output | None) -> Probe:
    found = _Reader(document, path)
    kind = found.take("type", _is_kind, "one of " + ", ".join(_PROBES))
    probe = _PROBES[kind](found, path, output)
    found.end()
    return probe


def _noop(found: _Reader, path: str, output: Output | None) -> Probe:
    return Noop(found.take("returnConstantValue", _is_bool, "true or false"))


def _prometheus_query(found: _Reader, path: str, output: Output | None) -> Probe:
    query = found.take("query", _is_text, "a text")
    return _query(found, path, query, found.take("threshold", _is_number, "a number"))


def _kafka_consumer_lag(found: _Reader, path: str, output: Output | None) -> Probe:
    group = found.take("consumerGroupName", _is_text, "a text", default=None)
    topic = found.take("topicName", _is_text, "a text", default=None)
    if found.take("implicitSingleOutputTopic", _is_bool, "true or false", default=False):
        if output is None:
            raise InvalidConfiguration(f"{path}.implicitSingleOutputTopic: there is no single output topic here")
        group, topic = output.group, output.topic
    if group is None and topic is None:
        raise InvalidConfiguration(f"{path}.consumerGroupName is missing")
    labels = {"group": group, "topic": topic}
    chosen = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items() if value is not None)
    limit = found.take("wantTotalLagLessThan", _is_positive, "a number above 0")
    return _query(found, path, f"kafka_consumergroup_group_lag{{{chosen}}}", limit)


def _query(found: _Reader, path: str, query: str, threshold: float) -> Probe:
    where = _Reader(found.take("prometheus", _is_object, "an object"), f"{path}.prometheus")
    endpoint = where.take("endpoint", _is_endpoint, "an http or https address")
    timeout = where.take("timeout", _is_positive, "a number above 0", default=None)
    where.end()
    over = found.take("averagedOverInterval", _is_interval, "a number with s, m, h or d after it", default=None)
    whole = f"sum({query})" if over is None else f"sum(avg_over_time({query}[{over}]))"
    fail_open = found.take("failOpen", _is_bool, "true or false", default=True)
    return Query(endpoint, whole, threshold, timeout, fail_open)


_PROBES: Final[Mapping[str, Callable[[_Reader, str, Output | None], Probe]]] = {
    "noop": _noop,
    "prometheusQuery": _prometheus_query,
    "kafkaConsumerLag": _kafka_consumer_lag,
}


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _is_kind(value: Any) -> bool:
    return isinstance(value, str) and value in _PROBES


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and value > 0


def _is_endpoint(value: Any) -> bool:
    return isinstance(value, str) and ENDPOINT.fullmatch(value) is not None


def _is_interval(value: Any) -> bool:
    return isinstance(value, str) and INTERVAL.fullmatch(value) is not None
