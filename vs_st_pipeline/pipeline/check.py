"""Says what `vs-st check` found for one merchant and route: are the keys good, and what is doubtful."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vs_st_pipeline.domain.errors import PipelineError

MOST_RECORDS_SHOWN = 20  # per merchant, of records that cannot be understood


@dataclass(slots=True)
class CheckResult:
    """What `check` found.

    Attributes:
        route: name. good: what is said where nothing is in the way.
        errors: why a system cannot be used; empty where all keys are good.
        missing_fields: fields of the map that the account lacks; a person must make them there.
        make_them: where and how.
        doubts: sentences about what works but may not be intended.
        advice: what a person can do about a doubt, by its sentence; told to people alone.
        unreadable: records that could not be read at the last request: kind, id, and a sentence.
        not_understood: values that are given and cannot be understood: kind and id of the record, and a sentence.
    """

    merchant: str
    route: str
    good: str = "all keys are good"
    make_them: str = "make them in the account"
    errors: list[PipelineError] = field(default_factory=list)
    missing_fields: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    unreadable: list[dict[str, str]] = field(default_factory=list)
    not_understood: list[dict[str, str]] = field(default_factory=list)
    advice: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "merchant": self.merchant,
            "route": self.route,
            "status": "failed" if self.errors else "ok",
            "error": self.errors[0].as_report() if self.errors else None,
            "errors": [error.as_report() for error in self.errors],
            "missing_fields": self.missing_fields,
            "doubts": self.doubts,
            "unreadable": self.unreadable,
            "not_understood": self.not_understood,
        }

    def lines(self, name: str) -> list[str]:
        """Say it for people; the first line begins with how the merchant is named."""
        lines = [f"{name}: {'failed' if self.errors else self.good}"]
        for error in self.errors:
            at = f" at {error.system}" if error.system else ""
            lines.append(f"  {error.kind}{at}: {error.as_report()['message']}")
        if self.missing_fields:
            lines.append(
                f"  the account lacks the custom fields {', '.join(self.missing_fields)}: they are left out; "
                f"{self.make_them}"
            )
        advised = [f"{doubt}: {self.advice[doubt]}" if doubt in self.advice else doubt for doubt in self.doubts]
        lines += [f"  doubtful: {doubt}" for doubt in advised]
        lines += [f"  cannot be read: {row['why']}" for row in self.unreadable]
        found = self.not_understood
        lines += [f"  not understood: {row['kind']} {row['id']}: {row['why']}" for row in found[:MOST_RECORDS_SHOWN]]
        if len(found) > MOST_RECORDS_SHOWN:
            more = len(found) - MOST_RECORDS_SHOWN
            lines.append(f"  and {more} more that are not understood (--json names them all)")
        return lines
