"""Registers a shop by hand, and takes it out of WayMore again: `vs-st connect`, `vs-st disconnect` (audience.md 7.9).

`uninstalling` is stored before anything is told, so a power cut leaves an uninstall that the next sync goes on with.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from vs_st_pipeline.connectors.waymore.client import Outcome
from vs_st_pipeline.connectors.waymore.settings import Endpoints, WaymoreSettings
from vs_st_pipeline.domain.errors import BadKey, NotSent, PipelineError, TryLater
from vs_st_pipeline.pipeline.own_commands import Told
from vs_st_pipeline.pipeline.route import Registering
from vs_st_pipeline.pipeline.schedule import write_next_due
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.merchants import Merchant
from vs_st_pipeline.platform.settings.secrets import Secret
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.platform.warehouse.files import Warehouse
from vs_st_pipeline.routes.audience import delivery, registering, registration
from vs_st_pipeline.routes.audience.registration import Registration, State
from vs_st_pipeline.routes.audience.session import AudienceSession, open_session
from vs_st_pipeline.routes.audience.stage_names import STAGES
from vs_st_pipeline.routes.audience.systems import DESTINATION, NAME
from vs_st_pipeline.routes.audience.words import UNINSTALL

GIVEN_UP_AFTER: Final = timedelta(days=7)
_UNTOLD: Final = (
    "WayMore was not told that the shop has left; nothing was lost. Every sync tries again for 7 days, and then "
    "removes the registration all the same; `vs-st disconnect --force` removes it at once, untold"
)


def connect(run: Run) -> Told:
    """Register a merchant now; one that is registered is left as it is, and nobody is called."""
    with open_session(run, STAGES) as session, run.sync_lock():
        known = session.registration = registration.read(run)
        if known.state == State.REGISTERED:
            return _told(run, known, "is registered already; nothing was asked")
        if known.state == State.UNINSTALLING:
            leave(session)
            known = session.registration
        write_next_due(run, run.now())  # a sync of a disconnected shop is rare, and what follows is soon
        session.registration = replace(known, next_try_at=None)
        if known.state == State.DISCONNECTED:
            session.registration = Registration()
        try:
            registering.register(session)
        except NotSent:
            if known.state == State.DISCONNECTED:  # nothing left us, so no sync is to try what a person must ask for
                _keep(session, known)
            raise
        return _told(run, session.registration, "is registered; its history follows in the background")
    assert session.report.error is not None, "only an error leads here"
    return _failed(run, session.report.error)


def disconnect(run: Run, *, force: bool = False) -> Told:
    """Take a merchant out of WayMore: unsubscribes that wait, then Uninstall, then all that is remembered of it.

    Args:
        force: remove the registration at once, untold.
    """
    with open_session(run, STAGES) as session, run.sync_lock():
        known = session.registration = registration.read(run)
        if known.state == State.DISCONNECTED:
            return _told(run, known, "is disconnected already; nothing was asked")
        if force or known.state in (State.NONE, State.ASKING):
            forget(session)
            return _told(run, session.registration, "is disconnected; WayMore was told nothing")
        leave(session)
        return _told(run, session.registration, "is disconnected; only `vs-st connect` registers it again")
    assert session.report.error is not None, "only an error leads here"
    return _failed(run, session.report.error)


def leave(session: AudienceSession) -> None:
    """Tell WayMore that the shop leaves; then forget the registration and what was told.

    Raises:
        PipelineError: WayMore was not told: the registration stays, and the next sync goes on.
    """
    run, known = session.run, session.registration
    if known.state != State.UNINSTALLING:
        _keep(session, replace(known, state=State.UNINSTALLING, leaving_since=run.now()))
    failpoint("uninstalling")
    since = session.registration.leaving_since or run.now()
    try:
        delivery.unsubscribe(session)
        _tell(session)
    except BadKey:  # whoever does not know us has nothing of ours to remove
        pass
    except PipelineError:
        if run.now() - since < GIVEN_UP_AFTER:
            raise
        _keep(session, replace(session.registration, left_untold=True))
    forget(session)


def _tell(session: AudienceSession) -> None:
    uuid = registering.uuid_of(session)
    body = json.dumps({"event": UNINSTALL, "uuid": uuid, "data": {}}, separators=(",", ":")).encode()
    salt = session.registration.salt or ""
    answer = session.waymore.event(registering.endpoint(session, "event"), body, registration.key_of(salt, UNINSTALL))
    if answer.outcome not in (Outcome.ACCEPTED, Outcome.REJECTED):
        raise answer.stop or TryLater(_UNTOLD, system=DESTINATION, http_status=answer.http_status)


def forget(session: AudienceSession) -> None:
    """Remove the uuid, and outbox, base and ledger of the route. The tables go first: what a power cut leaves behind is
    a registration that is told once more that it has left.
    """
    run, known = session.run, session.registration
    with run.open() as db, db.transaction():
        for table in own_tables(db):
            db.execute(f"delete from {table}")
    failpoint("forgotten")
    _keep(session, Registration(State.DISCONNECTED, left_untold=known.left_untold, more=known.more))


def own_tables(db: Db) -> list[str]:
    """Return the names of the tables that hold what WayMore was told, or is to be told."""
    rows = db.rows(
        """select schema_name || '.' || table_name from duckdb_tables()
           where database_name = current_database() and schema_name in ('planned', 'synced')
               and (starts_with(table_name, 'audience_') or starts_with(table_name, 'base_'))"""
    )
    return sorted(row[0] for row in rows)


def stand_in_for(merchant: Merchant, folder_of: Warehouse) -> Merchant:
    """Return a merchant that is out of the file, or has lost its section, with what its registration remembers.

    A person's word that a shop leaves counts for it too (7.9).
    """
    if merchant.has(WaymoreSettings):
        return merchant
    known = registration.read_in(folder_of.data_dir / "merchants" / merchant.id)
    endpoints = Endpoints.model_construct(event=known.event_url or Endpoints().event)
    uuid = Secret(known.uuid, "of the registration") if known.uuid else None
    settings = WaymoreSettings.model_construct(
        domain=known.domain or "", source=known.source, endpoints=endpoints, uuid=uuid
    )
    return replace(merchant, sections={**merchant.sections, DESTINATION: settings})


def is_registered(warehouse: Warehouse, merchant_id: str) -> bool:
    """Say whether WayMore still counts on a merchant."""
    known = registration.read_in(warehouse.data_dir / "merchants" / merchant_id)
    return known.state in (State.ASKING, State.REGISTERED, State.UNINSTALLING)


def under_way(warehouse: Warehouse, merchant_id: str) -> list[str]:
    """Return what must not be interrupted by `vs-st offboard` (R57), a sentence each."""
    if not is_registered(warehouse, merchant_id):
        return []
    return [f"it is registered at WayMore; run `vs-st disconnect --merchant {merchant_id}` first"]


def _keep(session: AudienceSession, known: Registration) -> None:
    registration.write(session.run, known)
    session.registration = known


def _told(run: Run, known: Registration, says: str) -> Told:
    name = run.merchant.id
    return Told({"merchant": name, "route": NAME, "registration": str(known.state), "error": None}, [f"{name} {says}."])


def _failed(run: Run, error: PipelineError) -> Told:
    known = registration.read(run)
    said: Mapping[str, object] = {"merchant": run.merchant.id, "route": NAME, "registration": str(known.state)}
    lines = [f"{run.merchant.id} is not done: the registration is {known.state}."]
    return Told({**said, "error": error.as_report()}, lines, well=False, error=error)


REGISTERING: Final = Registering(
    connect,
    disconnect,
    stand_in_for,
    is_registered,
    asks=(
        "WayMore is told that the shop has left, and the registration goes. What WayMore knows stays there; "
        "registering again sends the whole history again"
    ),
)
