"""Messages of the metrics, failed and control topics, in the words of the specification."""

from __future__ import annotations

import pytest

from backbeat_core.domain import messages
from backbeat_core.domain.entry import ObjectEntry, Skip, decode_entry
from backbeat_core.domain.keys import RedisKeys, parse_failed_version
from backbeat_core.domain.messages import ControlAction, ControlMessage, FailureRecord, MetricMessage
from backbeat_core.errors import UndecodableEntry

NOW_MS = 1_714_558_050_123


def test_a_sites_message_is_that_of_the_specification() -> None:
    message = MetricMessage.site_level(1714558050000, "crr", "queued", "aws-location", ops=2, size=2048)

    assert message.encode() == (
        b'{"timestamp":1714558050000,"ops":2,"bytes":2048,"extension":"crr","type":"queued","site":"aws-location"}'
    )
    assert not message.is_object_level


def test_an_objects_message_counts_no_operations() -> None:
    message = MetricMessage.object_level(
        5, "crr", "completed", "s", size=1024, bucket="b", key="k", version_id="v"
    )

    assert message.encode() == (
        b'{"timestamp":5,"bytes":1024,"extension":"crr","type":"completed","site":"s",'
        b'"bucketName":"b","objectKey":"k","versionId":"v"}'
    )
    assert message.is_object_level


@pytest.mark.parametrize(
    ("bucket", "key", "version"), [("", "k", "v"), ("b", "", "v"), ("b", "k", ""), ("b", "k", None)]
)
def test_a_message_that_names_no_version_is_not_of_an_object(bucket: str, key: str, version: str | None) -> None:
    message = MetricMessage(1, bucket_name=bucket, object_key=key, version_id=version)

    assert not message.is_object_level


def test_a_failure_is_recorded_in_the_set_of_its_hour() -> None:
    entry = ObjectEntry("b1", "docs/a.txt\0v", {"versionId": "98500086134471999999RG001  "})
    record = FailureRecord.of(entry, "aws-location", NOW_MS)

    assert record == FailureRecord(
        "bb:crr:failed:aws-location:1714557600000", "b1:docs/a.txt:aKBDcF4SE3uf00000000001I4j3QKItW", NOW_MS
    )
    assert record.encode() == (
        b'{"key":"bb:crr:failed:aws-location:1714557600000",'
        b'"member":"b1:docs/a.txt:aKBDcF4SE3uf00000000001I4j3QKItW","score":1714558050123}'
    )
    assert FailureRecord.of(entry, "s", NOW_MS, keys=RedisKeys(test_mode=True)).key.startswith("test:bb:crr:")


def test_an_object_without_a_version_or_with_colons_can_be_retried() -> None:
    plain = FailureRecord.of(ObjectEntry("b", "file.txt", {}), "s", NOW_MS)
    colons = FailureRecord.of(ObjectEntry("b", "12:30", {"versionId": "null"}), "s", NOW_MS)

    assert plain.member == "b:file.txt:"
    assert colons.member == '["b","12:30","null"]'
    found = parse_failed_version(colons.member)
    assert found is not None
    assert (found.bucket, found.key, found.version) == ("b", "12:30", "null")


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (ControlMessage(ControlAction.PAUSE), b'{"action":"pauseService"}'),
        (ControlMessage(ControlAction.RESUME), b'{"action":"resumeService"}'),
        (
            ControlMessage(ControlAction.RESUME, "2024-03-06T09:00:00.000Z"),
            b'{"action":"resumeService","date":"2024-03-06T09:00:00.000Z"}',
        ),
        (ControlMessage(ControlAction.CANCEL_RESUME), b'{"action":"deleteScheduledResumeService"}'),
    ],
)
def test_commands_are_those_of_the_table(message: ControlMessage, text: bytes) -> None:
    assert text == message.encode()
    assert message == ControlMessage.decode(text)
    assert ControlMessage.decode(text).action is message.action


def test_a_command_that_nobody_knows_is_undecodable() -> None:
    with pytest.raises(UndecodableEntry, match="action is none of pauseService"):
        ControlMessage.decode(b'{"action":"stopEverything"}')


def test_what_is_unknown_about_a_notification_is_null() -> None:
    message = messages.Notification(bucket="b", key="k", event_type="s3:ObjectCreated:Put")

    assert message.encode() == (
        b'{"eventType":"s3:ObjectCreated:Put","region":null,"schemaVersion":null,"size":null,'
        b'"versionId":null,"bucket":"b","key":"k","dateTime":null}'
    )


def test_what_a_cold_location_says_beyond_our_knowledge_is_passed_on() -> None:
    text = b'{"op":"archive","bucketName":"b","objectKey":"k","archiveInfo":{"id":1},"shelf":[3]}'
    status = messages.ColdStatus.decode(text)

    assert (messages.ColdOperation.ARCHIVE, {"shelf": [3]}) == (status.operation, status.others)
    assert text == status.encode()


def test_a_canary_is_skipped_by_whoever_reads_it() -> None:
    assert decode_entry(messages.CANARY) == Skip("canary")
