"""Worlds of route `notices` under switches of Gupshup and Eshopbox: which, and what must hold.

Each world is the life of one parcel, beside one that was there before: created, on its way, not delivered, answered,
delivered, and sent back. Under every switch nothing is told twice, out of order, or of what was there before, and at
most one answer is acted on; what can be told is told (notices.md 11).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from vs_st_pipeline.sandbox.core.notices_switches import NOTICES_SWITCHES
from vs_st_pipeline_tests.support.notices import ESHOPBOX, GUPSHUP, Record, Scene, number_of, phone_of

Switches = dict[str, dict[str, Any]]
Value = tuple[str, str, Any]

WORLDS = 8
ENABLED = ("created", "packed", "on_the_way", "failed_delivery", "delivered", "return_created", "restocked")
FORWARD = {"created": 10, "packed": 20, "on_the_way": 30, "failed_delivery": 40, "delivered": 50}
BACKWARD = {"return_created": 10, "restocked": 50}
LIFE: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("shipment", ("packed",)),
    ("shipment", ("dispatched", "out_for_delivery")),
    ("shipment", ("failed_delivery",)),
    ("", ("answered",)),
    ("shipment", ("out_for_delivery", "delivered")),
    ("returnShipment", ("created",)),
    ("returnShipment", ("complete",)),
)
"""What becomes of the parcel, step by step."""
NOTHING_GOES: tuple[Value, ...] = (
    (GUPSHUP, "template_list", 404),
    (GUPSHUP, "template_list", "empty"),
    (GUPSHUP, "wallet", "sync_402"),
    (GUPSHUP, "wallet", "async_1003"),
    (ESHOPBOX, "phone_form", "masked"),
)
"""What keeps every message back: nobody knows the template, pays, or knows whom to write. One world ends with each."""
UNHEARD: Collection[Value] = {
    (ESHOPBOX, "hook_style", "dropped"),
    (ESHOPBOX, "hook_style", "delayed"),
    (ESHOPBOX, "hook_style", "unknown_subtype"),
    (ESHOPBOX, "hook_style", "no_resource"),
    (ESHOPBOX, "hook_headers", "missing"),
}
"""What keeps hooks from telling a status, where no read shows one."""
SLOW: Collection[Value] = {
    (GUPSHUP, "rate_limit", "429"),
    (GUPSHUP, "rate_limit", "async_4001"),
    (GUPSHUP, "send_answer", "no_id"),
}
"""What may hold one message up until the parcel has gone on."""
NO_ACTION: Collection[Value] = {
    (ESHOPBOX, "tracking_key", "none"),
    (ESHOPBOX, "ndr_answer", "200_error"),
    (GUPSHUP, "reply_type", "text"),  # a typed title counts with its context alone
}
UNTRACKED: frozenset[Value] = frozenset(
    {(ESHOPBOX, "status_in_detail", "tracking_only"), (ESHOPBOX, "tracking_key", "none")}
)
"""What together hides every status."""
NEEDS: Mapping[Value, tuple[str, Record]] = {
    (GUPSHUP, "number_form", "plus"): ("account", {"number_form": "plus"}),
    (ESHOPBOX, "clock_zone", "UTC"): (ESHOPBOX, {"time_zone": "UTC"}),
    (ESHOPBOX, "deferred_date", "dd-mm-yyyy"): (ESHOPBOX, {"deferred_date_format": "dd-mm-yyyy"}),
    (ESHOPBOX, "action_source", "refused"): (ESHOPBOX, {"action_source": "none"}),
}
"""What the settings have to say at a value."""
TROUBLES: Mapping[Value, Collection[str]] = {
    (GUPSHUP, "template_list", 404): ("bad_answer", "try_later", "config"),
    (GUPSHUP, "template_list", "empty"): ("bad_answer",),
    (GUPSHUP, "wallet", "sync_402"): ("config",),
    (GUPSHUP, "wallet", "async_1003"): ("config",),
    (GUPSHUP, "rate_limit", "429"): ("try_later",),
    (GUPSHUP, "rate_limit", "async_4001"): ("try_later",),
}
"""With which errors a sync may end at a value."""
SWITCHES: Switches = {
    system: {name: values for name, values in switches.items() if len(values) > 1 and name != "auto_callbacks"}
    for system, switches in NOTICES_SWITCHES.items()
}


def every_value() -> Iterator[Value]:
    """All values of all switches."""
    for system, switches in SWITCHES.items():
        for name, values in switches.items():
            for value in values:
                yield system, name, value


def covering() -> list[tuple[Switches, Value | None]]:
    """Few worlds in which every value of every switch is at least once, and what keeps all back in the end (R50)."""
    worlds: list[tuple[Switches, Value | None]] = []
    for world in range(WORLDS):
        switches = {system: dict(_of_world(system, world)) for system in SWITCHES}
        if switches[ESHOPBOX]["opt_in_flag"] == "absent":  # then Gupshup must say who may be written
            switches[GUPSHUP] |= {"users_list": "works", "user_events": "sent"}
        worlds.append((switches, NOTHING_GOES[world] if world < len(NOTHING_GOES) else None))
    return worlds


def _of_world(system: str, world: int) -> Iterator[tuple[str, Any]]:
    for turn, (name, values) in enumerate(SWITCHES[system].items()):
        going = [one for one in values if (system, name, one) not in NOTHING_GOES]
        yield name, going[(world + turn) % len(going)]


def values_of(switches: Switches, last: Value | None = None) -> set[Value]:
    """The values that a world has."""
    found = {(system, name, value) for system, chosen in switches.items() for name, value in chosen.items()}
    return found | ({last} if last is not None else set())


def meet(scene: Scene, switches: Switches, last: Value | None = None) -> list[str]:
    """Live a parcel's life under these switches; what is wrong in the end.

    Args:
        last: what is so from then on, and keeps back all that would be told of another parcel.
    """
    scene.begin_alone()
    values = values_of(switches)
    old = scene.order(number="OLD", phone="+919740099999")
    for status in ("packed", "out_for_delivery", "failed_delivery"):
        scene.advance(old, status, hook=False)
    for system, chosen in switches.items():
        scene.box.running[system].control.set_switches(chosen)
    scene.settings(lambda entry: _suit(entry, values), enabled=ENABLED, cap={"messages": 50})
    scene.sync()
    scene.later(minutes=2)
    order = scene.order(number="NEW")
    scene.gupshup.opt_in(phone_of(order), scene.account)
    scene.callbacks()
    _go_on(scene, order)
    answered = False
    for resource, statuses in LIFE:
        if statuses == ("answered",):
            answered = _answer(scene, order)
        for status in statuses if resource else ():
            more = {} if resource == "shipment" else {"shipment": "R1"}
            scene.advance(order, status, resource=resource, **more)
        _go_on(scene, order)
    _go_on(scene, order)  # what had to wait goes now
    found = list(judged(scene, order, values, answered))
    if last is not None:
        found += _kept_back(scene, last)
    return [*scene.wrong(), *found, *_troubles(scene, values | ({last} if last else set()))]


def _kept_back(scene: Scene, last: Value) -> Iterator[str]:
    """Let a value keep all back, and another delivery fail; yield what was told all the same."""
    system, name, value = last
    before = len(scene.sends())
    scene.box.running[system].control.set_switch(name, value)
    order = scene.order(number="LAST")
    scene.gupshup.opt_in(phone_of(order), scene.account)
    scene.advance(order, "out_for_delivery")
    scene.advance(order, "failed_delivery")
    _go_on(scene, order)
    if [one for one in scene.sends()[before:] if one["fails"] is None]:
        yield f"told though nothing may go: {last}"


def _suit(entry: Record, values: Collection[Value]) -> None:
    for value, (where, more) in NEEDS.items():
        if value in values:
            part = entry["notices"]["accounts"][0] if where == "account" else entry[where]
            part |= more


def _go_on(scene: Scene, order: Record) -> None:
    """Let hooks and callbacks come, and a sync run; time goes by, so that nothing waits for another's receipt."""
    scene.hook(order)
    scene.sync()
    scene.callbacks()
    scene.later(minutes=20)


