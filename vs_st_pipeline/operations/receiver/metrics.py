"""Tells Prometheus the figures of all processes and the inbox's, on loopback alone (webhooks-onboarding.md H13)."""

from __future__ import annotations

import socket
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from vs_st_pipeline.operations.receiver.figures import Figures
from vs_st_pipeline.platform.inbox import gauges
from vs_st_pipeline.platform.inbox.store import Inbox


def tell_metrics(listening: socket.socket, figures: Figures, inbox: Inbox) -> None:
    """Answer `GET /metrics`, in a thread of its own."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 5
        server_version, sys_version = "vs-st", ""

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404)
                return
            text = "\n".join([*figures.text(), *gauges.text(inbox)]) + "\n"
            body = text.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
