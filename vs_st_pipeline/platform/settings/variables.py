"""Lists the variables of the environment: what each is, and what is taken where it is not set. For people, and tests.

What reads them is `environment` and its neighbors; a test holds that the code reads none that is not here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vs_st_pipeline.platform.failpoints import VARIABLE as KILL_AT
from vs_st_pipeline.platform.settings.environment import (
    ADDRESSES,
    FASTEST,
    INBOX_KEEP,
    INBOX_KEEP_DEFAULT,
    KEEP_RUNS,
    LATE_AFTER,
    LATE_DEFAULT,
    SLOWEST,
    TELL,
)
from vs_st_pipeline.platform.settings.hook_secrets import HOOK_SECRET
from vs_st_pipeline.platform.settings.public_url import PUBLIC_URL


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of the environment.

    Attributes:
        default: what is taken where it is not set, as it would be written; in brackets: in words.
        means: what it is, in one sentence.
    """

    name: str
    default: str
    means: str


def variables(systems: Iterable[str]) -> tuple[Variable, ...]:
    """Return all of them, in the order in which a person sets them.

    Args:
        systems: those that may have a rate for all merchants together, in the order in which they are told.
    """
    return (
        Variable("VS_ST_MERCHANTS", "./merchants.yaml", "The merchants file, or a folder like `merchants.d`."),
        Variable("VS_ST_DATA_DIR", "./data", "The folder of all state; `~` is understood here and above."),
        Variable(
            "DAGSTER_HOME",
            "(the repository root, by `make`; else export it)",
            "Where `dagster.yaml` lies; Dagster's own storage goes below `data/` too.",
        ),
        *(
            Variable(
                f"VS_ST_{system.upper()}_RATE", "(unset)", "Requests a second for all merchants together, such as 20."
            )
            for system in systems
        ),
        Variable(FASTEST, "5m", "How often the schedule syncs a merchant at most."),
        Variable(SLOWEST, "1h", "How often the schedule syncs a merchant at least."),
        Variable(LATE_AFTER, LATE_DEFAULT, "A merchant without a good sync for longer is late."),
        Variable(
            ADDRESSES,
            "(unset: nobody is told)",
            "Who is told of trouble: `env:NAME` or `file:PATH` of URLs, apart by blanks.",
        ),
        Variable(TELL, f"(as {ADDRESSES})", "Who is told that a merchant was added."),
        Variable(
            PUBLIC_URL,
            "(unset: nothing is registered)",
            "Where the world reaches the receiver: `https://hooks.example.com`.",
        ),
        Variable(
            HOOK_SECRET,
            "(unset: no webhook is taken)",
            "References to the secrets that webhook URLs are made from; the first makes them, all are accepted.",
        ),
        Variable(INBOX_KEEP, INBOX_KEEP_DEFAULT, "How long settled webhook calls, and hints that wait, are kept."),
        Variable(
            KEEP_RUNS,
            "30d",
            "How long Dagster's runs and events are kept; those that show how a partition stands stay.",
        ),
        Variable(
            "VS_ST_NOW",
            "(the clock)",
            "ISO time taken for now in every rule about dates and ages; for tests and dry runs.",
        ),
        Variable("NO_COLOR", "(unset)", "Set to anything: no colors on a terminal."),
        Variable(
            KILL_AT,
            "(unset)",
            "For tests of crashes: the process kills itself there. Never set it where people are synced.",
        ),
    )
