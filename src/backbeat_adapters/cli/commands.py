"""The commands, their options and exit codes; each hands over to a function that does the work."""

from __future__ import annotations

import contextlib
import logging
import resource
import sys
from pathlib import Path

import click

from backbeat_adapters.cli import local_commands, remote
from backbeat_adapters.cli.interrupts import Interrupted, exit_code
from backbeat_adapters.cli.render import end, say
from backbeat_adapters.cli.simulate import simulate
from backbeat_adapters.embedded.tree import printable
from backbeat_adapters.local import LocalSettings, default_state
from backbeat_core.errors import BackbeatError, InvalidInput

OK, FAILED, BAD_INPUT = 0, 1, 2

_log = logging.getLogger("backbeat.cli")


def run() -> None:
    """Run the command line and exit: 0 done, 1 something FAILED, 2 bad input."""
    logging.basicConfig(level=logging.CRITICAL)
    _allow_open_files()
    try:
        code = backbeat.main(standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(BAD_INPUT)
    except (click.Abort, KeyboardInterrupt, Interrupted) as error:
        say("backbeat: interrupted; the same command goes on where it was")
        sys.exit(exit_code(error))
    except BrokenPipeError:
        code = FAILED
    except BackbeatError as error:
        say(f"backbeat: {error}")
        code = BAD_INPUT if isinstance(error, InvalidInput) else FAILED
    except OSError as error:
        _log.info("it came from", exc_info=error)
        where = "" if error.filename is None else f"{printable(str(error.filename))}: "
        say(f"backbeat: {where}{error.strerror or error}")
        code = FAILED
    except Exception as error:
        _log.info("it came from", exc_info=error)
        what = printable(f"{type(error).__name__}: {error}"[:500])
        say(f"backbeat: this should not happen; please report it with what --verbose says: {what}")
        code = FAILED
    end(code if isinstance(code, int) else OK)


def _allow_open_files() -> None:
    # A way through directories is held open, part by part, by each thread of each location.
    with contextlib.suppress(ValueError, OSError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


STATE = click.option(
    "--state",
    type=click.Path(path_type=Path),
    default=default_state,
    show_default="$XDG_STATE_HOME/backbeat",
    help="Directory of the embedded engine: queue, metadata, counters.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Write the result as one JSON document.")
TO = click.option("--to", multiple=True, metavar="NAME=DIR", help="A location; give one --to for each.")
BUCKET = click.option("--bucket", help="Name of the bucket.  [default: that of the directory]")
RULES = click.option(
    "--rules",
    type=click.Path(path_type=Path),
    help="The bucket's replication configuration, an S3 ReplicationConfiguration in XML.  [default: every object]",
)
RETRIES = click.option(
    "--retries", type=click.IntRange(0, 1000), default=3, show_default=True, help="Attempts after a first failure."
)
RETRY_DELAY = click.option(
    "--retry-delay",
    type=click.IntRange(1, 3_600_000),
    default=200,
    show_default=True,
    metavar="MS",
    help="Wait before the first of them, in milliseconds; it doubles from one to the next.",
)
CONCURRENCY = click.option(
    "--concurrency", type=click.IntRange(1, 256), default=2, show_default=True, help="Threads, for each location."
)
CONFIG = click.option(
    "--config", type=click.Path(path_type=Path), help="Configuration file, as conf/config.json."
)
SYNC = click.option(
    "--sync", is_flag=True, help="COMPLETED only when the disk has it: a power loss takes nothing back. Slower."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="backbeat")
@click.option("--verbose", "-v", is_flag=True, help="Log what happens to standard error.")
def backbeat(verbose: bool) -> None:
    """Replicate objects to several locations, and report each one's status.

    Exit codes: 0 done, 1 something FAILED or did not answer, 2 bad input, 130 or 143
    interrupted by Ctrl-C or SIGTERM.
    """
    if verbose:
        logging.getLogger().setLevel(logging.INFO)


@backbeat.command()
@click.argument("source", type=click.Path(path_type=Path))
@TO
@STATE
@BUCKET
@RULES
@RETRIES
@RETRY_DELAY
@CONCURRENCY
@SYNC
@JSON
def replicate(
    source: Path,
    to: tuple[str, ...],
    state: Path,
    bucket: str | None,
    rules: Path | None,
    retries: int,
    retry_delay: int,
    concurrency: int,
    sync: bool,
    as_json: bool,
) -> int:
    """Replicate the directory SOURCE to two or more locations, and stop when every object is at rest.

    Killed and started again it goes on where it was; what is COMPLETED is not copied again. A changed file
    becomes a new version, a removed file a delete marker.
    """
    settings = LocalSettings(retries, retry_delay, concurrency, sync)
    return local_commands.replicate(source, to, state, bucket, rules, settings, as_json=as_json)


@backbeat.command()
@click.option("--source", type=click.Path(path_type=Path), help="Directory to watch.")
@TO
@STATE
@BUCKET
@RULES
@CONFIG
@click.option(
    "--role",
    metavar="ROLES",
    help="Work on the servers that --config names, as some of api, populator, processor[:SITE], status, gc.",
)
@click.option("--host", help="Address to listen on.  [default: every interface]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the REST API; 0: any.  [default: 8900]")
@click.option(
    "--interval",
    type=click.IntRange(50, 86_400_000),
    default=1000,
    show_default=True,
    metavar="MS",
    help="How often to look for changes, in milliseconds; less often when looking takes long.",
)
@RETRIES
@RETRY_DELAY
@CONCURRENCY
@SYNC
def serve(
    source: Path | None,
    to: tuple[str, ...],
    state: Path,
    bucket: str | None,
    rules: Path | None,
    config: Path | None,
    role: str | None,
    host: str | None,
    port: int | None,
    interval: int,
    retries: int,
    retry_delay: int,
    concurrency: int,
    sync: bool,
) -> int:
    """Watch a directory, replicate what changes, and answer the REST API, until SIGTERM.

    Without --source it goes on with the buckets that the state knows. With --role it is one process of several
    on Kafka, MongoDB, Redis and ZooKeeper.
    """
    if role is not None:
        if source is not None or to:
            raise click.UsageError("--role works on what --config names: it takes no --source and no --to")
        from backbeat_adapters.cli.servers import serve_roles

        return serve_roles(config, role, host, port)
    from backbeat_adapters.cli.serve import ServeOptions
    from backbeat_adapters.cli.serve import serve as run_server

    options = ServeOptions(source, to, state, bucket, rules, config, host, port, interval)
    return run_server(options, LocalSettings(retries, retry_delay, concurrency, sync))


@backbeat.command()
@CONFIG
@JSON
def doctor(config: Path | None, as_json: bool) -> int:
    """Check every connection and every topic that the configuration file names, and say what to do.

    Without --config, the file that BACKBEAT_CONFIG_FILE names, else conf/config.json. Exit codes: 0 all is well,
    1 a server or a topic is not, 2 the file is not.
    """
    from backbeat_adapters.cli.doctor import doctor as examine

    return examine(config, as_json=as_json)


@backbeat.command()
@click.argument("bucket")
@click.argument("key")
@STATE
@click.option("--version-id", default="", help="One version and not the newest.")
@click.option("--raw", is_flag=True, help="Header names as on the wire: user metadata with x-amz-meta-.")
@JSON
def head(bucket: str, key: str, state: Path, version_id: str, raw: bool, as_json: bool) -> int:
    """Show what a HEAD of KEY in BUCKET would: its replication status, and that of each location."""
    return local_commands.head(bucket, key, state, version_id, raw=raw, as_json=as_json)


@backbeat.command()
@click.option("--all", "everything", is_flag=True, help="Retry everything that has FAILED.")
@click.option("--site", help="Only what this location has failed.")
@click.option("--key", help="Only this object.")
@click.option("--bucket", help="Only what is in this bucket.")
@STATE
@click.option("--url", help="Let the Backbeat at this URL do it.  [default: one that uses the state, if any]")
@RETRIES
@RETRY_DELAY
@CONCURRENCY
@SYNC
@JSON
def retry(
    everything: bool,
    site: str | None,
    key: str | None,
    bucket: str | None,
    state: Path,
    url: str | None,
    retries: int,
    retry_delay: int,
    concurrency: int,
    sync: bool,
    as_json: bool,
) -> int:
    """Replicate again what has FAILED, and stop when it is at rest.

    While `backbeat serve` runs on the same state, or with --url, it is the server that does it. Name what to
    retry: --all, or a --site, or a --key.
    """
    if not everything and site is None and key is None:
        raise click.UsageError("say what to retry: --all, or a --site, or a --key")
    url = url or local_commands.api_of(state)
    if url is not None:
        return remote.retry_remote(url, site, key, bucket, as_json=as_json)
    settings = LocalSettings(retries, retry_delay, concurrency, sync)
    return local_commands.retry(state, bucket, site, key, settings, as_json=as_json)


remote.add_to(backbeat)


backbeat.add_command(simulate)
