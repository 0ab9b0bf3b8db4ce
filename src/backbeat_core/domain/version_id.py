"""Version ids: how they are made, and the public form that clients see (queue-and-wire 3.6.3)."""

from __future__ import annotations

import string
from typing import Final

from backbeat_core.errors import InvalidDocument, InvalidInput

# How the version that has no usable id is addressed, in its internal and in its public form.
NULL: Final = "null"

_SYMBOLS: Final = string.digits + string.ascii_lowercase + string.ascii_uppercase
_VALUES: Final = {symbol: value for value, symbol in enumerate(_SYMBOLS)}

_TIMESTAMP_DIGITS: Final = 14
_SEQUENCE_DIGITS: Final = 6
_GROUP_LENGTH: Final = 7

# An id of the plain form: two integers of ten digits and a group of seven characters, as UTF-16 counts them.
_PLAIN_LENGTH: Final = 27
_INTEGER_DIGITS: Final = 10
_INTEGER_SYMBOLS: Final = 6
_GROUP_SYMBOLS: Final = 20
_PLAIN_PUBLIC_LENGTH: Final = 2 * _INTEGER_SYMBOLS + _GROUP_SYMBOLS


def make(timestamp_ms: int, sequence: int, group: str) -> str:
    """
    Return a new internal version id, which sorts before all older ones.

    *timestamp_ms* is the time of the write, *sequence* the number of ids already made in that
    millisecond, *group* the replication group id of up to seven characters.
    """
    last_timestamp = 10**_TIMESTAMP_DIGITS - 1
    last_sequence = 10**_SEQUENCE_DIGITS - 1
    if not 0 <= timestamp_ms <= last_timestamp or not 0 <= sequence <= last_sequence:
        raise InvalidInput(f"no version id holds time {timestamp_ms} with sequence {sequence}")
    if len(group) > _GROUP_LENGTH:
        raise InvalidInput(f"replication group id {group!r} is longer than {_GROUP_LENGTH} characters")
    timestamp = f"{last_timestamp - timestamp_ms:0{_TIMESTAMP_DIGITS}}"
    return f"{timestamp}{last_sequence - sequence:0{_SEQUENCE_DIGITS}}{group:<{_GROUP_LENGTH}}"


def encode(internal: str) -> str:
    """Return the public form: base 62 of 32 symbols for a plain id, hexadecimal for any other text."""
    if internal == NULL:
        return NULL
    first, second = internal[:_INTEGER_DIGITS], internal[_INTEGER_DIGITS : 2 * _INTEGER_DIGITS]
    group = internal[2 * _INTEGER_DIGITS :]
    if _length(internal) == _PLAIN_LENGTH and _is_number(first + second):
        value = int.from_bytes(_to_bytes(group), "big")
        # A group that begins with NUL, or whose characters are large, would not come back from 20 symbols.
        if not group.startswith("\0") and value < 62**_GROUP_SYMBOLS:
            return (
                _to_base62(int(first), _INTEGER_SYMBOLS)
                + _to_base62(int(second), _INTEGER_SYMBOLS)
                + _to_base62(value, _GROUP_SYMBOLS)
            )
    return _to_bytes(internal).hex()


def decode(public: str) -> str:
    """Return the internal form of *public*; raise `InvalidDocument` (InvalidArgument) where it is none."""
    if public == NULL:
        return NULL
    if len(public) == _PLAIN_PUBLIC_LENGTH:
        return _decode_plain(public)
    if len(public) > _PLAIN_PUBLIC_LENGTH:
        return _decode_hexadecimal(public)
    raise _invalid()


def _length(text: str) -> int:
    return len(text) + sum(character > "\uffff" for character in text)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _to_base62(value: int, width: int) -> str:
    symbols = []
    while value:
        value, remainder = divmod(value, 62)
        symbols.append(_SYMBOLS[remainder])
    return "".join(reversed(symbols)).rjust(width, "0")


def _from_base62(text: str) -> int:
    value = 0
    for symbol in text:
        value = value * 62 + _VALUES[symbol]
    return value


def _decode_plain(public: str) -> str:
    try:
        first = _from_base62(public[:_INTEGER_SYMBOLS])
        second = _from_base62(public[_INTEGER_SYMBOLS : 2 * _INTEGER_SYMBOLS])
        value = _from_base62(public[2 * _INTEGER_SYMBOLS :])
    except KeyError:
        raise _invalid() from None
    group = value.to_bytes((value.bit_length() + 7) // 8, "big").decode("utf-8", "replace")
    internal = f"{first:0{_INTEGER_DIGITS}}{second:0{_INTEGER_DIGITS}}{group}"
    if _length(internal) != _PLAIN_LENGTH:
        raise _invalid()
    return internal


def _decode_hexadecimal(public: str) -> str:
    # The reference reads pairs for as long as they are pairs, and ids are compared with what it reads.
    digits = len(public) - len(public.lstrip(string.hexdigits))
    internal = bytes.fromhex(public[: digits - digits % 2]).decode("utf-8", "replace")
    if not internal:
        raise _invalid()
    return internal


def _invalid() -> InvalidDocument:
    return InvalidDocument("InvalidArgument", "Invalid version id specified")
