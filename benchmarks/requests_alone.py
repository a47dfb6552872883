"""The peer of whatever syncs: the same requests by plain `requests.Session`s, answers thrown away.

Run with a JSON file of groups of requests, how many groups at once, and how many of them to send beforehand,
unmeasured; prints a JSON list. A group is what one sync asks: it has a session per host, kept over its requests. There
is one TLS context for the process, made before anything is measured: a session of `requests` reads the CA bundle anew
for each connection if it is left to itself, which takes ten times as long as the request.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from benchmarks.memory import peak_mb

CONTEXT = ssl.create_default_context(cafile=os.environ.get("REQUESTS_CA_BUNDLE"))


class OneContext(HTTPAdapter):
    """requests' own adapter, but for the TLS context, which is the process's."""

    def init_poolmanager(self, *arguments: Any, **more: Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=CONTEXT, **more)

    def build_connection_pool_key_attributes(self, *arguments: Any, **more: Any) -> Any:
        host, pool = super().build_connection_pool_key_attributes(*arguments, **more)
        return host, {name: value for name, value in pool.items() if name not in ("ca_certs", "ca_cert_dir")}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        conn.cert_reqs = "CERT_REQUIRED"  # by what the context trusts


def ask(group: Sequence[Sequence[Any]]) -> None:
    """Send a group's requests, one after the other."""
    sessions: dict[str, requests.Session] = {}
    for method, url, headers, body in group:
        host = url.split("/")[2]
        if host not in sessions:
            sessions[host] = requests.Session()
            sessions[host].mount("https://", OneContext())
        answer = sessions[host].request(method, url, headers=headers, json=body)
        assert answer.content is not None
        assert answer.ok or answer.status_code == 404, answer.status_code  # a refusal would be too cheap
    for session in sessions.values():
        session.close()


def main() -> None:
    """Send and measure."""
    with open(sys.argv[1], encoding="utf-8") as file:
        groups = json.load(file)
    threads, warm = int(sys.argv[2]), int(sys.argv[3])
    for group in groups[:warm]:
        ask(group)
    found = []
    began, wall = time.process_time(), time.perf_counter()
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(ask, groups))
        found.append({"cpu": time.process_time() - began, "requests": sum(map(len, groups))})
    else:
        for group in groups:
            cpu = time.process_time()
            ask(group)
            found.append({"cpu": time.process_time() - cpu, "requests": len(group)})
    of_all = {
        "wall": time.perf_counter() - wall,
        "peak_mb": peak_mb(),
    }
    print(json.dumps([{**one, **of_all} for one in found]))


if __name__ == "__main__":
    main()
