"""Makes and changes the files of `merchants.d` that our own commands wrote, and no other file (routes.md R64).

A file of ours begins with a line that says so; who takes that line out makes the file their own. Any other file is a
person's: for it the lines to paste are handed back.

A change is a draft under a lock, read by the reader of the settings before it takes the file's name. Every line but
those of the changed keys stays as it is, byte for byte.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.settings import read_draft
from vs_st_pipeline.platform.atomic_file import replace_durably
from vs_st_pipeline.platform.locks import Timeout, file_lock
from vs_st_pipeline.platform.settings.merchants import file_of_entry, more_files
from vs_st_pipeline.platform.settings.yaml_edit import (
    CannotEdit,
    Scalar,
    dump,
    nested,
    number_of,
    set_value,
    write_scalar,
)

MARK: Final = "# vs-st wrote this file and changes it. Delete this line, and it is yours alone."
LOCK: Final = ".vs-st.lock"
_LOCK_SECONDS: Final = 30.0


class NotChanged(Exception):
    """A file was left as it is.

    Attributes:
        why: a sentence. lines: what a person pastes, below the merchant's entry.
    """

    def __init__(self, why: str, lines: Sequence[str]) -> None:
        super().__init__(why)
        self.why, self.lines = why, tuple(lines)


def is_ours(file: Path) -> bool:
    """Say whether our own commands wrote this file, and nobody has made it their own."""
    try:
        with open(file, encoding="utf-8") as opened:
            return opened.readline().rstrip("\r\n") == MARK
    except (OSError, ValueError):
        return False


def change(path: Path, merchant_id: str, values: Mapping[str, Scalar], environ: Mapping[str, str]) -> Path:
    """Set values in a merchant's entry, if it stands in a file that we wrote; return the file.

    Args:
        path: the merchants file or folder, as `VS_ST_MERCHANTS` says.
        values: by keys with dots between: `{"webhooks.share": 0.5, "enabled": True}`.

    Raises:
        NotChanged: it is a person's file, or it cannot be done byte for byte, or the reader refuses what it would say.
        BadSettings: the merchants file cannot be read.
    """
    lines = lines_to_paste(values)
    file = file_of_entry(path, merchant_id)
    if file is None:
        raise NotChanged(f"{merchant_id} has no entry in {path}", lines)
    file = file.resolve()  # of a link the target is replaced
    if file.parent != more_files(path).resolve() or not is_ours(file):
        raise NotChanged(f"{file.name} was written by a person, so it is not changed", lines)
    with _locked(file.parent, lines):
        try:
            data = file.read_bytes()
            text = data.decode("utf-8")
            for keys, value in values.items():
                number = number_of(text, "merchants", "id", merchant_id)
                text = set_value(text, ("merchants", number, *keys.split(".")), value)
            read_draft(path, environ, file, text)
        except CannotEdit as error:
            raise NotChanged(f"{file.name} cannot be changed: {error}", lines) from None
        except BadSettings as error:
            raise NotChanged(f"{file.name} is not changed: {error.message}", lines) from None
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8"
            raise NotChanged(f"{file.name} is not changed: {reason}", lines) from None
        if text.encode() != data:
            _replace(file, text.encode(), lines, stood=data)
    return file


def create(path: Path, entry: Mapping[str, Any], environ: Mapping[str, str]) -> Path:
    """Write a new file `merchants.d/ID.yaml` with one entry, and return it; the folder is made.

    It is as open to others as the folder, and a folder that is made as the merchants file, because it holds references
    to secrets and no secret: a receiver may run as a user who can read it, and not what it refers to. Who calls this
    knows that no entry has the id yet.

    Args:
        path: the merchants file or folder, as `VS_ST_MERCHANTS` says.
        entry: what stands in it, in this order; values as YAML has them.

    Raises:
        NotChanged: a file of that name is there, the reader refuses the entry, or the disk does.
    """
    text = dump({"merchants": [dict(entry)]})
    lines = text.splitlines()
    folder = more_files(path)
    file = folder / f"{entry['id']}.yaml"
    try:
        _make(folder, path)
        with _locked(folder, lines):
            if os.path.lexists(file):
                raise NotChanged(f"{file.name} is there already", lines)
            read_draft(path, environ, file, text)
            _replace(file, f"{MARK}\n{text}".encode(), lines, stood=None)
    except BadSettings as error:
        raise NotChanged(f"{file.name} is not written: {error.message}", lines) from None
    except OSError as error:
        raise NotChanged(
            f"{file.name} cannot be written: {error.strerror or 'the disk does not take it'}", lines
        ) from None
    return file


def lines_to_paste(values: Mapping[str, Scalar]) -> list[str]:
    """Return what a person writes into an entry: keys that stand in one another are written once."""
    lines: list[str] = []
    above: list[str] = []
    for keys, value in values.items():
        place = keys.split(".")
        same = 0
        while same < min(len(above), len(place) - 1) and above[same] == place[same]:
            same += 1
        lines += nested(place[same:], write_scalar(value), 2 * same)
        above = place[:-1]
    return lines


def _make(folder: Path, path: Path) -> None:
    """Make the folder, if it is not there, for those who can read the merchants file, whatever the umask."""
    if folder.is_dir():
        return
    folder.mkdir(exist_ok=True)
    with suppress(OSError):  # there is no merchants file, or it is another group's
        like = os.stat(path)
        readers = like.st_mode & (stat.S_IRGRP | stat.S_IROTH)
        os.chown(folder, -1, like.st_gid)
        folder.chmod(stat.S_IRWXU | readers | readers >> 2)


@contextmanager
def _locked(folder: Path, lines: Sequence[str]) -> Iterator[None]:
    try:
        lock = file_lock(folder / LOCK, timeout=_LOCK_SECONDS)
        lock.acquire()
    except Timeout:
        raise NotChanged(f"another command changes {folder.name} for more than {_LOCK_SECONDS:.0f} s", lines) from None
    except OSError as error:
        raise NotChanged(f"{folder.name} cannot be written: {error.strerror}", lines) from None
    try:
        yield
    finally:
        lock.release()


def _replace(file: Path, data: bytes, lines: Sequence[str], *, stood: bytes | None) -> None:
    """Replace a file whole; `stood` is what it must still hold, None: it must not be there."""
    draft = file.with_name(f".{file.name}.new")  # its name ends as none that is read
    try:
        mode = stat.S_IMODE(os.stat(file if stood is not None else file.parent).st_mode)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(handle, "wb") as opened:
            os.fchmod(handle, mode if stood is not None else mode & 0o666)
            old = os.stat(file if stood is not None else file.parent)
            with suppress(OSError):  # only root may give a file away
                os.fchown(handle, old.st_uid if stood is not None else -1, old.st_gid)
            opened.write(data)
        if (file.read_bytes() if os.path.lexists(file) else None) != stood:
            raise NotChanged(f"{file.name} was changed meanwhile; try again", lines)
        replace_durably(draft, file)
    except OSError as error:
        raise NotChanged(
            f"{file.name} is not changed: {error.strerror or 'the disk does not take it'}", lines
        ) from None
    finally:
        draft.unlink(missing_ok=True)
