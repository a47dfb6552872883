"""Checks a merchant without changing anything; WayMore is never called (rulings, audience 6).

That the keys are good is known from the registration, which is done once. The source is asked a few cheap questions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from pathlib import Path
from typing import Any, Final

from vs_st_pipeline.connectors.shop.settings import ShopSettings
from vs_st_pipeline.domain.errors import BadSettings, PipelineError
from vs_st_pipeline.domain.report import FAILED
from vs_st_pipeline.pipeline.check import CheckResult
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience import blocks, registration, sources_table
from vs_st_pipeline.routes.audience.assets import TITLE
from vs_st_pipeline.routes.audience.registration import State
from vs_st_pipeline.routes.audience.session import SYSTEMS, AudienceSession, open_session
from vs_st_pipeline.routes.audience.sources import source_name
from vs_st_pipeline.routes.audience.systems import NAME, SHOP

Record = dict[str, Any]
_STAGED: Final = {
    "customers": "staged.shop_customers", "subscribers": "staged.shop_subscribers", "products": "staged.shop_products",
    "wishlist": "staged.shop_wishlists", "orders": "staged.shop_orders",
}  # fmt: skip


@dataclass(slots=True)
class AudienceCheck(CheckResult):
    """What `check` found.

    Attributes:
        registration: state, since when, domain. source: its name.
        no_source: events that have no source here, and why.
        history: requests and hours that the rest of the history takes, as far as it is known.
        first_read: the same of the first read of the source; None: it was read, or costs nothing.
    """

    registration: Record = field(default_factory=dict)
    source: str = ""
    no_source: dict[str, str] = field(default_factory=dict)
    history: Record | None = None
    first_read: Record | None = None

    def as_json(self) -> Record:
        return CheckResult.as_json(self) | {
            "registration": self.registration or None,
            "source": self.source,
            "no_source": self.no_source,
            "history": self.history,
            "first_read": self.first_read,
        }

    def lines(self, name: str) -> list[str]:
        """Say it for people; the first line begins with how the merchant is named."""
        lines = CheckResult.lines(self, name)
        known = self.registration
        if known:
            lines.append(f"  {TITLE}: {_standing(known)}")
        lines += [f"  no source here for {event}: {why}" for event, why in self.no_source.items()]
        if self.first_read is not None:
            lines.append(f"  {self.first_read['says']}")
        if self.history is not None and self.history["requests"]:
            lines.append(
                f"  the history takes {self.history['requests']} more requests, {_long(self.history['hours'])}"
            )
        return lines


def _standing(known: Record) -> str:
    """Say how the registration stands. What a refusal means and when it is asked again is said by the sync."""
    if known.get("asked_again_at"):
        again = datetime.fromisoformat(known["asked_again_at"])
        return (
            f"refused; it is asked again after {again:%Y-%m-%d %H:%M} UTC, at "
            "once when waymore.username or waymore.password changes, or by `vs-st connect`"
        )
    if known["state"] in (State.NONE, State.ASKING):
        return "not registered; the next sync registers it, and only then the keys are tried"
    if known["since"]:
        return f"{known['state']} since {datetime.fromisoformat(known['since']):%Y-%m-%d %H:%M} UTC"
    return str(known["state"])


def _long(hours: float) -> str:
    return f"{hours:g} h" if hours >= 1 else f"{ceil(hours * 60)} min"


def new_result(merchant_id: str, error: PipelineError | None = None) -> AudienceCheck:
    """Return a result of this route with nothing found yet, or with why nothing can be."""
    good = "the source answers"
    return AudienceCheck(merchant_id, NAME, good=good, errors=[error] if error else [])


def check(run: Run) -> AudienceCheck:
    """Ask the source whether its key is good and what is there; write nothing, and never call WayMore."""
    found = new_result(run.merchant.id)
    for question in (_look_at_what_is_stored, _ask_source):
        with open_session(run) as session:
            question(session, found)
        if session.report.status == FAILED and session.report.error:
            found.errors.append(session.report.error)
    return found


def _look_at_what_is_stored(session: AudienceSession, found: AudienceCheck) -> None:
    run, settings = session.run, session.settings
    found.source = source_name(run.merchant)
    found.no_source = dict(sources_table.source_of(run.merchant).lacks)
    found.doubts += settings.doubts()
    known = registration.read(run)
    since = known.registered_at.isoformat() + "Z" if known.registered_at else None
    found.registration = {"state": str(known.state), "since": since, "domain": known.domain}
    if known.refused and known.next_try_at is not None and known.next_try_at > run.now():
        found.registration["asked_again_at"] = known.next_try_at.isoformat() + "Z"
    if known.state is State.DISCONNECTED:
        found.doubts.append("it was disconnected: nothing is told until `vs-st connect`")
    if run.file().exists():
        with run.open() as db:
            requests = _requests_left(db, settings.part_records) if settings.history == "send" else 0
        hours = round(requests / settings.requests_per_second / 3600, 2)
        found.history = {"requests": requests, "hours": hours}


def _requests_left(db: Db, part_records: int) -> int:
    """Return how many requests the rest of the history takes at least, of what is staged by now."""
    left = 0
    for block, standing in blocks.read(db).items():
        if standing.state in blocks.ENDED:
            continue
        records = standing.rest or int(db.value(f"select count(*) from {_STAGED[block]}"))
        left += ceil(records / part_records)
    return left


def _ask_source(session: AudienceSession, found: AudienceCheck) -> None:
    merchant = session.run.merchant
    if source_name(merchant) == SHOP:
        _look_for_drops(merchant.section(ShopSettings).drop, found)
        return
    connector: Connector[Any] = next(one for one in SYSTEMS if one.name == source_name(merchant))
    if connector.setup is not None:
        seen = connector.setup.look(session.client(connector), merchant)
        found.doubts += [*seen.disagrees.values(), *([seen.lacks] if seen.lacks else [])]
    size = sources_table.source_of(merchant).first_walk(session)
    if size is not None:
        found.first_read = {"requests": size.requests, "seconds": round(size.seconds), "says": size.says}


def _look_for_drops(drop: object, found: AudienceCheck) -> None:
    if drop is None:
        return
    if not Path(str(drop)).is_dir():
        raise BadSettings("the folder of shop.drop is not there, or cannot be read", system=SHOP)
    if not any(Path(str(drop)).glob("*/_READY.json")):
        found.doubts.append("shop.drop holds no drop with a _READY.json yet: nothing is read")
