"""What a command of `vs-st webhooks` did or saw for one merchant, as it is printed (webhooks-onboarding.md 8)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from vs_st_pipeline.domain.errors import PipelineError
from vs_st_pipeline.domain.report import FAILED, OK, PARTIAL
from vs_st_pipeline.operations.webhooks.compare import Row, State

WAITING = "waiting"
DONE = ("made", "kept", "changed", "removed")
WANTED = frozenset({State.OK, State.MISSING, State.CHANGED, State.NOT_ENABLED, State.TOLD, State.UNPROVEN})
GOOD = frozenset({State.OK, State.TOLD})


@dataclass(slots=True)
class Entry:
    """One merchant.

    Attributes:
        errors: why something could not be done, by system; `""` where it is about the merchant as a whole.
        foreign: how many webhooks of others there are, by system; None: not known.
        says: sentences for people, such as what to do by hand.
        paste: lines that a person writes into the merchant's entry; then it goes on (`waiting`).
        calls: requests that were sent, by system.
        wants_all: it is well only if all that is wanted is there; what was removed is not wanted.
        outdated: systems that list none and were told an older URL.
    """

    merchant: str
    errors: dict[str, PipelineError] = field(default_factory=dict)
    foreign: dict[str, int | None] = field(default_factory=dict)
    done: Counter[str] = field(default_factory=Counter)
    hooks: list[Row] = field(default_factory=list)
    says: list[str] = field(default_factory=list)
    paste: list[str] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    wants_all: bool = True
    outdated: set[str] = field(default_factory=set)

    @property
    def status(self) -> str:
        """Return `ok`: all that is wanted is there, or refused and noted; `failed`, `waiting` or `partial`."""
        if self.errors:
            return FAILED
        if self.paste:
            return WAITING
        wanting = any(row.state in WANTED - GOOD for row in self.hooks) and self.wants_all
        untrue = any(row.test not in (None, "ok") for row in self.hooks)
        return PARTIAL if wanting or untrue else OK

    @property
    def error(self) -> PipelineError | None:
        """Return the first error."""
        return next(iter(self.errors.values()), None)

    def as_json(self, *, show_urls: bool = False) -> dict[str, Any]:
        """Return the object of a merchant."""
        return {
            "merchant": self.merchant,
            "status": self.status,
            "error": self.error.as_report() if self.error else None,
            "foreign": self.foreign,
            "done": {name: self.done[name] for name in DONE},
            "hooks": [row_json(row, show_urls=show_urls) for row in self.hooks],
            **({"paste": self.paste} if self.paste else {}),
        }

    def lines(self, *, show_urls: bool = False) -> list[str]:
        """Say it for people, but for what is to be pasted."""
        done = ", ".join(f"{self.done[name]} {name}" for name in DONE if self.done[name])
        lines = [f"{self.merchant}: {self.status}{f'; {done}' if done else ''}"]
        for system, error in self.errors.items():
            at = f" at {system}" if system else ""
            lines.append(f"  {error.kind}{at}: {error.as_report()['message']}")
        named = [row.system if row.name == row.system else f"{row.system} {row.name}" for row in self.hooks]
        width = max(map(len, named), default=0)
        for row, name in zip(self.hooks, named, strict=True):
            told = f"  test: {row.test}" if row.test else ""
            url = row.url if show_urls else row.shown
            lines.append(f"  {name:{width}}  {row.state:14}  {url}{told}")
        lines += [f"  {count} of others at {system}" for system, count in self.foreign.items() if count]
        return lines + [f"  {sentence}" for sentence in self.says]


def row_json(row: Row, *, show_urls: bool = False) -> dict[str, Any]:
    """Return the object of one webhook; its URL without the token, unless a person wants to see it."""
    return {
        "system": row.system,
        "name": row.name,
        "state": row.state.value,
        "id": row.id,
        "url": row.url if show_urls else row.shown,
        "test": row.test,
    }
