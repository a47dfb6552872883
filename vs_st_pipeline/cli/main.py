"""Assembles the commands of `vs-st`, and turns errors into exit codes (0 well, 1 failed, 2 wrong use)."""

from __future__ import annotations

import io
import os
import sqlite3
import sys

import click

from vs_st_pipeline import __version__
from vs_st_pipeline.cli import ending
from vs_st_pipeline.cli.alerts import alerts
from vs_st_pipeline.cli.completion import completion
from vs_st_pipeline.cli.connect import connect, disconnect
from vs_st_pipeline.cli.demo import demo, sandbox
from vs_st_pipeline.cli.explain import history, why
from vs_st_pipeline.cli.help import Sections
from vs_st_pipeline.cli.inbox import inbox
from vs_st_pipeline.cli.leave import offboard
from vs_st_pipeline.cli.onboard import onboard
from vs_st_pipeline.cli.output import NotPrinted, flush, make_ready, tell
from vs_st_pipeline.cli.own_commands import groups_of
from vs_st_pipeline.cli.privacy import forget, rebuild
from vs_st_pipeline.cli.receive import receive
from vs_st_pipeline.cli.repair import reconcile, retry
from vs_st_pipeline.cli.status import check, merchants
from vs_st_pipeline.cli.sync import plan, sync
from vs_st_pipeline.cli.trouble import tell_error
from vs_st_pipeline.cli.webhooks import webhooks
from vs_st_pipeline.cli.work import work
from vs_st_pipeline.domain.errors import BadArguments, BadSettings, PipelineError
from vs_st_pipeline.pipeline.session import DAMAGED
from vs_st_pipeline.platform import crash_reports
from vs_st_pipeline.platform.http.waits import told_to
from vs_st_pipeline.platform.settings.environment import data_dir

HELP = """
Keep the systems of many merchants in step: what changed in one is written to the other, once. Try it with `vs-st demo`.

Settings: the merchants file is VS_ST_MERCHANTS (./merchants.yaml), all state lies in VS_ST_DATA_DIR (./data).
Results go to stdout, progress and warnings to stderr.
"""


@click.group(
    cls=Sections, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}, help=HELP
)
@click.version_option(__version__)
def cli() -> None:
    """Hold all commands."""


SECTIONS = {
    "Every day": (merchants, sync, plan, check, inbox, alerts),
    "One person or record": (why, history, forget),
    "Set-up": (onboard, connect, disconnect, webhooks, receive, work, offboard, completion),
    "Repair": (retry, reconcile, rebuild),
    "Try it": (demo, sandbox),
}
for heading, commands in SECTIONS.items():
    cli.add_section(heading, commands)
cli.add_section("One route", tuple(groups_of(cli)))


def main() -> None:
    """Run the console script."""
    os.umask(0o077)  # everything written here is about people
    crash_reports.install()
    make_ready()
    try:
        with told_to(tell):
            # it returns the code of a `click.exceptions.Exit`, and otherwise None
            sys.exit(cli.main(standalone_mode=False))
    except click.Abort:
        ending.soon()
        tell("stopped")
        sys.exit(1)
    except click.ClickException as error:
        _show(error)
        sys.exit(2)
    except BadArguments as error:
        tell(f"vs-st: {error}")
        sys.exit(2)
    except BadSettings as error:
        tell_error(error)
        sys.exit(2)
    except NotPrinted as error:
        tell(f"vs-st: {error}")
        sys.exit(1)
    except PipelineError as error:
        tell_error(error)
        sys.exit(1)
    except OSError as error:  # stdout closed or full, the data folder unusable
        flush(sys.stdout)
        where = f"{error.filename}: " if isinstance(error.filename, str) else ""
        tell(f"vs-st: {where}{error.strerror or type(error).__name__}")
        sys.exit(1)
    except Exception as error:
        damaged = type(error) is sqlite3.DatabaseError  # SQLite's word for a file that it cannot make out
        tell(f"vs-st: {DAMAGED.format(data_dir(os.environ)) if damaged else crash_reports.describe(error)}")
        sys.exit(1)


def _show(error: click.ClickException) -> None:
    """Print what click says about wrong use; what was typed is shown and cannot act on the terminal."""
    if isinstance(error, click.UsageError) and error.ctx is not None:
        error.ctx.color = True  # otherwise click drops some of what would act, and does not say so
    said = io.StringIO()
    error.show(file=said)
    tell(*said.getvalue().rstrip("\n").split("\n"))


if __name__ == "__main__":
    ending.run(main)
