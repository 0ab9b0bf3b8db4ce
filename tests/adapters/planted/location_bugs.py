"""Bugs to plant in the model of the location, by the law that must see them."""

from __future__ import annotations

from adapters.planted.changes import always, given, returning, silent
from backbeat_core.ports.location import Attributes
from backbeat_core.testing.memory import location

LOCATION = location.MemoryLocation


def _show_before(original):
    def write(self, name, body, *, size, md5, attributes):
        arrived = []
        for piece in body:
            arrived.append(piece)
            self._show(name, b"".join(arrived), attributes)
        return original(self, name, arrived, size=size, md5=md5, attributes=attributes)

    return write


def _delete_before(original):
    def write(self, name, body, **rest):
        self.bucket.objects.pop(name, None)
        return original(self, name, body, **rest)

    return write


def _keep_first(original):
    def show(self, name, body, attributes):
        versions = self.bucket.objects.get(name, [])
        stored = original(self, name, body, attributes)
        if versions and not self.versioned:
            self.bucket.objects[name] = versions
        return stored

    return show


def _trust_size(original):
    return lambda body, size, md5: original([b"".join(body)[:size].ljust(size)], size, "")


def _raise_if_absent(original):
    def delete(self, name, *, version=""):
        self.head(name)
        return original(self, name, version=version)

    return delete


def _part_shows(original):
    def write_part(self, name, upload, number, body, *, size, md5=""):
        part = original(self, name, upload, number, body, size=size, md5=md5)
        self._show(name, self.bucket.uploads[upload].parts[number][1], Attributes())
        return part

    return write_part


def _complete_by_arrival(original):
    def complete(self, name, upload, parts):
        written = self.bucket.uploads[upload].parts
        return original(self, name, upload, sorted(parts, key=lambda part: list(written).index(part.number)))

    return complete


def _unknown_abort(original):
    def abort(self, name, upload):
        self._upload(name, upload)
        return original(self, name, upload)

    return abort


def _merge_tags(original):
    def put_tags(self, name, tags, *, version=""):
        return original(self, name, {**self.head(name).attributes.tags, **tags}, version=version)

    return put_tags


def _walk_order(original):
    def listed(self, *, prefix="", after="", limit=1000):
        found = original(self, prefix=prefix, after="", limit=10_000)
        found = sorted(found, key=lambda stored: stored.name.split("/"))
        return [stored for stored in found if stored.name > after][:limit]

    return listed


def _without_attributes(original):
    return lambda self, name, body, attributes: original(self, name, body, Attributes())


def _end_exclusive(original):
    return lambda self, name, start=0, end=None: original(self, name, start=start, end=end and end - 1)


BUGS = {
    "keeps_bytes": [(location, "_arrived", returning(lambda body: body.replace(b"\r", b"")))],
    "keeps_attributes": [(LOCATION, "_show", _without_attributes)],
    "reads_ranges": [(LOCATION, "read", _end_exclusive)],
    "absent_is_not_found": [(location, "NotFound", always(KeyError()))],
    "wrong_checksum_is_corrupted": [(location, "_arrived", lambda o: lambda body, size, md5: o(body, size, ""))],
    "short_body_is_corrupted": [(location, "_arrived", _trust_size)],
    "never_half_written": [(LOCATION, "write", _show_before)],
    "failed_write_keeps_the_old": [(LOCATION, "write", _delete_before)],
    "overwrites": [(LOCATION, "_show", _keep_first)],
    "delete_is_idempotent": [(LOCATION, "delete", _raise_if_absent)],
    "lists_in_order": [(LOCATION, "list", _walk_order)],
    "upload_completes": [(LOCATION, "complete", _complete_by_arrival)],
    "upload_is_invisible": [(LOCATION, "write_part", _part_shows)],
    "abort_leaves_nothing": [(LOCATION, "abort", silent)],
    "abort_is_idempotent": [(LOCATION, "abort", _unknown_abort)],
    "tags_are_replaced": [(LOCATION, "put_tags", _merge_tags)],
    "newer_is_not_deleted": [(LOCATION, "delete_unmodified", given(since_ms=2**62))],
    "dead_endpoint_is_unavailable": [(LOCATION, "_check", silent)],
    "any_history": [(LOCATION, "delete", silent)],
}
