"""Writes down why an address may be told as subscribed, and that one was told off, before it is sent (routes.md R35).

Data flow: a part of subscribers, a Newsletter -> one line with fsync -> the request. After a loss, the other way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from vs_st_pipeline.pipeline.evidence_file import EvidenceFile
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience.parts import Part

SUBSCRIBED, UNSUBSCRIBED = "subscribed", "unsubscribed"


def write_part(run: Run, part: Part) -> None:
    """Write down the evidence of a part's subscribers; on the disk when this returns.

    Raises:
        OSError: it cannot be: then nothing may be sent.
    """
    if part.evidence:
        now = run.now()
        EvidenceFile.of(run).append(
            _line(now, SUBSCRIBED, address, part.key, part.call, said) for address, said in part.evidence.items()
        )


def write_newsletter(run: Run, address: str, key: str, *, subscribed: bool, evidence: str | None) -> None:
    """Write down that a Newsletter is about to be sent; on the disk when this returns.

    Raises:
        OSError: it cannot be: then nothing may be sent.
    """
    what = SUBSCRIBED if subscribed else UNSUBSCRIBED
    EvidenceFile.of(run).append([_line(run.now(), what, address, key, "event", evidence)])


def _line(now: datetime, what: str, address: str, key: str, call: str, evidence: str | None) -> Mapping[str, Any]:
    said = msgspec.Raw(evidence.replace("\n", " ").encode()) if evidence else None  # JSON has it between values alone
    return {
        "what": what, "address": address, "key": key, "call": call, "time": f"{now.isoformat()}Z", "evidence": said,
    }  # fmt: skip


def subscribed_addresses(run: Run) -> list[str]:
    """Return the addresses whose newest line says that they were told as subscribed; memory grows with them alone."""
    return [address for address, is_subscribed in _newest(run).items() if is_subscribed]


def _newest(run: Run) -> dict[str, bool]:
    """Return of each address that the file names whether its newest line says that it was told as subscribed."""
    return {line["address"]: line["what"] == SUBSCRIBED for line in _lines(run)}


def _lines(run: Run) -> Iterator[dict[str, Any]]:
    for line in EvidenceFile.of(run).read():
        if line.get("what") in (SUBSCRIBED, UNSUBSCRIBED) and isinstance(line.get("address"), str):
            yield line


def restore(run: Run, db: Db) -> int:
    """Put back into a lost base, in the caller's transaction, who may have been told as subscribed; return how many.

    Each is taken as maybe told: one that is subscribed no more then gets its Newsletter false (5.1.7, 6.2).
    """
    known = {row[0] for row in db.rows("select address from synced.base_subscribers")}
    lost = {address for address in subscribed_addresses(run) if address not in known}
    rows = list({line["address"]: line for line in _lines(run) if line["address"] in lost}.values())
    if not rows:
        return 0
    with db.batch(
        {
            "address": [line["address"] for line in rows],
            "key": [str(line.get("key") or "") for line in rows],
            "evidence": [json.dumps(line.get("evidence")) for line in rows],
        }
    ) as batch:
        db.execute(
            f"""insert into synced.base_subscribers by name
                select address, address as email, true as subscribed, true as maybe, evidence, 'told' as told,
                    key as told_key, ?::timestamp as told_at
                from {batch}""",
            [run.now()],
        )
        db.execute(
            f"""insert into synced.audience_told (key, call, kind, ids, evidence, state, tries, "at", run_id)
                select key, 'evidence', 'subscriber', to_json([address])::varchar, evidence, 'accepted', 0, ?, ?
                from {batch}""",
            [run.now(), run.run_id],
        )
    return len(rows)
