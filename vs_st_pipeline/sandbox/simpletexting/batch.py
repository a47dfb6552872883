"""Runs batch updates: accepted at once, applied later, and answered item by item."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from vs_st_pipeline.sandbox.core.asgi import Record
from vs_st_pipeline.sandbox.simpletexting.account import Account, digits_of
from vs_st_pipeline.sandbox.simpletexting.errors import ItemFailed, Refused, bad_body, invalid

MOST = 500


class Task:
    """One accepted batch."""

    def __init__(self, account: Account, form: Record, switches: Record, seq: int) -> None:
        updates = form.get("updates")
        if not isinstance(updates, list) or not all(isinstance(update, dict) for update in updates):
            raise Refused(bad_body("updates: must be an array of objects"))
        if len(updates) > MOST:
            status = switches["oversize_batch"]
            raise Refused(invalid(f"updates: size must be between 0 and {MOST}", int(status)))
        self.id = "62" + secrets.token_hex(11)
        self.account = account
        self.seq = seq
        self.updates: list[Record] = updates
        self.replace_lists = form.get("listsReplacement", True) is not False
        self.polls_left = int(switches["tasks_delay_polls"])
        self.results: list[Record] = []
        self._refuse_whole(switches)

    def _refuse_whole(self, switches: Record) -> None:
        for i, update in enumerate(self.updates):
            if switches["unknown_custom_field"] == "fail_request" and self.account.unknown_fields(update):
                raise Refused(invalid(f"updates[{i}].customFields: unknown custom field"))
            problem = self._problem(update, switches)
            if problem and switches["bad_item_in_batch"] == "whole_request_refused":
                raise Refused(invalid(f"updates[{i}].{problem}"))

    def _problem(self, update: Record, switches: Record) -> str | None:
        if not str(update.get("contactPhone") or "").strip():
            return "contactPhone: must not be blank"
        # This code in the switch `reject` makes an item invalid from the outset, so that it can spoil a whole batch.
        if switches["reject"].get(digits_of(update["contactPhone"])) == "INVALID_INPUT_VALUE":
            return "customFields: value is not valid"
        return self.account.problem_of(update, switches)

    @property
    def done(self) -> bool:
        """Say whether every item has its result."""
        return len(self.results) == len(self.updates)

    def apply(self, upto: int, switches: Record, before: Callable[[], None]) -> None:
        """Apply the updates up to that one."""
        if len(self.results) < min(upto, len(self.updates)):
            before()
        while len(self.results) < min(upto, len(self.updates)):
            self.results.append(self._applied(self.updates[len(self.results)], switches))

    def _applied(self, update: Record, switches: Record) -> Record:
        phone = digits_of(update.get("contactPhone") or "")
        contact = self.account.find(phone) if phone else None
        result: Record = {"contactPhone": phone}
        try:
            problem = self._problem(update, switches)
            if problem:
                raise ItemFailed("CONTACT_UPDATE_FAILED" if contact else "CONTACT_CREATE_FAILED", problem)
            contact = self.account.write(contact, update, self.replace_lists, switches, "batch", self.seq)
        except ItemFailed as error:
            result |= {"done": False, "errorCode": error.code, "errorMessage": error.text}
        else:
            result["done"] = True
        if contact is not None:
            result["contactId"] = contact["contactId"]
        return result

    def poll(self, switches: Record, before: Callable[[], None]) -> Record:
        """Return one look at the task; this is also what moves it on."""
        never = bool(switches["task_never_done"])
        partial = switches["in_progress_results"] == "partial"
        ready = self.polls_left <= 0
        self.polls_left -= 1
        if ready:
            # A task that never says DONE has done its work in any case: nothing is settled by waiting.
            self.apply(len(self.updates), switches, before)
        elif partial:
            self.apply(len(self.updates) // 2, switches, before)
        finished = ready and not never
        answer: Record = {
            "status": "DONE" if finished else "IN_PROGRESS",
            "requestedCount": len(self.updates),
            "processedCount": sum(1 for result in self.results if result["done"]) if finished or partial else 0,
        }
        if finished:
            answer["results"] = self.results
        elif switches["in_progress_results"] != "absent":
            answer["results"] = self.results[: len(self.updates) // 2] if partial else []
        return answer
