"""Says what people are told of besides how runs end (audience.md 9, "Alerts").

An uninstall that was given up; a sync in which ten or more were refused and nothing was accepted; dead letters; and
unsubscribes that the brake holds. It names counts and what to do, and nobody's data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from vs_st_pipeline.domain.report import Trouble
from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience.words import Event

if TYPE_CHECKING:
    from vs_st_pipeline.routes.audience.session import AudienceSession

MANY_REFUSALS: Final = 10
ALERTS: Final = {
    "uninstall": "WayMore could not be told for 7 days that the shop leaves. Ask Routee to remove the shop there.",
    "refused": (
        f"A sync had {MANY_REFUSALS} or more refused and nothing accepted. See `vs-st why --route audience` of one, "
        "then dates, block_names and extras in the settings."
    ),
    "dead": (
        "Something was refused for 30 days and is not tried any more. Put it right and run `vs-st retry --route "
        "audience`, or give it up with --drop."
    ),
    "unsubscribes": "The brake holds unsubscribes. See whether the source is whole, then sync with --allow-unsafe.",
}
"""What people are told of besides how runs end, by the word that a message begins with."""
_DEAD: Final = """select (select count(*) from synced.audience_outbox where state = 'dead')
                       + (select count(*) from synced.audience_late where dead)"""


def look(session: AudienceSession) -> None:
    """Fill in what the report has to tell people besides; a dry run, and one for a few hints, tell nobody."""
    if session.run.dry_run or session.run.trigger == "hint":
        return
    with session.run.open() as db:
        dead, held = int(db.value(_DEAD)), _held_by_brake(session, db)
    told, found = session.told, list[Trouble]()
    if session.registration.left_untold:
        found.append(
            Trouble(
                "uninstall",
                "WayMore could not be told of the uninstall for 7 days; it was given up, and the registration removed "
                "here. Ask Routee to remove the shop there.",
            )
        )
    if told.rejected >= MANY_REFUSALS and not told.accepted:
        found.append(
            Trouble(
                "refused",
                f"WayMore refused {told.rejected} and accepted nothing: are dates, block_names and extras right for "
                "this account? `vs-st why` shows one of them.",
            )
        )
    if dead:
        found.append(
            Trouble(
                "dead",
                f"{dead} were refused for 30 days and are not tried any more. `vs-st why --route audience` shows one; "
                "put it right and run `vs-st retry --route audience`, or give it up with --drop.",
            )
        )
    if held:
        found.append(
            Trouble(
                "unsubscribes",
                f"the brake holds {held} unsubscribes: see whether the source is whole, then sync with --allow-unsafe.",
            )
        )
    told.troubles = found


def _held_by_brake(session: AudienceSession, db: Db) -> int:
    if session.refused is None:
        return 0
    return int(
        db.value(
            "select count(*) from planned.audience_news where event = ? and about->>'subscription' = 'false'",
            [str(Event.NEWSLETTER)],
        )
    )
