"""Tells people when a merchant, or what takes webhooks, gets into trouble and out of it: once, to every address.

Data flow: `Fleet` + what was told before (`alerts.json`) -> news -> `notifier` -> `alerts.json`.

What was told is written after each message and before the next one is sent, so a crash repeats one message at most and
loses none; what could not be sent is sent next time. Every address has its own memory, so that an address that is down
neither delays another nor makes it receive things twice, and a new address begins with the merchants in trouble now.

Trouble is an episode: each kind of it is told once, until a good sync ends it. A merchant between the two (`retrying`,
or not synced yet) is neither in trouble nor well.

Addresses are in the environment and not in the merchants file, because a merchants file that cannot be read is the
first thing that has to be told.

It is long because what is new, its words and its sending share what an address was told before.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.formats import humanize
from vs_st_pipeline.operations.fleet import advice, health, inbox_troubles
from vs_st_pipeline.operations.fleet.alert_state import AlertState, read_addresses
from vs_st_pipeline.operations.fleet.health import (
    AT_REST,
    BROKEN,
    FINE,
    LATE,
    NEW,
    OPEN,
    REFUSED,
    TROUBLE,
    Fleet,
    MerchantHealth,
)
from vs_st_pipeline.operations.fleet.notifier import Notifier, UnknownAddress
from vs_st_pipeline.platform.crash_reports import describe as told_fault
from vs_st_pipeline.platform.locks import Timeout, file_lock
from vs_st_pipeline.platform.own_folder import make_own_folder
from vs_st_pipeline.platform.settings.environment import alert_addresses, data_dir
from vs_st_pipeline.platform.settings.secrets import Secret

THE_FILE = "(the merchants file)"
MOST_APART = 10  # more news than this at once go into one message: the cause is then not the merchants', but a vendor's
MOST_NAMED = 20
SECONDS = 20.0  # for all messages to one address; a run waits this long at most
MEMORY = "alerts.json"


@dataclass(frozen=True, slots=True)
class Alert:
    """What an address is told about a merchant's route.

    Attributes:
        trouble: in words, such as `failing (auth)`; None: the merchant is well again, or is no longer reported on.
        title, body: `""` where there is nothing to say.
    """

    merchant: str
    trouble: str | None
    title: str = ""
    body: str = ""


@dataclass(slots=True)
class DeliveryResult:
    """The result of sending alerts.

    Attributes:
        sent: number of messages that a service took.
        failed: number of addresses that did not take everything; the rest is sent next time.
        problem: why, in one sentence without any address's URL; `""` where all is well.
    """

    sent: int = 0
    failed: int = 0
    problem: str = ""


def send_alerts(
    environ: Mapping[str, str], look: Callable[[], Fleet] | None = None, *, seconds: float = SECONDS
) -> DeliveryResult:
    """Tell every address what is new; never raises, and takes no longer than `seconds`.

    Args:
        look: returns the current state of all merchants; called only where there is an address to tell.
        seconds: for all messages to one address; addresses are told in parallel.
    """
    try:
        known = alert_addresses(environ)
        found = (look() if look else health.fleet_health(environ)) if known.urls else None
        told = _tell_all(data_dir(environ), known.urls, known.references, found, seconds) if found else DeliveryResult()
        if known.problems:  # the other addresses are told in any case
            told.failed += len(known.problems)
            told.problem = "; ".join(
                ["some alerts are not sent", *known.problems, *[told.problem] * bool(told.problem)]
            )
        return told
    except PipelineError as error:
        return DeliveryResult(failed=1, problem=f"alerts are not sent: {error.message}")
    except Timeout:
        return DeliveryResult(problem="another process is sending alerts")
    except OSError as error:
        return DeliveryResult(failed=1, problem=f"alerts are not sent: {error.strerror or type(error).__name__}")
    except Exception as error:  # no error here may fail a sync
        return DeliveryResult(failed=1, problem=f"alerts are not sent: {told_fault(error)}")


def try_addresses(urls: Mapping[str, Secret], *, seconds: float = SECONDS) -> dict[str, str]:
    """Send a test message to every address; return address -> what went wrong, `""` where nothing did.

    Args:
        urls: by reference, as `alert_addresses` returns them.
    """
    body = (
        "This is a test: alerts of vs-st arrive here.\nYou will hear of a winery in trouble, and when it is well again."
    )
    return {
        name: _sent(url, lambda notifier: notifier.send("vs-st: a test message", body, bad=False), seconds)
        for name, url in urls.items()
    }


def _sent(url: Secret, send: Callable[[Notifier], bool], seconds: float) -> str:
    """Send the messages and return what went wrong, `""` where nothing did."""
    try:
        with Notifier(url.reveal(), seconds) as notifier:
            return "" if send(notifier) else "the service did not take it; see whether the URL is right and it is up"
    except UnknownAddress:
        return "what stands there is no URL that apprise knows; its forms are at https://github.com/caronc/apprise"


# --- what is new --------------------------------------------------------------------------------------------------


def news(found: Fleet, told: Mapping[str, list[str]]) -> list[Alert]:
    """Return what is new about which merchant, the worst first, given what was told before."""
    return [*_of_webhooks(found, told), *_of_merchants(found, told), *_of_troubles(found, told)]


def _of_webhooks(found: Fleet, told: Mapping[str, list[str]]) -> list[Alert]:
    """Return what is new about receiver, worker and inbox."""
    if found.concerns is None:  # nothing is known of them now
        return []
    new, known = [], {one.key for one in found.concerns}
    for one in found.concerns:
        before = told.get(one.key, [])
        if one.trouble and one.trouble not in before:
            new.append(Alert(one.key, one.trouble, one.title, one.says))
        elif before and one.trouble is None:
            new.append(Alert(one.key, None, one.title, f"It was: {', '.join(before)}. {one.says}".rstrip()))
    for key in sorted(key for key in told if inbox_troubles.ends_unseen(key) and key not in known):
        over = inbox_troubles.Concern(key, None)
        new.append(Alert(key, None, over.title, f"It was: {', '.join(told[key])}. It is over."))
    return new


def _of_merchants(found: Fleet, told: Mapping[str, list[str]]) -> list[Alert]:
    if found.unreadable is not None:  # nothing is known of any merchant
        if BROKEN in told.get(THE_FILE, ()):
            return []
        body = f"Nobody is synced: {found.unreadable.message}\nWhat to do: {advice.WHAT_TO_DO['config']}"
        return [Alert(THE_FILE, BROKEN, "The merchants file cannot be used", body)]
    new = []
    if THE_FILE in told:
        new.append(Alert(THE_FILE, None, "The merchants file can be used again", found.sentence()))
    for one in found.worst_first:
        before = told.get(one.label, [])
        if one.state in TROUBLE:
            trouble = one.state if one.state == LATE else one.in_words  # late stays late, whatever the error is today
            if trouble not in before:
                new.append(Alert(one.label, trouble, f"{_name(one)}: {one.in_words}", _trouble(one)))
        elif before and one.state in AT_REST:
            new.append(Alert(one.label, None))  # a person disabled it, and knows
        elif before and (one.state in (FINE, OPEN, REFUSED) or (one.state == NEW and before == [BROKEN])):
            new.append(Alert(one.label, None, f"{_name(one)}: well again", _recovery(one, before)))
    others = {key for key in told if inbox_troubles.is_key(key) or key.startswith(_OF)}
    gone = told.keys() - others - {one.label for one in found.stands} - {THE_FILE}
    return [*new, *(Alert(merchant, None) for merchant in sorted(gone))]


_OF = "(of "


def _of_troubles(found: Fleet, told: Mapping[str, list[str]]) -> list[Alert]:
    """Return what is new of what routes tell besides how their runs end: what stands, and each thing that happened."""
    if found.unreadable is not None:
        return []
    known: dict[str, MerchantHealth] = {}
    new = []
    for one in found.stands:
        for trouble in () if one.state in AT_REST else one.troubles:
            key = f"{_OF}{one.label}) {trouble.key}{f' #{trouble.occurrence}' if trouble.occurrence else ''}"
            known[key] = one
            if key not in told:
                what = trouble.key if trouble.key != one.route else "somebody has to look"
                new.append(Alert(key, trouble.key, f"{_name(one)}: {what}", trouble.says))
    names = {one.label: one for one in found.stands if one.state not in AT_REST}
    for key in sorted(key for key in told if key.startswith(_OF) and key not in known):
        label, _, what = key.removeprefix(_OF).partition(") ")
        over = "#" not in what and label in names  # what happened is never over, and a person who stopped it knows
        title = f"{_name(names[label])}: no longer {what}" if over else ""
        new.append(Alert(key, None, title, f"{label} was: {what}. It is over." if over else ""))
    return new


def in_words(about: str) -> str:
    """Return what an address was told about, for people: a merchant's route, and what of it if not how its runs end."""
    if not about.startswith(_OF):
        return about
    label, _, what = about.removeprefix(_OF).partition(") ")
    what, happened, which = what.partition(" #")
    if not happened:
        return f"{label}: {what}"
    try:
        at = f"{datetime.fromisoformat(which):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return f"{label}: {what} ({which})"
    return f"{label}: somebody has to look ({at})"


