"""What the user sees while it works, and after: bars and tables on standard error, JSON on standard output."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, NoReturn

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from backbeat_adapters.embedded.tree import printable
from backbeat_adapters.progress import Board

DRAW_S = 0.2
STATUS_STYLES = {"COMPLETED": "green", "FAILED": "bold red", "PENDING": "yellow", "PROCESSING": "cyan"}


def messages() -> Console:
    """Return the console for people: standard error, so that standard output stays data."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """Write one line for people."""
    show(Text(text))


def show(what: Text | Table) -> None:
    """Write something for people. Where nobody can hear it, the work is worth no less."""
    with contextlib.suppress(OSError):
        messages().print(what)


def write(text: str) -> None:
    """Write to standard output. Raises OSError, at once and not at the end of the process."""
    sys.stdout.write(text)
    sys.stdout.flush()


def write_json(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write one JSON document to standard output. Raises OSError."""
    write(json.dumps(document, ensure_ascii=True, indent=2) + "\n")


def end(code: int) -> NoReturn:
    """
    Exit with *code*.

    What could not be written to a pipe or a full disk stays in a buffer, and the interpreter would try it again.
    """
    for number, stream in ((1, sys.stdout), (2, sys.stderr)):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)
    sys.exit(code)


def table(
    title: str, columns: Iterable[str], rows: Iterable[Sequence[object]], *, right: Sequence[int] = ()
) -> Table:
    """Return a table; statuses are coloured, columns numbered in *right* are aligned there."""
    made = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        made.add_column(column, justify="right" if number in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*(_cell(value) for value in row))
    return made


def _cell(value: object) -> Text:
    text = printable(str(value))
    return Text(text, style=STATUS_STYLES.get(text, ""))


def human_bytes(count: int) -> str:
    """Return a number of bytes as people read it, in powers of 1000."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 1000 or unit == "TB":
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    raise AssertionError("unreachable")


class Bars:
    """A bar for each location, objects and bytes; nothing where standard error is not a terminal."""

    def __init__(self, board: Board, *, shown: bool) -> None:
        self._board = board
        self._shown = shown
        self._drawn = 0.0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("objects"),
            TextColumn("{task.fields[bytes_done]} of {task.fields[bytes_all]}"),
            TextColumn("{task.fields[failed]}", style="bold red"),
            console=messages(),
            disable=not shown,
            transient=True,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Bars:
        self._progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.__exit__(kind, error, trace)

    def refresh(self) -> None:
        """Draw the board as it stands, if it is shown and was not drawn just now."""
        now = time.monotonic()
        if not self._shown or now - self._drawn < DRAW_S:
            return
        self._drawn = now
        for name, tally in self._board.tallies().items():
            fields: dict[str, Any] = {
                "bytes_done": human_bytes(tally.bytes_done),
                "bytes_all": human_bytes(tally.bytes_all),
                "failed": f"{tally.failed} failed" if tally.failed else "",
            }
            if name not in self._tasks:
                self._tasks[name] = self._progress.add_task(name, total=tally.objects, **fields)
            self._progress.update(
                self._tasks[name], total=tally.objects, completed=tally.completed + tally.failed, **fields
            )


__all__ = ["Bars", "end", "human_bytes", "messages", "say", "show", "table", "write", "write_json"]
