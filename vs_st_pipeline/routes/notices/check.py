"""Says for `vs-st check` whether keys are good, which account sends, and whether templates fit (notices.md 9).

Data flow: wallet and template list of each account, the source's own look -> `NoticesCheck`. Sends nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from vs_st_pipeline.connectors import commerce7, eshopbox, vinoshipper
from vs_st_pipeline.connectors.eshopbox.client import EshopboxClient
from vs_st_pipeline.connectors.eshopbox.streams import ORDER, STORED
from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.domain.errors import BadAnswer, BadKey, BadSettings, PipelineError
from vs_st_pipeline.domain.report import FAILED
from vs_st_pipeline.pipeline.check import CheckResult
from vs_st_pipeline.pipeline.legend import legend
from vs_st_pipeline.platform.connector import Connector
from vs_st_pipeline.platform.run import Run
from vs_st_pipeline.platform.warehouse.unreadable import read_unreadable
from vs_st_pipeline.routes.notices import readiness, showing
from vs_st_pipeline.routes.notices.meanings import MEANINGS
from vs_st_pipeline.routes.notices.other_readers import reads_itself
from vs_st_pipeline.routes.notices.session import NoticesSession, open_session
from vs_st_pipeline.routes.notices.systems import ESHOPBOX, NAME

Record = dict[str, Any]
GOOD: Final = "good"
_KEY_SAYS: Final = {BadKey.kind: f"refused ({BadKey.kind})", BadAnswer.kind: f"{BadAnswer.kind} (is app_id right?)"}


@dataclass(slots=True)
class NoticesCheck(CheckResult):
    """What `check` found.

    Attributes:
        accounts: of each installed account: id, kind, selected, why, number, proven, key (good, or the error's kind),
            stopped (why nothing is sent by it and what to do; else null).
        templates: verdict of each enabled notification's template, as `notices templates check` gives it.
        opt_in: how often each kind of evidence of an opt-in was seen that the selected account may go by.
    """

    accounts: list[Record] = field(default_factory=list)
    templates: list[Record] = field(default_factory=list)
    opt_in: dict[str, int] = field(default_factory=dict)

    def as_json(self) -> Record:
        more = {"accounts": self.accounts, "templates": self.templates, "opt_in": self.opt_in}
        return CheckResult.as_json(self) | more

    def lines(self, name: str) -> list[str]:
        """Say it for people; the first line begins with how the merchant is named."""
        lines = CheckResult.lines(self, name)
        for one in self.accounts:
            verb = "sends" if one["key"] == GOOD and not one["stopped"] else "would send"
            sends = f"{verb} ({one['why']})" if one["selected"] else "does not send"
            proven = "proven by a callback" if one["proven"] else "not proven: no receipt was read yet"
            key = _KEY_SAYS.get(one["key"], one["key"])
            lines.append(f"  account {one['id']}: {sends}; key {key}; number {one['number']} {proven}")
            if one["stopped"]:
                lines.append(f"    stopped, so nothing is sent by it: {one['stopped']}")
        if self.opt_in:
            seen = ", ".join(f"{count} by {kind}" for kind, count in self.opt_in.items())
            lines.append(f"  opt-in evidence seen: {seen}")
        details = set[str]()
        for one in self.templates:
            what = showing.verdict(one, details)
            lines.append(f"  template of {one['notification']} ({one['template_id'] or 'none'}): {what}")
        return lines + legend(self._words(), MEANINGS)

    def _words(self) -> list[str | None]:
        return [one["fault"] for one in self.templates] + [one["why"] for one in self.not_understood]


def new_result(merchant_id: str, error: PipelineError | None = None) -> NoticesCheck:
    """Return a result of this route with nothing found yet, or with why nothing can be."""
    return NoticesCheck(merchant_id, NAME, errors=[error] if error else [])


def check(run: Run) -> NoticesCheck:
    """Ask the accounts and the source whether their keys are good and what is there; write nothing, send nothing."""
    found = new_result(run.merchant.id)
    for question in (_look_at_settings, _ask_accounts, _ask_sources, _ask_templates):
        with open_session(run) as session:
            question(session, found)
        error = session.report.error if session.report.status == FAILED else None
        if error is not None and all(error.message != known.message for known in found.errors):
            found.errors.append(error)
    return found


def _look_at_settings(session: NoticesSession, found: NoticesCheck) -> None:
    found.doubts += [*session.settings.doubts(), *readiness.doubts(session)]
    found.opt_in = readiness.opt_ins(session)
    _look_at_rejects(session, found)
    selected = session.gupshup.selected
    if selected is None:
        found.doubts.append("no account is selected, so nothing is sent: install the Gupshup app (notices.accounts)")


def _look_at_rejects(session: NoticesSession, found: NoticesCheck) -> None:
    """Name the orders that cannot be read, and those of which a part cannot be used, with why (10)."""
    if not session.run.file().exists():
        return
    with session.run.open() as db:
        found.unreadable = [
            {"kind": ORDER, "id": row.id, "why": row.sentence} for row in read_unreadable(db) if row.kind == STORED
        ]
        found.not_understood = [
            {"kind": ORDER, "id": own, "why": reason}
            for own, reason in db.rows(
                "select id, reason from staged.unusable where kind = ? order by id, reason", [STORED]
            )
        ]


def _ask_accounts(session: NoticesSession, found: NoticesCheck) -> None:
    first: PipelineError | None = None
    for account in session.gupshup.accounts:
        row = _row(session, account)
        found.accounts.append(row)
        try:
            readiness.try_key(session, account)
        except PipelineError as error:
            row["key"] = error.kind
            if first is None:
                first = error
            else:
                found.errors.append(error)
        else:
            row["stopped"] = readiness.stopped(session, account, key_is_good=True)
            if not row["proven"]:
                found.doubts.append(readiness.not_verified(account))
    if first is not None:
        raise first


def _row(session: NoticesSession, account: GupshupAccount) -> Record:
    selected = session.gupshup.selected
    is_selected = selected is not None and selected.id == account.id
    return {
        "id": account.id, "kind": account.kind, "selected": is_selected,
        "why": _why(session) if is_selected else None, "number": account.number,
        "proven": readiness.is_proven(session, account), "key": GOOD,
        "stopped": readiness.stopped(session, account),
    }  # fmt: skip


def _why(session: NoticesSession) -> str:
    use = session.settings.use
    if use != "auto":
        return f"notices.use: {use}"
    return "the only account" if len(session.gupshup.accounts) == 1 else "the first that was installed"


def _ask_sources(session: NoticesSession, found: NoticesCheck) -> None:
    """Ask the systems that this route reads itself; of the others their reader's own check tells."""
    merchant = session.run.merchant
    systems: tuple[Connector[Any], ...] = (eshopbox.CONNECTOR, commerce7.CONNECTOR, vinoshipper.CONNECTOR)
    first: PipelineError | None = None
    for connector in systems:
        if connector.name not in merchant.sections or connector.setup is None:
            continue
        if connector.name != ESHOPBOX and not reads_itself(merchant, connector.name):
            continue
        try:
            client = _proven(session.eshopbox) if connector.name == ESHOPBOX else session.client(connector)
            seen = connector.setup.look(client, merchant)
        except PipelineError as error:
            first = first or error
            continue
        found.doubts += [*seen.disagrees.values(), *([seen.lacks] if seen.lacks else [])]
    if first is not None:
        raise first


def _proven(client: EshopboxClient) -> EshopboxClient:
    """Have a new token, which proves the secrets, unless one came within the last minute; syncs go on with it."""
    client.token()
    client.renew(waits=False)
    return client


def _ask_templates(session: NoticesSession, found: NoticesCheck) -> None:
    if session.gupshup.selected is None or any(error.kind == "auth" for error in found.errors):
        return
    try:
        found.templates = list(showing.check_all(session)["templates"])
    except BadSettings as error:
        found.doubts.append(error.message)
