"""The OpenAPI document, made of the table of routes."""

from __future__ import annotations

from typing import Any


def document() -> dict[str, Any]:
    """Return the document."""
    return {"openapi": "3.1.0"}