def _name(one: MerchantHealth) -> str:
    return health.label(one.name or one.merchant, one.route)


def _trouble(one: MerchantHealth) -> str:
    good = f"{one.last_good_sync_at:%Y-%m-%d %H:%M} UTC" if one.last_good_sync_at else "never"
    age = f" ({humanize(one.age)} ago)" if one.age is not None else ""
    lines = [f"{one.label}: {health.STATES[one.state]}.", f"{one.says}", f"What to do: {one.do}"]
    return "\n".join(lines if one.state == BROKEN else [*lines, f"Last good sync: {good}{age}."])


def _recovery(one: MerchantHealth, before: list[str]) -> str:
    lines = [f"{one.label} was: {', '.join(before)}. Now: {one.in_words}."]
    return "\n".join([*lines, f"{one.says}. {one.do}"] if one.says else lines)


def _summed_up(new: list[Alert], found: Fleet) -> Alert:
    """Return one message about many merchants."""
    bad, well = [one for one in new if one.trouble], [one for one in new if not one.trouble]
    counts = [f"{len(bad)} in trouble"] * bool(bad) + [f"{len(well)} well again"] * bool(well)
    lines = [found.sentence(), "", *(one.title for one in new[:MOST_NAMED])]
    lines += [f"and {len(new) - MOST_NAMED} more"] * (len(new) > MOST_NAMED)
    lines += ["", "What to do: if most have the same, look at what they share: a vendor that is down, our own network."]
    lines += ["fleet/health in Dagster, or `vs-st merchants`, says it for each."]
    return Alert("", "many" if bad else None, f"vs-st: {', '.join(counts)}", "\n".join(lines))


