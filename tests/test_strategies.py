"""What the strategies draw is valid: the domain takes all of it, and says it again as it was."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from backbeat_core.domain import version_id
from backbeat_core.domain.arming import Operation, arm
from backbeat_core.domain.configuration_xml import parse_configuration, to_xml
from backbeat_core.domain.entry import decode_entry
from backbeat_core.domain.info import ReplicationInfo
from backbeat_core.domain.selection import Ignored, Selected, select
from backbeat_core.domain.status import Status, derive
from backbeat_core.http.routing import Resolved, Sites, resolve
from backbeat_core.testing import strategies


def test_every_status_of_a_site_is_drawn():
    seen = set()

    @given(strategies.site_statuses())
    def draw(status):
        seen.add(status)

    draw()

    assert {Status.PENDING, Status.COMPLETED, Status.FAILED} == seen


@given(strategies.version_ids())
def test_version_ids_have_a_public_form(internal):
    assert internal == version_id.decode(version_id.encode(internal))


@given(strategies.replication_infos())
def test_the_whole_is_derived_from_its_sites(info):
    assert derive(backend.status for backend in info.backends) == info.status
    assert len(info.backends) == len(set(info.sites))
    assert info == ReplicationInfo.from_document(info.to_document())


@given(
    strategies.replication_infos(
        site=st.sampled_from(["one", "two", "three"]), status=st.just(Status.PENDING), min_sites=2, max_sites=2
    )
)
def test_less_is_drawn_where_less_is_asked_for(info):
    assert 2 == len(info.backends)
    assert {"one", "two", "three"} >= set(info.sites)
    assert Status.PENDING is info.status


@given(st.data())
def test_configurations_are_accepted_and_come_back(data):
    known = data.draw(strategies.endpoints())
    configuration = data.draw(strategies.replication_configurations(known=known))
    locations = {endpoint.site: data.draw(strategies.location_constraints(cold=False)) for endpoint in known}

    parsed = parse_configuration(
        to_xml(configuration).encode(),
        endpoints=known,
        locations=locations,
        source_bucket="source",
        new_rule_id=lambda: "never asked for",
    )

    assert configuration == parsed
    for rule in configuration.rules:
        armed = arm(
            Operation.PUT_OBJECT,
            key=rule.prefix + "key",
            size=1,
            configuration=configuration,
            endpoints=known,
            locations=locations,
        )
        assert (armed is not None) == rule.enabled


@given(strategies.object_entries())
def test_entries_are_read_as_they_were_written(entry):
    # A message that names no type carries every member of the model, so it is compared once it does.
    again = decode_entry(entry.encode())

    assert again == decode_entry(again.encode())
    assert (entry.bucket, entry.key, entry.site, entry.info) == (again.bucket, again.key, again.site, again.info)


def test_the_log_holds_what_is_queued_and_what_is_not():
    seen = set()

    @given(strategies.log_entries())
    def draw(entry):
        seen.add(type(select(entry)))

    draw()

    assert {Selected, Ignored} == seen


@given(strategies.requests(site=st.just("one")))
def test_requests_reach_a_route(request):
    sites = Sites(crr=("one",), ingestion=("one",), lifecycle=("one",))

    assert isinstance(resolve(request.method, request.target, lambda: sites), Resolved)
