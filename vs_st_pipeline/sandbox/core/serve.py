"""Runs a stand-in as a process of its own: binds, says its port on stdout, and dies with its parent."""

from __future__ import annotations

import argparse
import gc
import json
import os
import socket
import sys
import threading
import time
from datetime import datetime

import uvicorn

from vs_st_pipeline.sandbox.core.server import StandIn
from vs_st_pipeline.sandbox.scenarios.index import LATER_SYSTEMS, load


def main(make: type[StandIn]) -> None:
    """Run the process of a stand-in."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--scenario", default="demo")
    parser.add_argument("--now", required=True)
    parser.add_argument("--switches", default="{}")
    parser.add_argument("--certificate", help="PEM; speaks TLS, and nothing else")
    parser.add_argument("--key", help="PEM, of the certificate")
    options = parser.parse_args()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", options.port))
    except OSError as error:
        print(json.dumps({"error": f"port {options.port}: {error.strerror}"}), flush=True)
        raise SystemExit(1) from None
    listener.listen(512)
    _die_with_parent()
    # Connections wait in the backlog until the world is made and the loop runs, so the port can be printed already.
    print(json.dumps({"port": listener.getsockname()[1]}), flush=True)
    # Half a million small objects that live until the end: searching them for garbage only costs time.
    gc.disable()
    now = datetime.fromisoformat(options.now)
    without = (*make.not_mine, *(system for system in LATER_SYSTEMS if system != make.system))
    app = make(lambda: load(options.scenario, now, without), json.loads(options.switches))
    gc.freeze()
    gc.enable()
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=300,
        timeout_graceful_shutdown=1,
        # Each handshake is a task of its own on the loop, so that one that hangs keeps nobody waiting.
        ssl_certfile=options.certificate,
        ssl_keyfile=options.key,
    )
    server = uvicorn.Server(config)
    app.stop = lambda: setattr(server, "should_exit", True)
    server.run(sockets=[listener])


def _die_with_parent() -> None:
    """Start two watches, because a pipe can be held open by a forked sibling and a parent id can only be polled."""
    parent = os.getppid()

    def watch_pipe() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    def watch_parent() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(0)

    for watch in (watch_pipe, watch_parent):
        threading.Thread(target=watch, daemon=True).start()