def _answer(scene: Scene, order: Record) -> bool:
    """Tap the first button, if there is a message that has one."""
    asked = any(one["template"].endswith("failed_delivery") for one in scene.sends(to=phone_of(order)))
    if asked:
        scene.reply(phone_of(order), "button", button="Reattempt delivery")
    return asked


def judged(scene: Scene, order: Record, values: Collection[Value], answered: bool) -> Iterator[str]:
    """What was told and done, against what may be and must be."""
    statuses = [one["template"].partition("-")[2] for one in scene.sends(to=phone_of(order))]
    for status, count in Counter(statuses).items():
        if count > 1:
            yield f"told {count} times: {status}"
    for ranks in (FORWARD, BACKWARD):
        way = [ranks[one] for one in statuses if one in ranks]
        if way != sorted(way):
            yield f"out of order: {statuses}"
    others = [one for one in scene.sends() if one["destination"] != phone_of(order).removeprefix("+")]
    yield from (f"told of what was there before: {one['template']}" for one in others)
    done = [one for one in scene.resolutions() if one["did"] == "submitted"]
    if len(done) > 1 or any(one["body"]["customerOrderNumber"] != number_of(order) for one in done):
        yield f"acted on: {len(done)} times"
    values = set(values)
    missing = must_be_told(values) - set(statuses)
    if len(missing) > (1 if values & set(SLOW) else 0):
        yield f"never told: {sorted(missing)}"
    if answered and not values & {*NO_ACTION, *UNTRACKED} and len(done) != 1:
        yield "the answer was not acted on"


def _troubles(scene: Scene, values: Collection[Value]) -> Iterator[str]:
    allowed = {kind for value in values for kind in TROUBLES.get(value, ())}
    for kind, system in sorted(
        {(one["error"]["kind"], one["error"]["system"]) for one in scene.reports if one["error"]}
    ):
        if kind not in allowed:
            yield f"a sync ended with {kind} of {system}"


def must_be_told(values: Collection[Value]) -> set[str]:
    """Which statuses can be told for sure."""
    told, values = set(ENABLED), set(values)
    unread = (ESHOPBOX, "status_in_detail", "none") in values
    if values & {(ESHOPBOX, "return_items", "mixed"), (ESHOPBOX, "return_items", "absent")}:
        told -= {"restocked"}
    if unread and values & set(UNHEARD) or values >= UNTRACKED:
        told &= {"created"}
    if unread:  # a hook is received when a parcel has gone on already, and does not say what became of the items
        told -= {"restocked"}
    return told
