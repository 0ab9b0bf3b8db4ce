"""What all tests share: the real servers, and the golden cases."""

from __future__ import annotations

pytest_plugins = ["servers.plugin", "golden.plugin"]
