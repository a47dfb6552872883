"""Reports a fault of ours by type and place, never by its text, which may hold a person's data or a key.

Python prints the text of an error that nothing caught, and the system may write the whole memory to a core file; both
end in logs. `install` replaces the printing and switches off the core file, for programs of ours (a library must not).
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import threading
import traceback
from types import TracebackType

from vs_st_pipeline import __version__


def location(error: BaseException) -> str:
    """Return type and place of an error: the last few lines of ours that it came through."""
    return _where(type(error), error.__traceback__)


def _where(kind: type[BaseException], trace: TracebackType | None) -> str:
    frames = [
        f"{os.path.basename(frame.filename)}:{frame.lineno}"
        for frame in traceback.extract_tb(trace)
        if "vs_st_pipeline" in frame.filename
    ]
    return f"{kind.__name__} at {' > '.join(frames[-4:]) or 'a place outside our code'}"


def describe(error: BaseException) -> str:
    """Return the sentence that tells people of an error, and which release made it."""
    return _sentence(location(error))


def _sentence(where: str) -> str:
    return f"a fault of ours: {where} (vs-st {__version__}); please report it"


def install() -> None:
    """Report errors that nothing catches, in any thread, by type and place from now on; write no core file."""
    sys.excepthook = lambda kind, _, trace: _tell(kind, trace)
    threading.excepthook = lambda args: _tell(args.exc_type, args.exc_traceback)
    sys.unraisablehook = lambda args: _tell(args.exc_type, args.exc_traceback)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _tell(kind: type[BaseException], trace: TracebackType | None) -> None:
    with contextlib.suppress(OSError, ValueError):  # stderr may be closed
        print(f"vs-st: {_sentence(_where(kind, trace))}", file=sys.stderr)  # noqa: T201
