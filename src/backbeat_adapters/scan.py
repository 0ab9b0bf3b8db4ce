"""Compares a source tree with what is stored of it, and writes down the difference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import attrs

from backbeat_adapters.embedded.tree import Refused, SourceTree, TreeFile
from backbeat_core.domain import metadata as md
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.errors import BackbeatError, NotFound, SourceChanged
from backbeat_core.ports.store import Document, Store
from backbeat_core.services.write_object import NewObject, ObjectWriter

PAGE = 500
ATTEMPTS = 3
"""How often a file that is written while it is read is read again before it is left for the next scan."""


@attrs.define
class Scanned:
    """
    What one scan found: files *added*, *changed*, *removed*, *unchanged*, and *refused* names.

    *current* is called with the newest version of each key, as it stands after the scan.
    """

    added: int = 0
    changed: int = 0
    removed: int = 0
    unchanged: int = 0
    refused: list[Refused] = attrs.field(factory=list)

    @property
    def differences(self) -> int:
        """Return how many versions were written."""
        return self.added + self.changed + self.removed


@attrs.frozen
class Scanner:
    """
    Walks tree and store side by side, in the order of keys, so that memory does not grow with either.

    Scanning twice writes nothing the second time; dying in between loses only what was not yet written.
    """

    tree: SourceTree
    writer: ObjectWriter
    stopping: Callable[[], bool] = lambda: False
    current: Callable[[Document], None] = lambda document: None

    def scan(self) -> Scanned:
        """
        Write a new version for each new or changed file and a delete marker for each removed one.

        Raises LocationUnavailable when the tree is away, StoreUnavailable.
        """
        result = Scanned()
        stored = _Cursor(newest_versions(self.writer.store, self.writer.bucket.name))
        for found in self.tree.walk():
            if self.stopping():
                return result
            if isinstance(found, Refused):
                self._refuse(result, stored, found)
                continue
            self._remove_before(result, stored, found.key)
            known = stored.take(found.key)
            self._compare(result, found, known)
        self._remove_before(result, stored, None)
        return result

    def _refuse(self, result: Scanned, stored: _Cursor, found: Refused) -> None:
        # What cannot be read is not gone: nothing below it may be taken for deleted.
        result.refused.append(found)
        self._remove_before(result, stored, found.key)
        while stored.key is not None and found.covers(stored.key):
            self.current(stored.pop())

    def _remove_before(self, result: Scanned, stored: _Cursor, key: str | None) -> None:
        """Mark as deleted whatever is stored before *key* and was not met in the tree; None: to the end."""
        while stored.key is not None and (key is None or stored.key < key):
            document = stored.pop()
            if not md.is_delete_marker(document.value) and not self.stopping():
                result.removed += 1
                document = self.writer.mark_deleted(md.split_key(document.key)[0], replaces=document)
            self.current(document)

    def _compare(self, result: Scanned, found: TreeFile, known: Document | None) -> None:
        if known is not None and _locator_version(known) == found.version:
            result.unchanged += 1
            owed = self.writer.sites_for(found.key)
            info = ReplicationInfo.from_document(known.value.get("replicationInfo") or {})
            if any(info.backend(site) is None for site in owed):
                known = self.writer.owe(known, owed)
            self.current(known)
            return
        document = self._record(result, found, known)
        if document is not None:
            self.current(document)

    def _record(self, result: Scanned, found: TreeFile, known: Document | None) -> Document | None:
        try:
            new = self._digest(found.key)
        except NotFound:
            return known  # removed since it was listed: the next scan says so
        except BackbeatError as error:
            result.refused.append(Refused(found.key, f"{error}; it is left out until it can be read"))
            return known
        if known is None or md.is_delete_marker(known.value):
            result.added += 1
        else:
            result.changed += 1
        return self.writer.put(new, replaces=known)

    def _digest(self, key: str) -> NewObject:
        for attempt in range(ATTEMPTS):
            try:
                digest = self.tree.digest(key)
            except SourceChanged:
                if attempt == ATTEMPTS - 1:
                    raise
            else:
                file = digest.file
                return NewObject(
                    key=file.key,
                    size=file.size,
                    md5=digest.md5,
                    last_modified_ms=file.mtime_ms,
                    locator=file.key,
                    locator_version=file.version,
                )
        raise AssertionError("unreachable")


def newest_versions(store: Store, bucket: str) -> Iterator[Document]:
    """Yield the newest version of each key, in order; versions sort newest first below their key."""
    after, last = "", None
    while page := store.scan(bucket, after=after, limit=PAGE):
        for document in page:
            after = document.key
            key = md.split_key(document.key)[0]
            if key != last:
                last = key
                yield document


@attrs.define
class _Cursor:
    """A look-ahead of one over documents in key order."""

    _documents: Iterable[Document]
    _ahead: Document | None = None
    _iterator: Iterator[Document] | None = None

    def __attrs_post_init__(self) -> None:
        self._iterator = iter(self._documents)
        self._ahead = next(self._iterator, None)

    @property
    def key(self) -> str | None:
        """Return the object key of the next document, None at the end."""
        return None if self._ahead is None else md.split_key(self._ahead.key)[0]

    def pop(self) -> Document:
        """Return the next document and move on."""
        assert self._ahead is not None
        assert self._iterator is not None
        document, self._ahead = self._ahead, next(self._iterator, None)
        return document

    def take(self, key: str) -> Document | None:
        """Return the next document if it is of *key*, and move on; else None."""
        return self.pop() if self.key == key else None


def _locator_version(document: Document) -> str:
    source = document.value.get("backbeat-source")
    return str(source.get("version")) if isinstance(source, dict) else ""
