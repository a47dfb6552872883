"""Calls Gupshup's self-serve API for one account: one method per call that is used (notices.md 2.4, 5.9, 7.2, 8.5).

A message is posted once, whatever comes; `answers` says what its answer means. Its permit is taken before its claim
(`take_permit`): nobody knows how long the wait for one is, and a claim may be open for seconds only.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlencode

from vs_st_pipeline.connectors.gupshup.answers import KEY_WORDS, Answer, Outcome, judge, words_of
from vs_st_pipeline.connectors.gupshup.names import GUPSHUP
from vs_st_pipeline.connectors.gupshup.settings import GupshupAccount
from vs_st_pipeline.connectors.gupshup.templates import OptIn, Template, read_templates, read_users
from vs_st_pipeline.domain.codec import JSON
from vs_st_pipeline.domain.errors import (
    BadAnswer,
    BadKey,
    BadSettings,
    Internal,
    KeptBack,
    NotSent,
    PipelineError,
    Refused,
    TryLater,
)
from vs_st_pipeline.platform.http.client import TRY_SECONDS, HeaderKey, HttpClient, Pace

TEMPLATE, TEXT, TEMPLATES, WALLET, USERS = "send_template", "send_text", "list_templates", "get_wallet", "list_users"
MOST_IDLE: Final = 5.0  # seconds
PAGE_UNIT: Final = 10  # a list that is whole by chance at such a number costs one call more
MOST_PAGES: Final = 200


class _Permits:
    """The account's rate; a permit that was taken ahead is used by the next request, whichever thread makes it."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._guard = threading.Lock()
        self._used = True

    def take(self) -> None:
        if self._used:
            self._pace.wait()
            self._used = False

    def wait(self) -> float:
        with self._guard:
            if not self._used:
                self._used = True
                return 0.0
        return self._pace.wait()


