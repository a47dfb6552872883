"""Defines `vs-st webhooks`: registers, lists, tests, rotates and removes the webhooks by which systems call us.

It is long because each command says what it takes, and what it does to whom.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vs_st_pipeline.cli.chosen import Chosen, choose
from vs_st_pipeline.cli.help import Sections
from vs_st_pipeline.cli.layout import headed
from vs_st_pipeline.cli.options import json_option, merchant_options
from vs_st_pipeline.cli.output import is_terminal, say, say_exactly, say_json, tell
from vs_st_pipeline.cli.privacy import confirm
from vs_st_pipeline.cli.sync import JOBS, clock, make_run
from vs_st_pipeline.cli.whole_numbers import WholeNumber
from vs_st_pipeline.domain.report import OK
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.settings.environment import data_dir, settings_path
from vs_st_pipeline.platform.settings.merchants import Merchant, file_of_entry, more_files

if TYPE_CHECKING:
    from vs_st_pipeline.operations.webhooks.entry import Entry
    from vs_st_pipeline.operations.webhooks.site import Site
    from vs_st_pipeline.platform.settings.shared import SharedAccount

F = TypeVar("F", bound=Callable[..., Any])


@click.group(cls=Sections, short_help="Register, list, test, rotate and remove webhooks.")
def webhooks() -> None:
    """Register, list, test, rotate and remove the webhooks by which the systems call us."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """Whom a command is about, and how it is done; every command is given this first."""

    ids: tuple[str, ...]
    more_ids: tuple[str, ...]
    every: bool
    jobs: int
    as_json: bool

    def chosen(self) -> list[Chosen]:
        return choose(self.ids, self.more_ids, self.every)


def _common(command: Callable[..., None]) -> Callable[..., None]:
    @wraps(command)
    def run(
        ids: tuple[str, ...], more_ids: tuple[str, ...], every: bool, jobs: int, as_json: bool, **more: Any
    ) -> None:
        command(_Asked(ids, more_ids, every, jobs, as_json), **more)

    jobs = click.option("--jobs", type=WholeNumber(1, 256), default=JOBS, show_default=True, help="Merchants at once.")
    return jobs(merchant_options(json_option(run)))


def _moved_from(command: F) -> F:
    says = "An earlier VS_ST_PUBLIC_URL: what is registered there is ours, too."
    return click.option("--moved-from", "moved_from", multiple=True, metavar="URL", help=says)(command)


def _known_systems(context: click.Context, option: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    from vs_st_pipeline.connectors import CONNECTORS

    known = [one.name for one in CONNECTORS if one.hooks is not None]
    if unknown := [name for name in names if name not in known]:
        raise click.UsageError(f"there is no system '{unknown[0]}' that calls us; there are {', '.join(known)}")
    return names


def _system_option(says: str) -> Callable[[F], F]:
    return click.option("--system", "systems", multiple=True, metavar="NAME", callback=_known_systems, help=says)


@webhooks.command(short_help="Register what is missing, and put right what is changed.")
@_common
@_moved_from
@_system_option("Only at this system.")
@click.option("--url", metavar="URL", help="Where the world reaches `vs-st receive`, in place of VS_ST_PUBLIC_URL.")
@click.option("--again", is_flag=True, help="Also what was registered before, where the system cannot be asked.")
def register(
    asked: _Asked,
    moved_from: tuple[str, ...],
    systems: tuple[str, ...],
    url: str | None,
    again: bool,
) -> None:
    """Register what is missing, put right what is changed, and remove what is ours and too many.

    Needs VS_ST_PUBLIC_URL and VS_ST_HOOK_SECRET. What others have registered is never touched.
    """
    from vs_st_pipeline.operations.webhooks import registering, testing

    site = _site(moved_from, url)
    inbox = _inbox()

    def one(run: Run) -> Entry:
        def ready(system: str) -> bool:
            return testing.wait_until_taken(site, run.merchant, system, inbox, os.environ)

        return registering.register(run, site, systems, ready=ready, again=again)

    _end(_for_each(asked.chosen(), asked.jobs, one), asked.as_json)


def _account_option(says: str) -> Callable[[F], F]:
    return click.option("--account", "accounts", multiple=True, metavar="ID", help=says)


@webhooks.command("list", short_help="List our webhooks as they are registered.")
@_common
@_moved_from
@_account_option("The URL of this account, which several merchants share, in place of merchants.")
@click.option("--show-urls", is_flag=True, help="Show the whole URLs: who has one can send us hints.")
@click.option("--yes", is_flag=True, help="Show them also where no person is looking.")
def list_(
    asked: _Asked,
    moved_from: tuple[str, ...],
    accounts: tuple[str, ...],
    show_urls: bool,
    yes: bool,
) -> None:
    """List our webhooks as they are registered; changes nothing. Exit 1 only if something could not be listed."""
    from vs_st_pipeline.operations.webhooks import registering
    from vs_st_pipeline.operations.webhooks.compare import State

    if show_urls and not (yes or is_terminal(sys.stdout)):
        raise click.UsageError("--show-urls shows what is secret, and stdout is no terminal: say --yes")
    site = _site(moved_from)
    if accounts:
        from vs_st_pipeline.operations.webhooks import accounts as shared

        inbox, folder = _inbox(), data_dir(os.environ)
        found = [shared.look(one, site, folder, inbox, show=show_urls) for one in _shared(asked, accounts)]
        _print(found, asked.as_json, show_urls=show_urls)
        return

    def one(run: Run) -> Entry:
        entry = registering.look(run, site)
        if show_urls:
            registering.note_shown(run, site)
        return entry

    entries = _for_each(asked.chosen(), asked.jobs, one)
    _print(entries, asked.as_json, show_urls=show_urls)
    could = all(
        not entry.errors and not any(row.state is State.NOT_ENABLED for row in entry.hooks) for entry in entries
    )
    sys.exit(0 if could else 1)


@webhooks.command(short_help="Post to our own URLs, and look whether it is stored.")
@_common
@_system_option("Also this system's URL, whatever was seen: somebody may have registered it by hand.")
def test(
    asked: _Asked,
    systems: tuple[str, ...],
) -> None:
    """Post to our own URLs that were last seen registered, and look whether the call is stored. Calls no vendor."""
    from vs_st_pipeline.operations.webhooks import testing

    site = _site()
    inbox = _inbox()
    chosen = asked.chosen()
    tested = _for_each(chosen, asked.jobs, lambda run: testing.post_tests(run, site, inbox, os.environ, also=systems))
    _end(tested, asked.as_json)


@webhooks.command(short_help="Remove our webhooks.")
@_common
@_moved_from
@_system_option("Only at this system.")
@click.option("--id", "hook_id", metavar="ID", help="This one alone, whosever it is; asks first.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(
    asked: _Asked,
    moved_from: tuple[str, ...],
    systems: tuple[str, ...],
    hook_id: str | None,
    yes: bool,
) -> None:
    """Remove our webhooks at all systems; with --id one webhook, also if it is not ours."""
    from vs_st_pipeline.operations.webhooks import registering

    site = _site(moved_from)
    chosen = asked.chosen()
    if hook_id is None:
        return _end(_for_each(chosen, asked.jobs, lambda run: registering.remove(run, site, systems)), asked.as_json)
    if not hook_id.strip():
        raise click.UsageError("--id is empty: name a webhook, as `vs-st webhooks list` shows it")
    if asked.every or len(chosen) != 1:
        raise click.UsageError("--id is about one merchant: name it with --merchant ID")
    confirm(f"{chosen[0].merchant_id}: the webhook {hook_id} will be removed, whosever it is", yes)
    return _end(_for_each(chosen, 1, lambda run: registering.remove_one(run, site, hook_id, systems)), asked.as_json)


@webhooks.command(short_help="Give hook URLs new tokens.")
@_common
@_system_option("Only this system's token.")
@_account_option("The token of this account, which several merchants share, in place of merchants.")
@click.option("--now", "at_once", is_flag=True, help="Take the older token no more, not even for a day.")
def rotate(
    asked: _Asked,
    systems: tuple[str, ...],
    accounts: tuple[str, ...],
    at_once: bool,
) -> None:
    """Give hook URLs new tokens: counts up the generation, registers the new URLs, and removes the older ones.

    Only files that vs-st wrote are changed. Of other merchants it prints the lines to paste; then rotate again.
    """
    from vs_st_pipeline.operations.webhooks import rotating, testing

    site = _site()
    inbox = _inbox()
    path = settings_path(os.environ)
    if accounts:
        from vs_st_pipeline.operations.webhooks import accounts as shared

        now, folder = datetime.now(UTC), data_dir(os.environ)
        found = [shared.rotate(one, site, folder, inbox, at_once=at_once, now=now) for one in _shared(asked, accounts)]
        _end(found, asked.as_json)
        return

    def ready(run: Run, system: str) -> bool:
        return testing.wait_until_taken(site, run.merchant, system, inbox, os.environ)

    def one(run: Run) -> Entry:
        return rotating.rotate(run, site, path, os.environ, systems=systems, at_once=at_once, ready=ready)

    _end(_for_each(asked.chosen(), asked.jobs, one), asked.as_json)


@webhooks.command(short_help="Make a secret for VS_ST_HOOK_SECRET in a new file.")
@click.argument("path", type=click.Path(path_type=Path))
def secret(path: Path) -> None:
    """Make a secret for VS_ST_HOOK_SECRET in a new file at PATH, which its owner alone can read."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise click.UsageError(
            "there is a file at PATH already, and a secret is never written over one: name another"
        ) from None
    except OSError as error:
        raise click.UsageError(f"PATH cannot be written: {error.strerror}; name one in a folder of yours") from None
    with open(handle, "w", encoding="ascii") as file:
        os.fchmod(handle, 0o600)
        file.write(secrets.token_urlsafe(48) + "\n")
        file.flush()
        os.fsync(handle)
    say(f"made; set VS_ST_HOOK_SECRET=file:{path.absolute()}")