# --- sending ------------------------------------------------------------------------------------------------------


def _tell_all(
    folder: Path, urls: Mapping[str, Secret], names: Collection[str], found: Fleet, seconds: float
) -> DeliveryResult:
    make_own_folder(folder)
    with file_lock(folder / "alerts.lock", timeout=0):
        memory = AlertState(folder / MEMORY, names)
        with ThreadPoolExecutor(max_workers=len(urls)) as pool:
            told = list(pool.map(lambda name: _tell_one(memory, name, urls[name], found, seconds), urls))
        memory.keep()
    problems = [f"{name}: {one.problem}" for name, one in zip(urls, told, strict=True) if one.problem]
    return DeliveryResult(sum(one.sent for one in told), len(problems), "; ".join(problems))


def _tell_one(memory: AlertState, name: str, url: Secret, found: Fleet, seconds: float) -> DeliveryResult:
    new, done = news(found, memory.of(name)), DeliveryResult()
    if silent := [one for one in new if not one.title]:
        memory.remember(name, _told(silent))
    new = [one for one in new if one.title]
    if not new:
        return done
    messages = [(one, [one]) for one in new] if len(new) <= MOST_APART else [(_summed_up(new, found), new)]

    def send(notifier: Notifier) -> bool:
        for message, about in messages:
            if notifier.send(message.title, message.body, bad=message.trouble is not None):
                memory.remember(name, _told(about))
                done.sent += 1
        return done.sent == len(messages)

    done.problem = _sent(url, send, seconds)
    return done


def _told(about: list[Alert]) -> Iterator[tuple[str, str | None]]:
    return ((one.merchant, one.trouble) for one in about)


@dataclass(frozen=True, slots=True)
class Pending:
    """What an address was told, and what comes next.

    Attributes:
        told: merchants that it was told are in trouble.
        next: what it will be told next.
        here: this process's environment names the address; if False, another's does, and `next` is not known here.
    """

    address: str
    told: list[str]
    next: list[Alert]
    here: bool = True


def pending(environ: Mapping[str, str], found: Fleet) -> Iterator[Pending]:
    """Return per address what it was told and will be told next; addresses known only to other processes come last."""
    remembered, known = read_addresses(data_dir(environ) / MEMORY), alert_addresses(environ)
    for name in known.urls:
        told = remembered[name].told if name in remembered else {}
        yield Pending(name, sorted(told), [one for one in news(found, told) if one.title])
    for name in sorted(remembered.keys() - known.references):
        yield Pending(name, sorted(remembered[name].told), [], here=False)
