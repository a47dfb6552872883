"""Defines `vs-st receive`: takes webhook calls for all merchants and stores them."""

from __future__ import annotations

import json
import os

import click

from vs_st_pipeline.cli.output import say, tell
from vs_st_pipeline.cli.whole_numbers import WholeNumber


@click.command(short_help="Take webhook calls; runs until it is stopped.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option("--port", type=WholeNumber(0, 65_535), default=8088, show_default=True, help="0: any free port.")
@click.option("--fd", type=WholeNumber(0), help="A listening socket by its number, such as systemd hands over.")
@click.option("--processes", type=WholeNumber(1, 64), default=1, show_default=True, help="How many take calls.")
@click.option("--metrics-port", type=WholeNumber(1, 65_535), help="Tell Prometheus figures on 127.0.0.1.")
@click.option("--json", "as_json", is_flag=True, help="Print host, port and pid on one line as soon as it listens.")
def receive(host: str, port: int, fd: int | None, processes: int, metrics_port: int | None, as_json: bool) -> None:
    """Take webhook calls of all merchants, and store them before they are answered.

    Of the merchants file no vendor key is read, and nobody is called. TLS is a proxy's: see docs/webhooks.md.
    """
    from vs_st_pipeline.operations.receiver.processes import receive as take_calls
    from vs_st_pipeline.operations.receiver.sockets import Listening

    def listens(where: Listening) -> None:
        if as_json:
            say(json.dumps({"host": where.host, "port": where.port, "pid": where.pid}))
        else:
            tell(f"listening at {where.host} port {where.port}")

    take_calls(os.environ, tell, listens, host=host, port=port, fd=fd, processes=processes, metrics_port=metrics_port)
