"""Reads what a call sends, and says how it fails: at once, by a refusal, or later, by the code of a receipt."""

from __future__ import annotations

from datetime import timedelta

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.gupshup import forms
from vs_st_pipeline.sandbox.gupshup.account import IN, OUT, TEMPLATE, TEXT, Account, Sent
from vs_st_pipeline.sandbox.gupshup.forms import Refusal
from vs_st_pipeline.sandbox.gupshup.template import Template

LIMITED_EVERY = 7
DAY = timedelta(hours=24)


def rate(account: Account, switches: Record) -> int | None:
    """Count a call that sends; return the code by which it fails, if it is one too many. Raises Refusal."""
    account.calls += 1
    if switches["rate_limit"] == "off" or account.calls % LIMITED_EVERY:
        return None
    if switches["rate_limit"] == "429":
        raise Refusal(429, "Too Many Requests")
    return 4001


def fill(sent: Sent, form: Record, account: Account) -> Template | None:
    """Fill in what a checked form says; return its template. Raises Refusal."""
    if sent.kind == TEXT:
        sent.text = forms.text_of(form)
        return None
    sent.template, sent.params = str(form["template"]["id"]), form["template"].get("params", [])
    sent.postbacks = forms.postbacks_of(form)
    template = account.templates.get(sent.template)
    if template is not None:
        sent.titles, sent.category = template.titles, str(template.fields["category"])
        sent.text = template.text(sent.params)
    return template


def failure(account: Account, sent: Sent, template: Template | None, switches: Record) -> int | None:
    """Return the code by which a message fails; None: it is delivered. Raises Refusal, where it fails at once."""
    codes = (
        _wallet(switches),
        _opted_in(account, sent, switches),
        _fits(sent, template, switches),
        _tier(account, sent, switches),
        131047 if sent.kind == TEXT and not account.in_session(sent.destination) else None,
    )
    return next((code for code in codes if code is not None), None)


def _wallet(switches: Record) -> int | None:
    if switches["wallet"] == "sync_402":
        raise Refusal(402, "Insufficient wallet balance")
    return 1003 if switches["wallet"] == "async_1003" else None


def _opted_in(account: Account, sent: Sent, switches: Record) -> int | None:
    status, how = account.users.get(sent.destination), switches["opt_in_enforced"]
    if not how or status == IN or sent.kind == TEXT:
        return None
    if how == "sync_400":
        raise Refusal(400, "User has not opted in")
    return 1012 if status == OUT else 1006


def _fits(sent: Sent, template: Template | None, switches: Record) -> int | None:
    how = switches["params_checked"]
    if sent.kind == TEXT or how == "ignored":
        return None
    if template is not None and template.status == "APPROVED":
        if template.fault_of(sent.params, sent.postbacks) is None:
            return None
    elif template is not None and template.status == "PAUSED":
        return 4005  # nothing is wrong with the call: it is taken under every value
    if how == "sync_400":
        raise Refusal(400, "Template did not match")
    return 4003


def _tier(account: Account, sent: Sent, switches: Record) -> int | None:
    if switches["daily_tier"] is None or sent.kind == TEXT:
        return None
    since = sent.at - DAY
    people = {
        one.destination
        for one in account.sent
        if one is not sent and one.accepted and one.kind == TEMPLATE and one.fails is None and one.at > since
    }
    return 131048 if len(people | {sent.destination}) > max(len(people), int(switches["daily_tier"])) else None
