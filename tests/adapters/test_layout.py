"""What a user asks for is checked before anything is made: one line that names the thing and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from backbeat_adapters.layout import Layout, plan
from backbeat_core.errors import InvalidConfiguration

RULES = """<ReplicationConfiguration><Role>arn:aws:iam::000000000000:role/backbeat</Role>
<Rule><ID>r</ID><Prefix>photos/</Prefix><Status>Enabled</Status><Destination><Bucket>arn:aws:s3:::copies</Bucket>
<StorageClass>{sites}</StorageClass></Destination></Rule></ReplicationConfiguration>"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    made = tmp_path / "My Photos!"
    made.mkdir()
    return made


def refusal(source: Path, to: list[str], state: Path, **more: object) -> str:
    with pytest.raises(InvalidConfiguration) as caught:
        plan(source, to, state=state, **more)  # type: ignore[arg-type]

    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_bucket_is_named_after_the_directory(source: Path, tmp_path: Path) -> None:
    assert "my-photos" == plan(source, [f"a={tmp_path}/a"], state=tmp_path / "state").bucket


def test_without_rules_every_object_is_owed_to_every_location(source: Path, tmp_path: Path) -> None:
    layout = plan(source, [f"a={tmp_path}/a", f"b={tmp_path}/b"], state=tmp_path / "state")

    rule = layout.configuration.matching("any/key")

    assert rule is not None
    assert "a,b" == rule.storage_class


def test_nothing_is_made_by_planning(source: Path, tmp_path: Path) -> None:
    plan(source, [f"a={tmp_path}/a"], state=tmp_path / "state")

    assert [source] == list(tmp_path.iterdir())


def test_a_layout_reads_back_as_it_was(source: Path, tmp_path: Path) -> None:
    layout = plan(source, [f"a={tmp_path}/a"], state=tmp_path / "state")

    assert layout == Layout.from_json(layout.to_json())


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ([], "no location"),
        (["a"], "NAME=DIR"),
        (["a="], "NAME=DIR"),
        (["=dir"], "location name ''"),
        (["all={tmp}/a"], "'all'"),
        (["a b={tmp}/a"], "'a b'"),
        (["a={tmp}/a", "a={tmp}/b"], "given twice"),
        (["a={tmp}/x", "b={tmp}/y/../x"], "same directory"),
        (["a={tmp}/x", "b={tmp}/x/y"], "one inside the other"),
        (["a={tmp}"], "inside location 'a'"),
        (["a={source}/copies"], "inside the source"),
        (["a={tmp}/state/a"], "state directory"),
        (["a={tmp}/file"], "not a directory"),
    ],
)
def test_locations_that_cannot_be_used_are_refused(
    source: Path, tmp_path: Path, to: list[str], said: str
) -> None:
    (tmp_path / "file").write_bytes(b"")
    given = [text.format(tmp=tmp_path, source=source) for text in to]

    assert said in refusal(source, given, tmp_path / "state")


def test_a_location_reached_by_a_link_into_the_source_is_inside_it(source: Path, tmp_path: Path) -> None:
    (source / "inner").mkdir()
    (tmp_path / "link").symlink_to(source / "inner")

    assert "inside the source" in refusal(source, [f"a={tmp_path}/link"], tmp_path / "state")


def test_a_state_inside_the_source_is_refused(source: Path, tmp_path: Path) -> None:
    assert "--state" in refusal(source, [f"a={tmp_path}/a"], source / "state")


def test_a_bucket_name_that_is_none_is_refused(source: Path, tmp_path: Path) -> None:
    assert "'No'" in refusal(source, [f"a={tmp_path}/a"], tmp_path / "state", bucket="No")


def test_rules_select_keys_and_sites(source: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.xml"
    rules.write_text(RULES.format(sites="b"))

    layout = plan(source, [f"a={tmp_path}/a", f"b={tmp_path}/b"], state=tmp_path / "s", rules=rules)

    rule = layout.configuration.matching("photos/cat")
    assert rule is not None
    assert "b" == rule.storage_class
    assert layout.configuration.matching("other") is None


@pytest.mark.parametrize("text", ["", "not xml", RULES.format(sites="nowhere")])
def test_rules_that_are_not_valid_are_refused_by_name(source: Path, tmp_path: Path, text: str) -> None:
    rules = tmp_path / "rules.xml"
    rules.write_text(text)

    said = refusal(source, [f"a={tmp_path}/a"], tmp_path / "s", rules=rules)

    assert str(rules) in said
    assert "MalformedXML" in said


def test_a_rules_file_that_is_not_there_is_refused(source: Path, tmp_path: Path) -> None:
    assert "cannot be read" in refusal(source, [f"a={tmp_path}/a"], tmp_path / "s", rules=tmp_path / "none")
