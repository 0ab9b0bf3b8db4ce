"""The small language in which tables say what a configuration file may hold, and the reader of it."""

from __future__ import annotations

import difflib
import enum
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import attrs

Value: TypeAlias = Any
"""A JSON value."""

MASK: Final = "***"
_SECRET_NAME: Final = re.compile("password|secret|accesskey|sastoken|privatekey", re.IGNORECASE)


class Without(enum.Enum):
    """What holds where a key is not given and has no default."""

    REQUIRED = "required"
    ABSENT = "absent"


REQUIRED: Final = Without.REQUIRED
ABSENT: Final = Without.ABSENT


@attrs.frozen
class Kind:
    """A type of value; *take* gives the value as it is meant, or raises ValueError."""

    name: str
    take: Callable[[Value], Value]


@attrs.frozen
class Check:
    """What a value must be besides its type; *text* follows the words "must be"."""

    text: str
    holds: Callable[[Value], bool]


def _instance(kind: type) -> Callable[[Value], Value]:
    def take(value: Value) -> Value:
        if not isinstance(value, kind):
            raise ValueError(value)
        return value

    return take


def _number(value: Value) -> int | float:
    """Numbers and flags may be given as text, as the reference converts them (4.1)."""
    if isinstance(value, str):
        value = int(value) if re.fullmatch(r"[+-]?\d{1,18}", value) else float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise ValueError(value)
    return value


def _integer(value: Value) -> int:
    number = _number(value)
    if number != int(number):
        raise ValueError(value)
    return int(number)


def _flag(words: Mapping[str, bool]) -> Callable[[Value], bool]:
    def take(value: Value) -> bool:
        if isinstance(value, str) and value.lower() in words:
            return words[value.lower()]
        if not isinstance(value, bool):
            raise ValueError(value)
        return value

    return take


def _sentinels(value: Value) -> list[Value]:
    """A list, or text `h:p,h:p`."""
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        raise ValueError(value)
    found = []
    for part in value.split(","):
        host, _, port = part.strip().rpartition(":")
        found.append({"host": host, "port": _integer(port)})
    return found


_WORDS: Final = {"true": True, "false": False}

TEXT: Final = Kind("text", _instance(str))
NUMBER: Final = Kind("number", _number)
INTEGER: Final = Kind("whole number", _integer)
FLAG: Final = Kind("true or false", _flag(_WORDS))
YES_NO: Final = Kind("true or false, yes or no", _flag({**_WORDS, "yes": True, "no": False}))
SECTION: Final = Kind("object", _instance(dict))
FREE: Final = Kind("object, free", _instance(dict))
LIST: Final = Kind("list", _instance(list))
SENTINELS: Final = Kind("list, or text host:port,host:port", _sentinels)


def one_of(*texts: str) -> Check:
    """Return the check that a value is among *texts*."""
    return Check(f"one of {', '.join(texts)}", texts.__contains__)


def at_least(least: float) -> Check:
    """Return the check of a lower bound that itself is allowed."""
    return Check(f"{least} or more", lambda value: bool(value >= least))


def within(least: float, most: float) -> Check:
    """Return the check of two bounds, both allowed."""
    return Check(f"from {least} to {most}", lambda value: bool(least <= value <= most))


ABOVE_ZERO: Final = Check("above 0", lambda value: bool(value > 0))
PORT: Final = within(1, 65535)
NOT_EMPTY: Final = Check("not empty", bool)
SEVEN: Final = Check("exactly 7 characters (pad with spaces)", lambda value: len(value) == 7)
UNIQUE: Final = Check("without repetitions", lambda value: len(set(map(str, value))) == len(value))
HOSTS: Final = Check(
    "host:port[,host:port…]",
    lambda value: all(re.fullmatch(r"\s*[^\s,/]+:\d{1,5}\s*", part) for part in value.split(",")),
)
ENSEMBLE: Final = Check(
    "host:port[,host:port…][/chroot]",
    lambda value: HOSTS.holds(value.partition("/")[0]) and "//" not in value and not value.endswith("/"),
)
NODE: Final = Check(
    "a path such as /queue-populator",
    lambda value: value.startswith("/") and "//" not in value and not value.endswith("/"),
)
CRON: Final = Check("six fields, seconds first", lambda value: len(value.split()) == 6)
TOPIC: Final = Check(
    "1 to 249 of a-z, A-Z, 0-9, '.', '_' and '-'",
    lambda value: re.fullmatch(r"[A-Za-z0-9._-]{1,249}", value) is not None,
)


@attrs.frozen
class Key:
    """
    One key of the file.

    *path* is dotted, `[]` stands for each item of a list. *default* is the value, REQUIRED or ABSENT.
    *unused* says why nobody reads it; '' if it is honoured. *ours*: the reference does not know it.
    """

    path: str
    kind: Kind
    default: Value = ABSENT
    about: str = ""
    check: Check | None = None
    unused: str = ""
    secret: bool = False
    ours: bool = False


@attrs.frozen
class Rule:
    """What must hold between the keys of one section; *find* yields (key below it, what is wrong)."""

    path: str
    find: Callable[[Mapping[str, Value]], Iterable[tuple[str, str]]]


