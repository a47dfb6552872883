"""Shows templates to people: whether each fits, and how a message would read (notices.md 9).

Data flow: the account's list, read now; the settings -> verdicts and previews. Nothing is sent or claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount, TemplateParam, TemplateSettings
from vs_st_pipeline.connectors.gupshup.variables import NAMES
from vs_st_pipeline.domain.errors import BadArguments, BadSettings
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.routes.notices import accounts_seen, explain, listing, rendering, status_map, template_fit
from vs_st_pipeline.routes.notices.account import pauses
from vs_st_pipeline.routes.notices.session import NoticesSession
from vs_st_pipeline.routes.notices.settings import NoticesSettings
from vs_st_pipeline.routes.notices.systems import GUPSHUP
from vs_st_pipeline.routes.notices.template_fit import Template

Record = dict[str, Any]
MOST_NAMED: Final = 12
NO_ACCOUNT: Final = "no Gupshup account is installed: install the Gupshup app, and write it under notices.accounts"


def check_names(
    run: Run, notification: str | None = None, params: Sequence[str] | None = None, order: str | None = None
) -> None:
    """Raise BadArguments where what was typed names no status, variable or order; before a session is opened."""
    settings = run.merchant.section(NoticesSettings)
    there = status_map.read(settings.statuses).announced
    if notification is not None and notification not in there:
        raise BadArguments(f"there is no such notification; there are: {', '.join(there)}")
    if unknown := [one for one in params or () if one not in NAMES]:
        raise BadArguments(f"there is no variable {unknown[0]}; there are: {', '.join(sorted(NAMES))}")
    if order is not None:
        if not run.file().exists():
            raise BadArguments("nothing is stored of this merchant yet; sync first")
        with run.open() as db:
            explain.find_order(db, order)


def check_all(
    session: NoticesSession,
    notification: str | None = None,
    template: str | None = None,
    params: Sequence[str] | None = None,
) -> Record:
    """Read the selected account's list now, and say of each template whether it fits.

    Args:
        notification: None: all that are enabled or have a template.
        template, params: in place of what the settings say; params are variables.

    Raises:
        BadSettings: there is no account, status or variable of this name.
        PipelineError: the list could not be read.
    """
    account = _account(session)
    keys = _keys(session, account) if notification is None else [_known(session, notification)]
    listing.read_now(session, account)
    store = session.store(account)
    with store.read() as db:
        there = accounts_seen.templates(db)
    faults = pauses.template_faults(store)
    shown = []
    for key in keys:
        wanted = _wanted(session, account, key, template, params)
        found = None if wanted is None else there.get(wanted.id)
        fit = template_fit.fit(found, wanted, session.settings, () if wanted is None else faults.get(wanted.id, ()))
        if wanted is not None and found is None:
            fit = replace(fit, detail=_those_of(there.values()))
        shown.append(_verdict(session, key, wanted, found, fit))
    return {"merchant": session.run.merchant.id, "account": account.id, "templates": shown}


def _those_of(templates: Iterable[Template]) -> str:
    """Say which templates there are, for whoever has mistyped one."""
    ids = sorted(one.template_id for one in templates if not one.gone)
    more = f" and {len(ids) - MOST_NAMED} more" if len(ids) > MOST_NAMED else ""
    return f"the account has {', '.join(ids[:MOST_NAMED])}{more}" if ids else "the account has no template"


def verdict(one: Record, details: set[str]) -> str:
    """Say whether a template fits, and what is wrong with it, in a few words.

    Args:
        details: what was said of others; the same is not said again. What is said now is added.
    """
    if one["fit"]:
        return "fits"
    detail = one.get("detail") or ""
    is_new = detail and detail not in details
    details.add(detail)
    return f"{one['fault']}: {detail}" if is_new else str(one["fault"])


def preview_of(
    session: NoticesSession, notification: str, template: str | None = None, order: str | None = None
) -> Record:
    """Return how a status's message would read, by samples or by an order's values; the list is read now.

    Raises:
        BadSettings: there is no account, status, template or order of this name.
        PipelineError: the list could not be read.
    """
    account = _account(session)
    key = _known(session, notification)
    wanted = _wanted(session, account, key, template, None)
    if wanted is None:
        raise BadSettings(f"no template is set for {key}; name one with --template", system=GUPSHUP)
    listing.read_now(session, account)
    found = accounts_seen.template(session.store(account), wanted.id)
    if found is None or found.gone:
        raise BadSettings(f"the account {account.id} has no template {wanted.id}", system=GUPSHUP)
    return rendering.preview(found, wanted, _values(session, key, order))


def _values(session: NoticesSession, key: str, order: str | None) -> Callable[[str], str | None]:
    if order is None:
        return rendering.samples_of(session.settings)
    with session.run.open() as db:
        merchant_order = explain.find_order(db, order)
        row = db.row(
            """select unit_key from staged.journey_events where merchant_order = ? and status = ?
               order by occurrence desc, unit_key limit 1""",
            [merchant_order, key],
        )
        values = rendering.values_of(
            db, session.run.merchant, session.settings, merchant_order, None if row is None else row[0]
        )
    if values is None:
        raise BadSettings("nothing is stored of this order yet; sync first")
    return values


def _account(session: NoticesSession) -> GupshupAccount:
    account = session.gupshup.selected
    if account is None:
        raise BadSettings(NO_ACCOUNT, system=GUPSHUP)
    return account


def _keys(session: NoticesSession, account: GupshupAccount) -> list[str]:
    """Return the statuses that are enabled, or have a template in the selected account."""
    settings = session.settings
    return [
        key for key in status_map.read(settings.statuses).announced
        if settings.enabled(key) or template_fit.wanted_by(settings, account, key) is not None
    ]  # fmt: skip


def _known(session: NoticesSession, notification: str) -> str:
    there = status_map.read(session.settings.statuses).announced
    if notification not in there:
        raise BadSettings(f"there is no such notification; there are: {', '.join(there)}")
    return notification


def _wanted(
    session: NoticesSession, account: GupshupAccount, key: str, template: str | None, params: Sequence[str] | None
) -> TemplateSettings | None:
    wanted = template_fit.wanted_by(session.settings, account, key)
    if template is not None and (wanted is None or wanted.id != template):
        wanted = TemplateSettings(id=template, params=() if wanted is None else wanted.params)
    if wanted is None or params is None:
        return wanted
    _check(params, NAMES)
    return wanted.model_copy(update={"params": tuple(TemplateParam(variable=one) for one in params)})


def _check(params: Sequence[str], names: Collection[str]) -> None:
    if any(one not in names for one in params):
        raise BadSettings(f"--params names a variable that there is not; there are: {', '.join(names)}")


def _verdict(
    session: NoticesSession, key: str, wanted: TemplateSettings | None, found: Template | None, fit: template_fit.Fit
) -> Record:
    shows = None
    if wanted is not None and found is not None:
        shows = rendering.preview(found, wanted, rendering.samples_of(session.settings))
    return {
        "notification": key,
        "template_id": None if wanted is None else wanted.id,
        "fit": fit.fits,
        "fault": None if fit.fault is None else str(fit.fault),
        "detail": fit.detail or None,
        "status": None if found is None else found.status,
        "category": None if found is None else found.category,
        "language": None if found is None else found.language,
        "placeholders": [] if found is None else found.placeholders,
        "params": [] if wanted is None else [one.variable or one.text for one in wanted.params],
        "preview": shows,
    }
