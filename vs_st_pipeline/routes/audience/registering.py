"""Registers a merchant's shop at WayMore once (audience.md 3). `leaving` takes it out again.

Each line between two writes has an answer to a power cut: `asking` is stored before the call, so that a call that may
have arrived is asked again; the uuid is stored before anything else happens.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from vs_st_pipeline.connectors.waymore.client import RegisteredBefore
from vs_st_pipeline.connectors.waymore.settings import same_site
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, BadSettings, NotSent, TryLater
from vs_st_pipeline.platform.failpoints import failpoint
from vs_st_pipeline.routes.audience import registration
from vs_st_pipeline.routes.audience.registration import Registration, State
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.sources import source_name
from vs_st_pipeline.routes.audience.systems import DESTINATION

FIRST_GAP, LONGEST_GAP = timedelta(hours=1), timedelta(hours=24)
_OTHER: Final = (
    "the registered {what} is another one than waymore says now; put it back, or run `vs-st disconnect` first"
)


def begin(session: AudienceSession) -> bool:
    """Bring the registration as far as one sync may; say whether mass and event calls may be made.

    Compares what the settings name with what was registered (3.4); asks `discover`; asks once where the state is `none`
    or `asking` and its time has come. With `session.writes` false nobody is called and nothing is written: then it only
    compares.

    Returns:
        Whether the state is `registered`. Where it is `disconnected` the run ends `ok` and calls nobody.

    Raises:
        PipelineError: it is not registered, and why.
    """
    session.told.registration = str(session.registration.state)
    state = session.registration.state
    if state in (State.DISCONNECTED, State.UNINSTALLING):
        return False
    if state == State.REGISTERED:
        _compare(session)
        if session.writes:
            _discover(session)
            if (url := endpoint(session, "event")) != session.registration.event_url:
                _keep(session, replace(session.registration, event_url=url))
        return True
    if not session.writes:
        return False
    return register(session)


def register(session: AudienceSession) -> bool:
    """Register now, by one try at most; returns True. Raises as `begin` does."""
    settings = session.settings
    if settings.uuid is not None:  # nothing is ever authenticated, and it is not stored
        _discover(session)
        named = registration.salted(_named(session))
        _keep(session, replace(named, state=State.REGISTERED, registered_at=session.run.now()))
        return True
    _wait_for_turn(session)
    _discover(session)
    _ask(session)
    return True


def endpoint(session: AudienceSession, kind: str) -> str:
    """Return the URL of a call: as the settings write it, else as `discover` told, else the usual one.

    Args:
        kind: auth, data or event.
    """
    settings = session.settings.endpoints
    if kind in settings.model_fields_set:
        return str(getattr(settings, kind))
    return session.registration.endpoints.get(kind) or str(getattr(settings, kind))


def uuid_of(session: AudienceSession) -> str:
    """Return the uuid that every mass and event call carries: as the settings give it, else as it was registered.

    Raises:
        BadSettings: none is known.
    """
    given = session.settings.uuid
    uuid = session.registration.uuid if given is None else given.reveal().strip()
    if not uuid:
        raise BadSettings("the uuid of the registration is not known; set waymore.uuid", system=DESTINATION)
    return uuid


def end(session: AudienceSession) -> None:
    """Note that an endpoint was found to be nobody's, so that the next sync asks `discover` again (3.6)."""
    client = session.made_client()
    if client is not None and client.moved and session.settings.discover and not session.registration.moved:
        _keep(session, replace(registration.read(session.run), moved=True))


def _keep(session: AudienceSession, known: Registration) -> None:
    registration.write(session.run, known)
    session.registration = known
    session.told.registration = str(known.state)


def _named(session: AudienceSession) -> Registration:
    """Return the registration with what the settings name now."""
    return replace(
        session.registration,
        domain=same_site(session.settings.domain),
        source=source_name(session.run.merchant),
        event_url=endpoint(session, "event"),
        refused=0,
        next_try_at=None,
        asked_again=False,
    )


