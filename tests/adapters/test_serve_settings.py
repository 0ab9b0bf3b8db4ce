"""The `server` section of a configuration file: what is read of it, and what is refused by its name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from backbeat_adapters.cli.serve import ServerSettings
from backbeat_core.errors import InvalidConfiguration


def read(tmp_path: Path, server: object) -> ServerSettings:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"server": server}))
    return ServerSettings.read(path)


def test_what_is_not_said_is_the_default(tmp_path: Path) -> None:
    assert ServerSettings() == ServerSettings.read(None) == read(tmp_path, {})


def test_who_may_ask_is_read(tmp_path: Path) -> None:
    server = {
        "host": "ignored, as in the reference",
        "port": 9000,
        "healthChecks": {"allowFrom": ["10.0.0.0/8"]},
        "trustedProxies": ["10.0.0.7"],
        "allowedHosts": ["s3.example.com"],
        "allowedOrigins": ["https://ui.example.com"],
    }
    expected = ServerSettings(
        "", 9000, ("10.0.0.0/8",), ("10.0.0.7",), ("s3.example.com",), ("https://ui.example.com",)
    )
    assert expected == read(tmp_path, server)


@pytest.mark.parametrize("wrong", ["10.0.0.1", None, {}, [5], [None]])
@pytest.mark.parametrize("name", ["healthChecks.allowFrom", "trustedProxies", "allowedHosts", "allowedOrigins"])
def test_a_list_that_is_none_is_named(tmp_path: Path, name: str, wrong: object) -> None:
    outer, _, inner = name.partition(".")
    with pytest.raises(InvalidConfiguration, match=f"server.{name} must be a list of texts"):
        read(tmp_path, {outer: {inner: wrong} if inner else wrong})