# --- what they share ---


def _shared(asked: _Asked, accounts: tuple[str, ...]) -> list[SharedAccount]:
    """Return the accounts that a command is about.

    Raises:
        click.UsageError: merchants are named too, or there is no such account.
    """
    from vs_st_pipeline.operations.settings import read_merchants
    from vs_st_pipeline.operations.webhooks.accounts import find

    if asked.every or asked.ids or asked.more_ids:
        raise click.UsageError("--account is in place of merchants: leave --merchant and --all out")
    file = read_merchants(settings_path(os.environ), os.environ, secrets=False, all_bad=True)
    try:
        return find(file, accounts)
    except LookupError as error:
        raise click.UsageError(str(error.args[0])) from None


def _site(moved_from: tuple[str, ...] = (), url: str | None = None) -> Site:
    from vs_st_pipeline.operations.webhooks.site import site_of
    from vs_st_pipeline.platform.settings.public_url import PUBLIC_URL

    return site_of({**os.environ, PUBLIC_URL: url} if url is not None else os.environ, moved_from)


def _inbox() -> Any:
    from vs_st_pipeline.platform.inbox.store import Inbox

    return Inbox(data_dir(os.environ))


def _for_each(chosen: list[Chosen], jobs: int, work: Callable[[Run], Entry]) -> list[Entry]:
    """Work on many merchants at once; one merchant's trouble is its own."""
    from vs_st_pipeline.domain.errors import Internal, PipelineError
    from vs_st_pipeline.operations.webhooks.entry import Entry
    from vs_st_pipeline.platform.crash_reports import describe

    clock()  # finds a VS_ST_NOW that is not a time before anything is called

    def one(each: Chosen) -> Entry:
        if each.merchant is None:
            assert each.fault is not None
            return Entry(each.merchant_id, {"": each.fault})
        try:
            return work(make_run(_as_now(each.merchant)))
        except PipelineError as error:
            return Entry(each.merchant_id, {"": error})
        except Exception as error:
            return Entry(each.merchant_id, {"": Internal(describe(error))})

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        return list(pool.map(one, chosen))


