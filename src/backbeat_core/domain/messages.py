"""Messages that are neither entries nor actions: metrics, failures, pausing, cold storage, notifications."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

import attrs

from backbeat_core.domain import wire
from backbeat_core.domain.codec import Kind, Message, field, others
from backbeat_core.domain.entry import ObjectEntry
from backbeat_core.domain.keys import FailedVersion, RedisKeys, hour_start


class MetricType(enum.StrEnum):
    """What has become of the work that a metrics message counts (3.13)."""

    QUEUED = "queued"
    COMPLETED = "completed"
    FAILED = "failed"
    PENDING_ONLY = "pendingOnly"


@attrs.frozen
class MetricMessage(Message):
    """
    What happened at a site, to be added to its counters; no key (queue-and-wire 3.2.8).

    *timestamp* in Unix milliseconds; *ops* and *bytes* count objects and bytes and may be negative.
    *version_id* is the encoded one. *type* is the value of a MetricType; others are to be ignored.
    """

    timestamp: int | None = field("timestamp", Kind.INTEGER)
    ops: int | None = field("ops", Kind.INTEGER)
    bytes: int | None = field("bytes", Kind.INTEGER)
    extension: str | None = field("extension")
    type: str | None = field("type")
    site: str | None = field("site")
    bucket_name: str | None = field("bucketName")
    object_key: str | None = field("objectKey")
    version_id: str | None = field("versionId")

    @classmethod
    def site_level(
        cls, now_ms: int, extension: str, kind: str, site: str, *, ops: int, size: int
    ) -> MetricMessage:
        """Return a message that counts *ops* objects of *size* bytes in all for *site*."""
        return cls(now_ms, ops, size, extension, kind, site)

    @classmethod
    def object_level(
        cls,
        now_ms: int,
        extension: str,
        kind: str,
        site: str,
        *,
        size: int,
        bucket: str,
        key: str,
        version_id: str,
    ) -> MetricMessage:
        """Return a message about *size* bytes of one version, by its encoded id, on their way to *site*."""
        return cls(now_ms, None, size, extension, kind, site, bucket, key, version_id)

    @property
    def is_object_level(self) -> bool:
        """Whether the message tells of one version's progress and not of the site's (3.13)."""
        return bool(self.bucket_name and self.object_key and self.version_id)


@attrs.frozen
class FailureRecord(Message):
    """
    A version that has finally failed; no key (queue-and-wire 3.2.7).

    *member* is to be added to the sorted set *key*, with *score*: when it failed, in Unix milliseconds.
    """

    key: str = field("key", required=True)
    member: str = field("member", required=True)
    score: int = field("score", Kind.INTEGER, required=True)

    @classmethod
    def of(cls, entry: ObjectEntry, site: str, now_ms: int, *, keys: RedisKeys | None = None) -> FailureRecord:
        """Return the record that *entry*'s version has failed for *site* at *now_ms*."""
        failed = FailedVersion(entry.bucket, entry.object_key, entry.encoded_version_id or "")
        names = RedisKeys() if keys is None else keys
        return cls(names.failures(site, hour_start(now_ms)), failed.member(), now_ms)


class ControlAction(enum.StrEnum):
    """What the processors of a site are told over their Redis channel (queue-and-wire 3.4)."""

    PAUSE = "pauseService"
    RESUME = "resumeService"
    CANCEL_RESUME = "deleteScheduledResumeService"


@attrs.frozen
class ControlMessage(Message):
    """Pause or resume (queue-and-wire 3.4). *date*, in ISO 8601, makes a resume a scheduled one."""

    action: ControlAction = field("action", ControlAction, required=True)
    date: str | None = field("date")


@attrs.frozen(kw_only=True)
class ColdArchive(Message):
    """Ask for an object to be moved to a cold location; key `bucket/key` raw (queue-and-wire 3.2.4)."""

    account_id: str | None = field("accountId")
    bucket_name: str = field("bucketName", required=True)
    object_key: str = field("objectKey", required=True)
    object_version: str | None = field("objectVersion")
    request_id: str | None = field("requestId")
    size: int | None = field("size", Kind.INTEGER)
    etag: str | None = field("eTag")
    attempt: int | None = field("try", Kind.INTEGER)
    transition_time: str | None = field("transitionTime")


@attrs.frozen(kw_only=True)
class ColdRestore(Message):
    """Ask a cold location for an object back, for *requested_duration_s* seconds (queue-and-wire 3.2.10)."""

    bucket_name: str = field("bucketName", required=True)
    object_key: str = field("objectKey", required=True)
    object_version: str | None = field("objectVersion")
    archive_info: object = field("archiveInfo", Kind.ANY)
    request_id: str | None = field("requestId")
    etag: str | None = field("eTag")
    transition_time: str | None = field("transitionTime")
    account_id: str | None = field("accountId")
    requested_duration_s: int | None = field("requestedDurationSecs", Kind.INTEGER)


@attrs.frozen(kw_only=True)
class ColdRestoreAdjust(Message):
    """Tell a cold location that a restored copy is to expire at another time; no key (3.2.10)."""

    archive_info: object = field("archiveInfo", Kind.ANY)
    adjust: Mapping[str, object] = field("adjust", Kind.OBJECT, required=True)
    updated_at: str | None = field("updatedAt")
    request_id: str | None = field("requestId")


@attrs.frozen(kw_only=True)
class ColdGarbage(Message):
    """Tell a cold location that an archived copy is not needed any more (queue-and-wire 3.2.10)."""

    bucket_name: str = field("bucketName", required=True)
    object_key: str = field("objectKey", required=True)
    object_version: str | None = field("objectVersion")
    archive_info: object = field("archiveInfo", Kind.ANY)
    request_id: str | None = field("requestId")
    transition_time: str | None = field("transitionTime")
    account_id: str | None = field("accountId")


class ColdOperation(enum.StrEnum):
    """What a cold location has done."""

    ARCHIVE = "archive"
    RESTORE = "restore"
    DELETE = "delete"


@attrs.frozen(kw_only=True)
class ColdStatus(Message):
    """
    Hear from a cold location what it has done (queue-and-wire 3.2.10).

    *others* are members that this library does not know; they are passed on.
    """

    operation: ColdOperation = field("op", ColdOperation, required=True)
    bucket_name: str = field("bucketName", required=True)
    object_key: str = field("objectKey", required=True)
    object_version: str | None = field("objectVersion")
    account_id: str | None = field("accountId")
    archive_info: object = field("archiveInfo", Kind.OBJECT)
    request_id: str | None = field("requestId")
    original_message: object = field("originalMessage", Kind.OBJECT)
    reason: str | None = field("reason")
    date: str | None = field("date")
    etag: str | None = field("eTag")
    others: Mapping[str, object] = others()


@attrs.frozen(kw_only=True)
class Notification(Message):
    """
    Something that happened to an object, on its way to who wants to know (queue-and-wire 3.2.12).

    *version_id* is the internal one; *size* and *schema_version* are numbers as text. Unknown is null.
    """

    event_type: str | None = field("eventType", null=True)
    region: str | None = field("region", null=True)
    schema_version: str | None = field("schemaVersion", null=True)
    size: str | None = field("size", null=True)
    version_id: str | None = field("versionId", null=True)
    bucket: str = field("bucket", required=True)
    key: str = field("key", required=True)
    date_time: str | None = field("dateTime", null=True)


CANARY: Final = wire.encode({"canary": True})
"""The message that older writers put into each partition, to give a new group its first offset (1.15)."""

decode_metric: Final = MetricMessage.decode
decode_failure: Final = FailureRecord.decode
decode_control: Final = ControlMessage.decode