@attrs.define
class Node:
    """A key with what is below it."""

    key: Key
    children: dict[str, Node] = attrs.field(factory=dict)

    def child(self, name: str) -> Node | None:
        """Return the key of that name, in any case of letters if no other way."""
        found = self.children.get(name)
        if found is None:
            same = [each for each in self.children if each.lower() == name.lower()]
            found = self.children[same[0]] if len(same) == 1 else None
        return found


def steps(path: str) -> list[str]:
    """Return `a.b[].c` as a, b, [], c."""
    return [step for part in path.split(".") for step in re.findall(r"\[\]|[^\[\]]+", part)]


def tree(keys: Iterable[Key]) -> Node:
    """Return the keys as a tree; a section stands before what is in it."""
    root = Node(Key("", SECTION))
    for key in keys:
        *above, name = steps(key.path)
        node = root
        for step in above:
            node = node.children[step]
        node.children[name] = Node(key)
    return root


@attrs.define
class Reading:
    """What one reading has found: *problems* in the order of the file, *unused* by name."""

    origins: Mapping[str, str] = attrs.field(factory=dict)
    """Path → the variable that has set it."""
    problems: list[str] = attrs.field(factory=list)
    unused: dict[str, str] = attrs.field(factory=dict)

    def object(
        self, node: Node, given: Mapping[str, Value], path: str = "", *, quiet: bool = False
    ) -> dict[str, Value]:
        """Return *given* with its values converted and the defaults filled in."""
        for name in given:
            if name not in node.children:
                self._unknown(node, name, path)
        found: dict[str, Value] = {}
        for name, child in node.children.items():
            where = f"{path}.{name}" if path else name
            if name in given:
                silent = quiet or bool(child.key.unused)
                if not quiet and child.key.unused:
                    self.unused.setdefault(child.key.path, child.key.unused)
                found[name] = self._value(child, given[name], where, quiet=silent)
            elif child.key.default is REQUIRED:
                self._problem(where, "is required" + (f": {child.key.about}" if child.key.about else ""))
            elif child.key.default is not ABSENT:
                found[name] = self._value(child, child.key.default, where, quiet=True)
        return found

    def _value(self, node: Node, given: Value, path: str, *, quiet: bool) -> Value:
        key = node.key
        try:
            value = key.kind.take(given)
        except (ValueError, OverflowError):
            self._problem(path, f"must be {_article(key.kind.name)}{_not(key, given)}")
            return given
        if key.check is not None and not key.check.holds(value):
            self._problem(path, f"must be {key.check.text}{_not(key, given)}")
            return value
        if key.kind is SECTION:
            return self.object(node, value, path, quiet=quiet)
        item = node.children.get("[]")
        if item is not None:
            return [self._value(item, each, f"{path}[{n}]", quiet=quiet) for n, each in enumerate(value)]
        return value

    def rule(self, rule: Rule, document: Mapping[str, Value]) -> None:
        """Check one rule on every section that it is about."""
        for path, section in _sections(document, steps(rule.path)):
            for below, text in rule.find(section):
                self._problem(f"{path}.{below}" if path and below else path or below, text)

    def _unknown(self, node: Node, name: str, path: str) -> None:
        close = difflib.get_close_matches(name, node.children, 1)
        where = f"{path}.{name}" if path else name
        self._problem(where, "is not known" + (f": did you mean {close[0]}?" if close else ""))

    def _problem(self, path: str, text: str) -> None:
        origin = self.origins.get(path, "")
        self.problems.append(f"{path} {text}" + (f" (from {origin})" if origin else ""))


def _sections(value: Value, left: Sequence[str], path: str = "") -> Iterator[tuple[str, Mapping[str, Value]]]:
    if not left:
        if isinstance(value, Mapping):
            yield path, value
    elif left[0] == "[]":
        for n, each in enumerate(value if isinstance(value, list) else []):
            yield from _sections(each, left[1:], f"{path}[{n}]")
    elif isinstance(value, Mapping) and left[0] in value:
        yield from _sections(value[left[0]], left[1:], f"{path}.{left[0]}" if path else left[0])


def _article(name: str) -> str:
    return name if name.startswith(("text", "true")) else f"an {name}" if name[0] in "ao" else f"a {name}"


def _not(key: Key, given: Value) -> str:
    if key.secret:
        return ""
    text = repr(given)
    return f", not {text}" if len(text) <= 60 and not isinstance(given, (dict, list)) else ""


def masked(node: Node | None, value: Value, name: str = "") -> Value:
    """Return *value* with what is secret in it replaced; what no table knows is judged by its name."""
    if (node is not None and node.key.secret) or (node is None and _SECRET_NAME.search(name)):
        return MASK if value not in ("", None) else value
    if isinstance(value, Mapping):
        known = {} if node is None else node.children
        return {each: masked(known.get(each), below, each) for each, below in value.items()}
    if isinstance(value, list):
        item = None if node is None else node.children.get("[]")
        return [masked(item, each, name) for each in value]
    return value
