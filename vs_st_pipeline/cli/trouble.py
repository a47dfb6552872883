"""Says what went wrong, and what a person does about it."""

from __future__ import annotations

from vs_st_pipeline.cli.output import tell
from vs_st_pipeline.connectors import key_advice
from vs_st_pipeline.domain.errors import (
    BadAnswer,
    BadKey,
    BadSettings,
    GiveUp,
    Internal,
    PipelineError,
    TryLater,
    Unsafe,
)

TO_DO = {
    BadKey.kind: "renew the key and put it where the merchants file says; nothing was lost",
    TryLater.kind: "give the command again in a while; a schedule tries by itself",
    BadAnswer.kind: "give the command again; if it stays so, report it to the vendor",
    Unsafe.kind: "look at `vs-st plan`: if it is right, `vs-st sync --allow-unsafe` lets it pass once",
    Internal.kind: "report it; the message names the place",
}
"""What a person does, by the kind of an error. That of settings or of this machine says it itself."""


def to_do(error: PipelineError) -> str:
    """Return what a person does about an error, `""` where its message says it."""
    of_this_machine = isinstance(error, GiveUp) and error.kind == Internal.kind and not isinstance(error, Internal)
    return "" if isinstance(error, BadSettings) or of_this_machine else _of_kind(error)


def _of_kind(error: PipelineError) -> str:
    told = TO_DO.get(error.kind, "")
    besides = key_advice(error.system) if error.kind == BadKey.kind else ""
    return f"{told}; if the key is right, {besides}" if besides else told


def tell_error(error: PipelineError) -> None:
    """Print an error to stderr, and what to do."""
    tell(f"vs-st: {error.message if isinstance(error, BadSettings) else error}")
    if what := to_do(error):
        tell(f"  {what}")