def _as_now(merchant: Merchant) -> Merchant:
    """Return a merchant as its own file says when its turn comes: of thousands that may be an hour after the start.

    By an older generation the URLs of a rotation that was made meanwhile would be foreign, and the older ones missing.
    """
    from vs_st_pipeline.operations.settings import read_draft

    path = settings_path(os.environ)
    own = more_files(path).absolute() / f"{merchant.id}.yaml"
    if not own.is_file() or file_of_entry(path, merchant.id) != own:
        return merchant
    try:
        text = own.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return merchant
    found = read_draft(path, os.environ, own, text, all_secrets=True)
    return next((one for one in found if one.id == merchant.id), merchant)


def _end(entries: list[Entry], as_json: bool) -> None:
    _print(entries, as_json)
    sys.exit(0 if all(entry.status == OK for entry in entries) else 1)


def _print(entries: list[Entry], as_json: bool, *, show_urls: bool = False) -> None:
    if as_json:
        say_json({"merchants": [entry.as_json(show_urls=show_urls) for entry in entries]})
        for entry in entries:
            tell(*(f"{entry.merchant}: {sentence}" for sentence in entry.says))
        return
    for entry in entries:
        say(*headed(entry.lines(show_urls=show_urls)))
        say_exactly(*(f"    {line}" for line in entry.paste))