class GupshupClient:
    """One account's client; a few threads may share it."""

    def __init__(self, account: GupshupAccount, pace: Pace, give_up_after: float = 60.0) -> None:
        """Prepare the client; nothing is sent yet.

        Args:
            give_up_after: seconds for all tries of one read. A message has its 30 seconds whatever it says (7.2): one
                whose answer is not waited for is unknown for good.
        """
        self.account = account
        self._pace = pace
        self._permits = _Permits(pace)
        self.http = HttpClient(
            system=GUPSHUP,
            base_url=account.base_url,
            auth=HeaderKey(account.api_key.reveal(), "apikey"),
            pace=self._permits,
            give_up_after=give_up_after,
            refusal=_refusal,
            most_idle=MOST_IDLE,
        )

    def take_permit(self) -> None:
        """Wait for a permit, and keep it for the next request. Raises TryLater: the run was stopped."""
        self._permits.take()

    def waste_permit(self) -> None:
        """Wait for a permit, and use it for nothing: half the rate. Raises TryLater: the run was stopped."""
        self._pace.wait()

    def send_template(
        self,
        phone: str,
        template_id: str,
        params: Sequence[str],
        postbacks: Sequence[str] = (),
        may_leave: Callable[[], bool] | None = None,
    ) -> Answer:
        """Send a template message, once.

        Args:
            phone: E.164. params: values of its placeholders, in order. postbacks: by index of the quick reply.
            may_leave: asked right before it leaves.

        Raises:
            BadSettings: `base_url`, or the CA bundle, cannot be used: nothing left.
        """
        form = {"template": _json({"id": template_id, "params": list(params)})}
        if postbacks:
            form["postbackTexts"] = _json([{"index": n, "text": text} for n, text in enumerate(postbacks)])
        return self._send(TEMPLATE, "/wa/api/v1/template/msg", phone, form, may_leave)

    def send_text(self, phone: str, text: str, may_leave: Callable[[], bool] | None = None) -> Answer:
        """Send a session message, once; as `send_template`."""
        return self._send(TEXT, "/wa/api/v1/msg", phone, {"message": _json({"type": "text", "text": text})}, may_leave)

    def _send(
        self, call: str, path: str, phone: str, form: Mapping[str, str], may_leave: Callable[[], bool] | None
    ) -> Answer:
        account = self.account
        whole = {
            "channel": "whatsapp",
            "source": self._number(account.number),
            "destination": self._number(phone),
            "src.name": account.app_name,
            **form,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        url = account.base_url.rstrip("/") + path
        body = urlencode(whole, encoding="utf-8", errors="replace").encode("ascii")
        try:
            heard = self.http.post_once(call, url, body, headers=headers, may_leave=may_leave, most=TRY_SECONDS)
        except (NotSent, KeptBack):
            return Answer(Outcome.NOT_SENT)
        except (TryLater, Internal):  # nobody knows at which step
            return Answer(Outcome.UNKNOWN)
        return judge(heard)

    def _number(self, phone: str) -> str:
        return phone if self.account.number_form == "plus" else phone.removeprefix("+")

    def templates(self) -> list[Template]:
        """Return the account's templates, of all pages.

        No source says whether the list has pages, how one is asked for, and whether the first is 0 or 1. Where a page
        has as many rows as a page might, the next one is asked for, by both names that a page may have; one that shows
        nothing new, or is refused, is none. Unless pages have no effect at all, the one of number 1 is asked for last:
        it is the first one again, or the one after it.

        Raises:
            BadKey: the key is not accepted. BadSettings: the app is not known. BadAnswer: the list is empty, cut, or
                none. TryLater: nobody answers.
        """
        path = f"/wa/app/{quote(self.account.app_id, safe='')}/template"
        rows = self._list(TEMPLATES, path, "templates")
        found = {one.id: one for one in read_templates(rows)}
        if not found:
            raise BadAnswer("Gupshup's list of templates is empty", system=GUPSHUP, call=TEMPLATES)
        size = len(rows)
        if size % PAGE_UNIT:
            return list(found.values())
        first = set(found)
        for page in range(2, MOST_PAGES):
            rows = self._page(path, page, size)
            more = {one.id: one for one in read_templates(rows)}
            if more and set(more) <= first:
                return list(found.values())
            new = {own: one for own, one in more.items() if own not in found}
            found |= new
            if not new or len(rows) < size:
                break
        found |= {one.id: one for one in read_templates(self._page(path, 1, size)) if one.id not in found}
        return list(found.values())

    def _page(self, path: str, page: int, size: int) -> list[object]:
        """Return the rows of a page; none where it is refused: then there is no such page."""
        try:
            return self._list(
                TEMPLATES, f"{path}?page={page}&perPage={size}&pageNo={page}&pageSize={size}", "templates"
            )
        except (Refused, _SaysError):
            return []
        except BadSettings as error:
            if error.http_status != 404:
                raise
            return []

    def users(self) -> list[OptIn]:
        """Return who has opted in or out at Gupshup; raises as `templates`, but an empty list is one.

        Raises:
            BadSettings: 404, as `templates`: the account may have no such list at all.
        """
        return read_users(self._list(USERS, f"/sm/api/v1/users/{quote(self.account.app_name, safe='')}", "users"))

    def wallet(self) -> Mapping[str, Any]:
        """Return the wallet's answer, by which the key alone is verified (13.6); raises as `templates`."""
        return self._ask(WALLET, "/sm/api/v2/wallet/balance")

    def _list(self, call: str, path: str, name: str) -> list[object]:
        rows = self._ask(call, path).get(name)
        if not isinstance(rows, list):
            raise BadAnswer(f"Gupshup's answer holds no list of {name}", system=GUPSHUP, call=call)
        return rows

    def _ask(self, call: str, path: str) -> dict[str, Any]:
        try:
            said = self.http.request(call, "GET", path, shape=JSON).value
        except Refused as error:
            if error.http_status == 404:
                raise BadSettings(
                    "Gupshup does not know the app: are app_id and app_name right?",
                    system=GUPSHUP,
                    call=call,
                    http_status=404,
                ) from None
            raise
        if not isinstance(said, dict):
            raise BadAnswer("Gupshup's answer is no JSON object", system=GUPSHUP, call=call)
        word = said.get("status")
        if isinstance(word, str) and word.strip().lower() == "error":
            told = _is_about_key(said)
            kind: type[PipelineError] = BadKey if told else _SaysError
            raise kind(_NO_KEY if told else "Gupshup answered with an error", system=GUPSHUP, call=call)
        return said


class _SaysError(BadAnswer):
    """A whole answer that calls itself an error, and not one about the key."""


_NO_KEY: Final = "Gupshup does not accept the key"


def _refusal(status: int, headers: Mapping[str, str], said: object) -> type[PipelineError] | None:
    return BadKey if status < 500 and status != 429 and _is_about_key(said) else None


def _is_about_key(said: object) -> bool:
    told = words_of(said)
    return any(word in told for word in KEY_WORDS)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
