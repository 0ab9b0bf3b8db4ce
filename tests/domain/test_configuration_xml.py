"""Every check of a configuration that a client sends (V1 to V20), in its order, and the way back."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain.configuration import (
    Endpoint,
    LocationConstraint,
    ReplicationConfiguration,
    Rule,
)
from backbeat_core.domain.configuration_xml import (
    is_bucket_name,
    is_role,
    parse_configuration,
    rule_id,
    to_xml,
)
from backbeat_core.errors import InvalidDocument

ROLE = "arn:aws:iam::account-id:role/resource"
ROLES = f"{ROLE},{ROLE}"
BUCKET = "arn:aws:s3:::dst-bucket"
MALFORMED = "The XML you provided was not well-formed or did not validate against our published schema."

SCALITY_FIRST = (
    Endpoint("zenko", servers=("h:1",), default=True),
    Endpoint("aws", "aws_s3"),
    Endpoint("azure", "azure"),
    Endpoint("cold", "dmf"),
)
CLOUD_FIRST = (Endpoint("aws", "aws_s3", default=True), *SCALITY_FIRST[:1], *SCALITY_FIRST[2:])
LOCATIONS = {"aws": LocationConstraint("aws_s3"), "cold": LocationConstraint("dmf", is_cold=True)}


def element(name: str, text: str | None) -> str:
    return "" if text is None else f"<{name}>{text}</{name}>"


def rule(
    prefix: str | None = "p",
    *,
    status: str | None = "Enabled",
    id: str | None = None,
    bucket: str | None = BUCKET,
    sites: str | None = None,
    destination: str | None = None,
) -> str:
    inner = element("Bucket", bucket) + element("StorageClass", sites)
    whole = f"<Destination>{inner}</Destination>" if destination is None else destination
    return f"<Rule>{element('ID', id)}{element('Prefix', prefix)}{element('Status', status)}{whole}</Rule>"


def body(*rules: str, role: str | None = ROLES) -> str:
    return f"<ReplicationConfiguration>{element('Role', role)}{''.join(rules)}</ReplicationConfiguration>"


def parse(xml: str | bytes, endpoints: Sequence[Endpoint] = SCALITY_FIRST) -> ReplicationConfiguration:
    numbers = itertools.count(1)
    return parse_configuration(
        xml.encode() if isinstance(xml, str) else xml,
        endpoints=endpoints,
        locations=LOCATIONS,
        source_bucket="source-bucket",
        new_rule_id=lambda: f"new-{next(numbers)}",
    )


def refused(xml: str | bytes, endpoints: Sequence[Endpoint] = SCALITY_FIRST) -> tuple[str, str]:
    with pytest.raises(InvalidDocument) as raised:
        parse(xml, endpoints)
    return raised.value.code, raised.value.description


ROLE_ERROR = "Invalid Role specified in replication configuration: "
V1 = V3 = V4 = V9 = V10 = V11 = V12 = V17 = ("MalformedXML", MALFORMED)
V2 = ("InvalidRequest", "Number of defined replication rules cannot exceed 1000")
V5 = ("InvalidArgument", "Rule prefix cannot be longer than maximum allowed key length of 1024")
V6 = ("InvalidRequest", "Found overlapping prefixes 'p' and 'p'")
V7 = ("InvalidArgument", "Rule Id cannot be greater than 255")
V8 = ("InvalidRequest", "Rule Id must be unique")
V13 = ("InvalidArgument", "Destination bucket cannot be null or empty")
V14 = ("InvalidArgument", "Invalid bucket ARN")
V15 = ("InvalidArgument", "The specified bucket is not valid")
V16 = ("InvalidRequest", "The destination bucket must be same for all rules")
V18 = ("InvalidArgument", f"{ROLE_ERROR}Role must be a comma-separated list of two IAM roles")
V19 = ("InvalidArgument", f"{ROLE_ERROR}Role may not contain a comma separator")
V20 = ("InvalidArgument", f"{ROLE_ERROR}'bad'")
TWO_PREFERRED = ("InvalidRequest", "Only one preferred read location is possible for all rules")


# What is accepted.


def test_the_smallest_configuration() -> None:
    assert ReplicationConfiguration(ROLES, BUCKET, (Rule("new-1", "p"),)) == parse(body(rule()))


def test_everything_that_a_configuration_can_say() -> None:
    xml = body(
        rule("a/", id="1", sites="aws:preferred_read,azure"),
        rule("b/", id="", status="Disabled", sites="azure"),
        role=ROLE,
    )

    assert ReplicationConfiguration(
        ROLE,
        BUCKET,
        (Rule("1", "a/", True, "aws:preferred_read,azure"), Rule("new-1", "b/", False, "azure")),
        "aws",
    ) == parse(xml)


def test_what_is_not_known_is_ignored_and_the_first_of_a_kind_counts() -> None:
    more = "<Priority>1</Priority><DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>"
    xml = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!-- c --><?pi x?>'
        f'<ReplicationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/" a="b">\n'
        f"  <Role>{ROLES}</Role><Role>bad</Role>\n"
        f"  <Rule a='b'><ID>1</ID><ID>2</ID><Prefix>a<!-- -->b<![CDATA[&c]]>&amp;d</Prefix>\n"
        f"  <Prefix>x</Prefix><Status>Enabled</Status>{more}"
        f"<Destination a='b'><Bucket>{BUCKET}</Bucket></Destination><Destination/></Rule>\n"
        "</ReplicationConfiguration>\n"
    )

    assert ReplicationConfiguration(ROLES, BUCKET, (Rule("1", "ab&c&d"),)) == parse(xml)


def test_text_is_not_trimmed() -> None:
    parsed = parse(body(rule(" p\n", id=" ")))

    assert (Rule(" ", " p\n"),) == parsed.rules


def test_an_empty_prefix_is_a_prefix() -> None:
    assert "" == parse(body(rule(""))).rules[0].prefix


@pytest.mark.parametrize(("id", "length"), [("é" * 255, 255), ("\U0001f600" * 127, 127)])
def test_a_long_id_is_an_id(id: str, length: int) -> None:
    assert length == len(parse(body(rule(id=id))).rules[0].id)


def test_a_thousand_rules_of_the_longest_prefix_are_accepted() -> None:
    prefixes = [f"{n:04}{'é' * 1020}" for n in range(1000)]
    parsed = parse(body(*(rule(prefix, id="i" * 251 + prefix[:4]) for prefix in prefixes)))

    assert prefixes == [each.prefix for each in parsed.rules]


def test_a_made_up_id_is_a_uuid_in_base_64() -> None:
    made = rule_id("7b2f6e0c-1d8e-4a52-9c0f-6f6b0d2f4f11")

    assert 48 == len(made)
    assert made == "N2IyZjZlMGMtMWQ4ZS00YTUyLTljMGYtNmY2YjBkMmY0ZjEx"


# V1 to V20


@pytest.mark.parametrize(
    ("xml", "error"),
    [
        pytest.param("", V1, id="empty"),
        pytest.param("{}", V1, id="JSON"),
        pytest.param("<Other/>", V1, id="another root"),
        pytest.param(
            body(rule()).replace("ReplicationConfiguration", "Other"), V1, id="another root around the same"
        ),
        pytest.param("<s:ReplicationConfiguration xmlns:s='x'/>", V1, id="a root with a prefix"),
        pytest.param(body(), V1, id="V1"),
        pytest.param(body("<rule/>"), V1, id="V1: names have their case"),
        pytest.param(body("<Rule/>" * 1001), V2, id="V2"),
        pytest.param(body(rule(status=None)), V3, id="V3: none"),
        pytest.param(body(rule(status="")), V3, id="V3: empty"),
        pytest.param(body(rule(status="enabled")), V3, id="V3: lower case"),
        pytest.param(body(rule(status=" Enabled")), V3, id="V3: untrimmed"),
        pytest.param(body(rule(status="Suspended")), V3, id="V3: another word"),
        pytest.param(body(rule(status="<b>Enabled</b>")), V3, id="V3: a child"),
        pytest.param(body(rule().replace("<Status>", "<Status a='b'>")), V3, id="V3: an attribute"),
        pytest.param(body(rule(None)), V4, id="V4"),
        pytest.param(body(rule(None, destination="<Filter><Prefix>p</Prefix></Filter>")), V4, id="V4: a filter"),
        pytest.param(body(rule("<b>x</b>")), V4, id="V4: a child"),
        pytest.param(body(rule("p" * 1025)), V5, id="V5"),
        pytest.param(body(rule("\U0001f600" * 513)), V5, id="V5: as UTF-16"),
        pytest.param(body(rule(), rule()), V6, id="V6"),
        pytest.param(body(rule(id="i" * 256)), V7, id="V7"),
        pytest.param(body(rule("a", id="1"), rule("b", id="1")), V8, id="V8"),
        pytest.param(body(rule(destination="")), V9, id="V9: none"),
        pytest.param(body(rule(destination="<Destination/>")), V9, id="V9: empty"),
        pytest.param(body(rule(bucket=None)), V12, id="V12"),
        pytest.param(body(rule(bucket=None, destination="<Destination>\n</Destination>")), V12, id="V12: blank"),
        pytest.param(body(rule(bucket="")), V13, id="V13"),
        pytest.param(body(rule(bucket="dst-bucket")), V14, id="V14: a name"),
        pytest.param(body(rule(bucket="*:aws:s3:::resource")), V14, id="V14: a wildcard"),
        pytest.param(body(rule(bucket="arn:aws:s3::")), V14, id="V14: five segments"),
        pytest.param(body(rule(bucket="ARN:AWS:S3:::bbb")), V14, id="V14: upper case"),
        pytest.param(body(rule(bucket="arn:aws:s3::123:bbb")), V14, id="V14: an account"),
        pytest.param(body(rule(bucket="arn:aws:s3:::")), V15, id="V15: nothing"),
        pytest.param(body(rule(bucket="arn:aws:s3:::*")), V15, id="V15: a wildcard"),
        pytest.param(body(rule(bucket="arn:aws:s3:::invalidBucketName")), V15, id="V15: upper case"),
        pytest.param(body(rule(bucket="arn:aws:s3:::abc:def")), V15, id="V15: a colon"),
        pytest.param(body(rule("a"), rule("b", bucket=BUCKET + "2")), V16, id="V16"),
        pytest.param(body(rule(), role=None), V17, id="V17"),
        pytest.param(body(rule(), role=ROLE), V18, id="V18: one"),
        pytest.param(body(rule(), role=f"{ROLES},{ROLE}"), V18, id="V18: three"),
        pytest.param(body(rule(), role=""), V18, id="V18: none"),
        pytest.param(body(rule(sites="aws"), role=ROLES), V19, id="V19"),
        pytest.param(body(rule(), role=f"{ROLE},bad"), V20, id="V20: the second"),
        pytest.param(body(rule(), role="bad,worse"), V20, id="V20: the first"),
        pytest.param(body(rule(sites="aws"), role="bad"), V20, id="V20: the only one"),
    ],
)
def test_each_check_has_its_code_and_text(xml: str, error: tuple[str, str]) -> None:
    assert error == refused(xml)


@pytest.mark.parametrize(
    ("earlier", "this", "overlap"),
    [
        ("a", "ab", True),
        ("ab", "a", True),
        ("", "a", True),
        ("a", "", True),
        ("a", "A", False),
        ("a/b", "a/c", False),
    ],
)
def test_v6_prefixes_overlap_in_either_direction(earlier: str, this: str, overlap: bool) -> None:
    xml = body(rule(earlier, status="Disabled"), rule(this))
    if overlap:
        assert ("InvalidRequest", f"Found overlapping prefixes '{earlier}' and '{this}'") == refused(xml)
    else:
        assert 2 == len(parse(xml).rules)


def test_v6_names_the_first_of_the_earlier_prefixes() -> None:
    xml = body(rule("b"), rule("ca"), rule("cb"), rule("c"))

    assert ("InvalidRequest", "Found overlapping prefixes 'ca' and 'c'") == refused(xml)


def test_v8_empty_ids_are_no_ids() -> None:
    parsed = parse(body(rule("a", id=""), rule("b"), rule("c", id=""), rule("d", id="A"), rule("e", id="a")))

    assert ["new-1", "new-2", "new-3", "A", "a"] == [each.id for each in parsed.rules]


# V10 and V11

NOT_SERVED = [
    "",
    " ",
    "standard",
    "nowhere",
    "AWS",
    "aws, azure",
    "aws,",
    ",aws",
    "aws:preferred_read,azure:preferred_read",
    "aws:preferred_read:preferred_read",
    "aws:preferred_read:x",
    "nowhere:preferred_read",
    "aws,aws",
    "aws,azure,aws:preferred_read",
    "cold",
    "aws,cold",
    "cold:preferred_read",
]


@pytest.mark.parametrize("sites", NOT_SERVED)
def test_v10_v11_every_item_must_be_served_once_and_be_warm(sites: str) -> None:
    assert V10 == refused(body(rule(sites=sites), role=ROLE))
    assert V10 == refused(body(rule(sites=sites), role=ROLES))


@pytest.mark.parametrize(
    "sites", [None, "STANDARD", "STANDARD_IA", "REDUCED_REDUNDANCY", "STANDARD:preferred_read"]
)
def test_v10_without_endpoints_the_default_is_served_by_nobody(sites: str | None) -> None:
    assert V10 == refused(body(rule(sites=sites)), ())


@pytest.mark.parametrize(
    ("sites", "endpoints", "roles"),
    [
        (None, SCALITY_FIRST, ROLES),
        (None, CLOUD_FIRST, ROLE),
        (None, SCALITY_FIRST[1:], ROLE),
        ("STANDARD", SCALITY_FIRST, ROLES),
        ("STANDARD", CLOUD_FIRST, ROLE),
        ("REDUCED_REDUNDANCY,azure", CLOUD_FIRST, ROLE),
        ("zenko", CLOUD_FIRST, ROLES),
        ("zenko,aws", SCALITY_FIRST, ROLES),
        ("aws:preferred_read,zenko", SCALITY_FIRST, ROLES),
        ("azure", SCALITY_FIRST, ROLE),
        # The reference overwrites its flag with what the default is.
        ("zenko,STANDARD", CLOUD_FIRST, ROLES),
        ("STANDARD_IA,zenko", CLOUD_FIRST, ROLES),
    ],
)
def test_another_cloudserver_anywhere_needs_two_roles(
    sites: str | None, endpoints: Sequence[Endpoint], roles: str
) -> None:
    assert roles == parse(body(rule(sites=sites), role=roles), endpoints).role
    other, error = (ROLE, V18) if roles == ROLES else (ROLES, V19)

    assert error == refused(body(rule(sites=sites), role=other), endpoints)


@pytest.mark.parametrize("order", [1, -1])
def test_the_order_of_rules_does_not_decide_how_many_roles_are_needed(order: int) -> None:
    rules = [rule("a", sites="zenko"), rule("b"), rule("c", sites="azure")][::order]

    assert V19 != refused(body(*rules, role=ROLE), CLOUD_FIRST) == V18
    assert 3 == len(parse(body(*rules), CLOUD_FIRST).rules)


def test_the_first_endpoint_of_a_name_counts() -> None:
    endpoints = (Endpoint("a"), Endpoint("a", "aws_s3"))

    assert V18 == refused(body(rule(sites="a"), role=ROLE), endpoints)


def test_a_site_may_have_a_colon() -> None:
    parsed = parse(body(rule(sites="gcp:west:preferred_read"), role=ROLE), (Endpoint("gcp:west", "gcp"),))

    assert "gcp:west" == parsed.preferred_read_location


# The bucket


def test_a_configuration_for_clouds_alone_may_leave_the_bucket_to_us() -> None:
    xml = body(rule("a", bucket=None, sites="aws"), rule("b", bucket=None, sites="azure"), role=ROLE)

    assert "arn:aws:s3:::source-bucket" == parse(xml).destination


@pytest.mark.parametrize("buckets", [(None, BUCKET), (BUCKET, None)])
def test_one_rule_names_the_bucket_for_all(buckets: tuple[str | None, str | None]) -> None:
    xml = body(
        *(rule(prefix, bucket=each, sites="aws") for prefix, each in zip("ab", buckets, strict=True)), role=ROLE
    )

    assert BUCKET == parse(xml).destination


@pytest.mark.parametrize("named", [("aws", "zenko"), ("zenko", "aws"), ("zenko", "STANDARD")])
def test_v12_from_the_first_other_cloudserver_on_the_bucket_must_be_named(named: tuple[str, str]) -> None:
    rules = [rule(str(n), bucket=None, sites=sites) for n, sites in enumerate(named)]

    assert V12 == refused(body(*rules))


@pytest.mark.parametrize(
    ("name", "valid"),
    [
        ("abc", True),
        ("a" * 63, True),
        ("xn--bucket", True),
        ("a.b-c", True),
        ("1.2.3", True),
        ("ab", False),
        ("a" * 64, False),
        ("-abc", False),
        ("abc-", False),
        ("a..b", False),
        ("a.-b", False),
        ("1.2.3.4", False),
        ("999.999.999.999", False),
        ("aBc", False),
        ("a_b", False),
        ("abc\n", False),
        ("abé", False),
        ("a٣b", False),
    ],
)
def test_v15_bucket_names_are_dns_names_and_no_addresses(name: str, valid: bool) -> None:
    assert valid == is_bucket_name(name)


INVALID_ROLES = [
    "",
    "*:aws:iam::account-id:role/resource",
    "arn:*:iam::account-id:role/resource",
    "arn:aws:*::account-id:role/resource",
    "arn:aws:iam:*:account-id:role/resource",
    "arn:aws:iam::account-id:*",
    "arn:aws:iam::a:role",
    "arn:aws:iam::1234",
    "arn:aws:iam::",
    "arn",
    " arn:aws:iam::account-id:role",
]
VALID_ROLES = [
    "arn:aws:iam::account-id:role",
    "arn:aws:iam::account-id:role/resource",
    "arn:aws:iam::account-id:role:resource",
    "arn:aws:iam::account-id:role*",
    "arn:aws:iam::ac:role",
    "arn:aws:iam::a c:role",
    "arn:aws:iam::*:role",
    "arn:aws:iam::account-id:role/x ",
]


@pytest.mark.parametrize("role", INVALID_ROLES)
def test_v20_these_are_no_roles(role: str) -> None:
    assert is_role(role) is False
    assert ("InvalidArgument", f"{ROLE_ERROR}'{role}'") == refused(body(rule(sites="aws"), role=role))


@pytest.mark.parametrize("role", VALID_ROLES)
def test_v20_these_are_roles(role: str) -> None:
    assert is_role(role)
    assert role == parse(body(rule(sites="aws"), role=role)).role


# Order

BAD: list[tuple[str, dict[str, Any], tuple[str, str]]] = [
    ("V3", {"status": "x"}, V3),
    ("V5", {"prefix": "p" * 1025}, V5),
    ("V7", {"id": "i" * 256}, V7),
    ("V10", {"sites": "nowhere"}, V10),
    ("V13", {"bucket": ""}, V13),
]


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(BAD, 2)), ids=lambda each: each[0])
def test_the_first_check_that_fails_is_the_answer(first: Any, second: Any) -> None:
    assert first[2] == refused(body(rule(**{**second[1], **first[1]})))


@pytest.mark.parametrize(("first", "second"), list(itertools.permutations(BAD, 2)), ids=lambda each: each[0])
def test_rules_are_checked_one_after_the_other(first: Any, second: Any) -> None:
    rules = [rule(**{"prefix": "a", **first[1]}), rule(**{"prefix": "b", **second[1]})]

    assert first[2] == refused(body(*rules, role="bad"))


def test_the_number_of_rules_is_checked_before_the_rules_and_the_role_after_them() -> None:
    assert V2 == refused(body("<Rule/>" * 1001, role=None))
    assert V16 == refused(body(rule("a"), rule("b", bucket=BUCKET + "2"), role=None))
    assert V17 == refused(
        body(rule("a", sites="aws:preferred_read"), rule("b", sites="azure:preferred_read"), role=None)
    )


def test_two_preferred_reads_in_two_rules_are_refused_last() -> None:
    rules = rule("a", sites="aws:preferred_read"), rule("b", sites="azure:preferred_read")

    assert TWO_PREFERRED == refused(body(*rules, role=ROLE))
    assert V20 == refused(body(*rules, role="bad"))


def test_the_same_preferred_read_in_two_rules_is_one() -> None:
    xml = body(rule("a", sites="aws:preferred_read"), rule("b", sites="azure,aws:preferred_read"), role=ROLE)

    assert "aws" == parse(xml).preferred_read_location


# The way back


def test_the_xml_that_is_given_back() -> None:
    configuration = ReplicationConfiguration(
        "r'\"", "arn:aws:s3:::d", (Rule("a<b", ""), Rule("c", "x&y>\r", False, "a&b"))
    )

    assert (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<ReplicationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        "<Rule><ID>a&lt;b</ID><Prefix/><Status>Enabled</Status>"
        "<Destination><Bucket>arn:aws:s3:::d</Bucket></Destination></Rule>"
        "<Rule><ID>c</ID><Prefix>x&amp;y&gt;&#13;</Prefix><Status>Disabled</Status>"
        "<Destination><Bucket>arn:aws:s3:::d</Bucket><StorageClass>a&amp;b</StorageClass></Destination></Rule>"
        "<Role>r&apos;&quot;</Role></ReplicationConfiguration>"
    ) == to_xml(configuration)


def test_a_stored_null_is_no_bucket() -> None:
    stored = {"role": ROLE, "destination": None, "rules": [{"id": "a", "prefix": "p", "enabled": True}]}

    assert "<Destination></Destination>" in to_xml(ReplicationConfiguration.from_document(stored))


characters = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from(
    "\t\n\r&<>\"'"
)
sites = st.text(characters.filter(lambda each: each != ","), min_size=1, max_size=4)


@st.composite
def configurations(draw: st.DrawFn) -> tuple[ReplicationConfiguration, list[Endpoint]]:
    names = draw(st.lists(sites, min_size=1, max_size=3, unique=True))
    endpoints = [Endpoint(name, "aws_s3") for name in names]
    prefixes = draw(st.lists(st.text(characters, min_size=3, max_size=3), min_size=1, max_size=3, unique=True))
    rules = tuple(
        Rule(f"{draw(st.text(characters, max_size=3))}{n}", prefix, draw(st.booleans()), classes)
        for n, prefix in enumerate(prefixes)
        for classes in [draw(st.none() | st.just(",".join(names)))]
    )
    return ReplicationConfiguration(ROLE, BUCKET, rules), endpoints


@given(configurations())
def test_what_is_given_back_is_read_as_what_it_was(drawn: tuple[ReplicationConfiguration, list[Endpoint]]) -> None:
    configuration, endpoints = drawn
    if any(endpoint.site.endswith(":preferred_read") for endpoint in endpoints):
        return

    assert configuration == parse(to_xml(configuration), endpoints)
    assert to_xml(configuration) == to_xml(ReplicationConfiguration.from_document(configuration.to_document()))


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_answered_with_a_typed_error(xml: bytes) -> None:
    assert MALFORMED == refused(xml)[1]


FRAGMENTS = st.lists(
    st.sampled_from(
        [
            *(
                "<Rule>",
                "</Rule>",
                "<ID>",
                "</ID>",
                "<Prefix>",
                "</Prefix>",
                "<Prefix/>",
                "<Status>Enabled</Status>",
            ),
            *("<Destination>", "</Destination>", "<Bucket>", "</Bucket>", "<StorageClass>aws</StorageClass>"),
            *(f"<Role>{ROLE}</Role>", BUCKET, "p", "&amp;", "&x;", "<!--", "-->", "<![CDATA[", "]]>", " "),
        ]
    ),
    max_size=16,
)


@given(FRAGMENTS)
def test_any_mixture_is_answered_with_a_configuration_or_a_typed_error(fragments: list[str]) -> None:
    xml = f"<ReplicationConfiguration>{''.join(fragments)}</ReplicationConfiguration>"
    try:
        parsed = parse(xml)
    except InvalidDocument as error:
        assert error.code in ("MalformedXML", "InvalidArgument", "InvalidRequest")  # noqa: PT017
    else:
        assert parsed.rules
        assert attrs.evolve(parsed) == parse(to_xml(parsed))
