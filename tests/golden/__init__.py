"""Golden cases: see README.md."""

import pytest

# So that a failed case says what was expected and what was found.
pytest.register_assert_rewrite("golden.vectors", "golden.checkers", "golden.status_run", "golden.status_model")
