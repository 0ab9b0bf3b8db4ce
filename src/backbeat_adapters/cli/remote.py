"""The commands that talk to a running Backbeat by its REST API."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import click
from rich.console import Console

from backbeat_adapters.cli.client import Client
from backbeat_adapters.cli.render import human_bytes, say, table, write_json
from backbeat_core.errors import InvalidInput

DEFAULT_URL = "http://127.0.0.1:8900"
PAGE = 100

URL = click.option(
    "--url",
    default=lambda: os.environ.get("BACKBEAT_URL", DEFAULT_URL),
    show_default=f"$BACKBEAT_URL or {DEFAULT_URL}",
    help="Where the Backbeat is.",
)
SERVICE = click.option(
    "--service", type=click.Choice(["crr", "ingestion", "lifecycle"]), default="crr", show_default=True
)
JSON = click.option("--json", "as_json", is_flag=True, help="Write the answer as one JSON document.")
SITE = click.argument("site", default="all")


def show(
    title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[int] = ()
) -> None:
    """Write a table to standard output: it is what the command is for."""
    Console(highlight=False).print(table(title, columns, rows, right=right))


def add_to(group: click.Group) -> None:
    """Give *group* the commands of this room."""
    for command in (status, pause, resume, schedule, failed, metrics, health, explain):
        group.add_command(command)


@click.command()
@SITE
@URL
@SERVICE
@JSON
def status(site: str, url: str, service: str, as_json: bool) -> int:
    """Show which locations are paused, and until when."""
    client = Client(url)
    states = client.get(service, "status", site)
    schedules = client.get(service, "resume", site)
    if as_json:
        write_json({name: {"status": state, "resume": schedules.get(name)} for name, state in states.items()})
    else:
        show("", ("location", "status", "resumes"), [(n, s, schedules.get(n, "none")) for n, s in states.items()])
    return 0


@click.command()
@SITE
@URL
@SERVICE
def pause(site: str, url: str, service: str) -> int:
    """Stop taking new work for SITE (or all). What is being copied is finished."""
    Client(url).post(service, "pause", site)
    say(f"paused: {site}; backbeat status shows when it has taken effect")
    return 0


@click.command()
@SITE
@URL
@SERVICE
def resume(site: str, url: str, service: str) -> int:
    """Take work for SITE (or all) again, now."""
    Client(url).post(service, "resume", site)
    say(f"resumed: {site}")
    return 0


@click.command()
@click.argument("site")
@click.option("--hours", type=click.IntRange(1, 87600), default=6, show_default=True, help="In how many hours.")
@click.option("--cancel", is_flag=True, help="Forget the scheduled resume.")
@URL
@SERVICE
def schedule(site: str, hours: int, cancel: bool, url: str, service: str) -> int:
    """Resume SITE (or all), if it is paused, in some hours."""
    client = Client(url)
    if cancel:
        client.delete(service, "resume", site, "schedule")
        say(f"no resume is scheduled any more: {site}")
        return 0
    client.post(service, "resume", site, "schedule", body={"hours": hours})
    say(f"resumes in {hours} h, if paused: {site}")
    return 0


@click.command()
@click.argument("site", required=False)
@click.option("--object", "key", nargs=2, metavar="BUCKET KEY", help="Only this object, at every location.")
@click.option("--version-id", default="", help="With --object: this version.")
@click.option("--limit", type=click.IntRange(1), default=PAGE, show_default=True, help="Show at most so many.")
@URL
@JSON
def failed(
    site: str | None, key: tuple[str, str] | None, version_id: str, limit: int, url: str, as_json: bool
) -> int:
    """List what has failed at SITE in the last 24 hours, newest first; without SITE, at every location."""
    client = Client(url)
    if key is not None:
        query = {"versionId": version_id} if version_id else {}
        found = list(client.get("crr", "failed", *key, **query)["Versions"])
    else:
        sites = [site] if site is not None else list(client.get("crr", "status"))
        found = [each for name in sites for each, _ in zip(client.failures(name), range(limit), strict=False)]
    found = found[:limit]
    if as_json:
        write_json(found)
    else:
        rows = [
            (
                each["StorageClass"],
                each["Bucket"],
                each["Key"],
                human_bytes(each["Size"]),
                each.get("VersionId", ""),
            )
            for each in found
        ]
        show("", ("location", "bucket", "key", "size", "version"), rows, right=(3,))
    return 0


def retry_remote(url: str, site: str | None, key: str | None, bucket: str | None, *, as_json: bool) -> int:
    """Have what has failed replicated again by the Backbeat at *url*."""
    client = Client(url)
    sites = list(client.get("crr", "status"))
    if site is not None and site not in sites:
        raise InvalidInput(f"location {site!r} is not known at {url}: there are {', '.join(sites) or 'none'}")
    wanted = [
        each
        for name in ([site] if site is not None else sites)
        for each in client.failures(name)
        if key in (None, each["Key"]) and bucket in (None, each["Bucket"])
    ]
    retried = [
        each
        for start in range(0, len(wanted), PAGE)
        for each in client.post("crr", "failed", body=wanted[start : start + PAGE])
    ]
    if as_json:
        write_json(retried)
    else:
        say(f"{len(retried)} of {len(wanted)} failures are replicated again")
    return 0 if len(retried) == len(wanted) else 1


@click.command()
@SITE
@click.option("--service", type=click.Choice(["crr", "ingestion"]), default="crr", show_default=True)
@URL
@JSON
def metrics(site: str, service: str, url: str, as_json: bool) -> int:
    """Show backlog, completions, failures and throughput of SITE (or all)."""
    body = Client(url).get("metrics", service, site)
    if as_json:
        write_json(body)
        return 0
    rows = []
    for name, metric in body.items():
        results = metric["results"]
        size = results.get("size")
        shown = "" if size is None else f"{size} B/s" if name == "throughput" else human_bytes(int(size))
        rows.append((name, results["count"], shown, metric["description"]))
    show(f"{service}, {site}", ("metric", "objects", "bytes", ""), rows, right=(1, 2))
    return 0


@click.command()
@click.option("--deep", is_flag=True, help="Send a probe through each partition; may take a minute.")
@URL
@JSON
def health(deep: bool, url: str, as_json: bool) -> int:
    """Show how the engines are. Exit code 1 if one of them is not well."""
    client = Client(url, timeout_s=90 if deep else 30)
    body = client.get("healthcheck", "deep") if deep else client.get("healthcheck")
    if as_json:
        write_json(body)
    elif deep:
        show("", ("partition", "status"), [(n, s) for n, s in body.items() if n != "timeElapsed"])
    else:
        show("", ("engine", "status"), [(name, _told(value)) for name, value in _engines(body).items()])
    return 0 if _is_well(body, deep=deep) else 1


def _engines(body: Mapping[str, Any]) -> Mapping[str, Any]:
    engines: Mapping[str, Any] = body.get("internalConnections", {})
    return engines


def _told(value: Any) -> str:
    return str(value.get("status")) if isinstance(value, Mapping) else str(value)


def _is_well(body: Mapping[str, Any], *, deep: bool) -> bool:
    if deep:
        return all(value == "ok" for name, value in body.items() if name != "timeElapsed")
    return all(_told(value) == "ok" for value in _engines(body).values())


@click.command()
@click.argument("bucket")
@click.argument("key")
@click.option("--version-id", default="", help="One version and not the newest.")
@URL
@JSON
def explain(bucket: str, key: str, version_id: str, url: str, as_json: bool) -> int:
    """Say why an object is in its state: rule, sites, attempts, where its entry is now."""
    query = {"versionId": version_id} if version_id else {}
    body = Client(url).get("crr", "explain", bucket, *key.split("/"), **query)
    if as_json:
        write_json(body)
    else:
        _tell(body)
    return 0


def _tell(value: Any, *, name: str = "", depth: int = 0) -> None:
    """Write a document as an indented list of names and values."""
    indent = "  " * depth
    if isinstance(value, Mapping):
        if name:
            click.echo(f"{indent}{name}:")
        for inner, each in value.items():
            _tell(each, name=str(inner), depth=depth + bool(name))
    elif isinstance(value, list):
        click.echo(f"{indent}{name}:" + ("" if value else " none"))
        for each in value:
            _tell(each, name="-", depth=depth + 1)
    else:
        click.echo(f"{indent}{name}: {'none' if value is None else value}")