def _compare(session: AudienceSession) -> None:
    """Refuse what would tell one audience of another shop (3.4). Another password changes nothing."""
    known, settings = session.registration, session.settings
    named = {"domain": same_site(settings.domain), "source": source_name(session.run.merchant)}
    for what, now in named.items():
        if (before := getattr(known, what)) is not None and before != now:
            raise BadSettings(_OTHER.format(what=what), system=DESTINATION)
    if settings.uuid is None and not registration.is_username(known, _keys(session)[0]):
        raise BadSettings(_OTHER.format(what="username"), system=DESTINATION)


def _keys(session: AudienceSession) -> tuple[str, str]:
    """Return user name and password, trimmed; without `uuid` the settings have both."""
    given = (session.settings.username, session.settings.password)
    username, password = ("" if one is None else one.reveal().strip() for one in given)
    return username, password


def _wait_for_turn(session: AudienceSession) -> None:
    """Raise where a refused registration is not asked again yet: the gaps grow, other keys end them (3.3)."""
    known = session.registration
    due = known.next_try_at
    if due is None or session.run.now() >= due:
        return
    username, password = _keys(session)
    if not (registration.is_username(known, username) and registration.is_password(known, password)):
        return
    raise BadKey(
        f"WayMore has refused the registration; it is asked again after {due:%Y-%m-%d %H:%M} UTC, at once when "
        "waymore.username or waymore.password changes, or by `vs-st connect`",
        system=DESTINATION,
    )


def _ask(session: AudienceSession) -> None:
    """Ask for the uuid once, and store what came of it before anything else."""
    run, settings = session.run, session.settings
    username, password = _keys(session)
    before = session.registration
    was_asking = before.state == State.ASKING
    asking = registration.hashed(replace(before, state=State.ASKING, asked_at=run.now()), username, password)
    _keep(session, asking)
    failpoint("asking")
    said = {
        "username": username,
        "password": password,
        **{key: value.strip() for key, value in settings.register_as.model_dump().items()},
        "domain": settings.domain.strip(),
    }
    try:
        uuid = session.waymore.authenticate(endpoint(session, "auth"), said)
    except NotSent:  # a try that found no connection does not count
        if not was_asking:
            _keep(session, before)
        raise
    except TryLater:
        raise  # it may have arrived: asked again by the next sync
    except RegisteredBefore:
        if asking.asked_again:
            _refused(session, run.now())
        else:
            _keep(session, replace(asking, asked_again=True))
        raise
    except BadKey:
        _refused(session, run.now())
        raise
    failpoint("answered")
    _keep(
        session,
        replace(
            _named(session),
            state=State.REGISTERED,
            uuid=uuid,
            registered_at=run.now(),
            blocks_done={},
            accepted=False,
            leaving_since=None,
        ),
    )


def _refused(session: AudienceSession, now: datetime) -> None:
    """Store that it is not registered, and when it is asked again: after 1 h, doubling to 24 h."""
    known = session.registration
    gap = min(FIRST_GAP * 2 ** min(known.refused, 10), LONGEST_GAP)
    _keep(
        session,
        replace(known, state=State.NONE, refused=known.refused + 1, next_try_at=now + gap, asked_again=False),
    )


def _discover(session: AudienceSession) -> None:
    """Ask where the calls go, once before registering, and once a sync after one of them was nobody's (3.6)."""
    settings, known = session.settings, session.registration
    if settings.discover is None or (known.endpoints and not known.moved):
        return
    said = {
        "store_uuid": "",
        "store_url": settings.domain,
        "platform": "Custom",
        "plugin_version": settings.register_as.plugin_version,
        "platform_version": settings.register_as.version,
        "user_id": "",
        "email": "",
    }
    try:
        told = session.waymore.discover(settings.discover, said)
    except BadAnswer:
        if known.endpoints:  # those told before stand: an answer that says nothing changes nothing
            return
        raise
    _keep(session, replace(known, endpoints={**known.endpoints, **told}, moved=False))
