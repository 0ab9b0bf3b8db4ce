"""The blocks of `docs/howto/mount-the-api.md`, run one after the other, and asked as their readers would."""

from __future__ import annotations

import asyncio
import json
import re
import wsgiref.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "mount-the-api.md"


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile("\n".join(blocks), str(PAGE), "exec"), names)
    yield names
    names["engine"].close()


def test_the_page_s_applications_answer(names: dict[str, Any]) -> None:
    assert 6 == PAGE.read_text(encoding="utf-8").count("```python")
    path = "/_/backbeat/api/healthcheck"
    assert {"topics", "internalConnections"} == set(asgi(names["app"], f"/queues{path}"))
    assert {"topics", "internalConnections"} == set(wsgi(names["application"], path))
    assert names["server"].config.port == 8900
    assert not names["server"].config.proxy_headers


def asgi(app: Any, path: str) -> Any:
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"backbeat.example.com")],
        "client": ("10.1.2.3", 50000),
    }
    asyncio.run(app(scope, receive, send))
    assert 200 == sent[0]["status"]
    return json.loads(sent[1]["body"])


def wsgi(app: Any, path: str) -> Any:
    environ = {"PATH_INFO": path, "REMOTE_ADDR": "10.1.2.3", "HTTP_HOST": "localhost"}
    wsgiref.util.setup_testing_defaults(environ)
    answers: list[str] = []
    body = b"".join(app(environ, lambda status, headers, error=None: answers.append(status)))
    assert ["200 OK"] == answers
    return json.loads(body)
