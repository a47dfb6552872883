"""Keeps the keys that people gave: `secrets/ID/NAME` beside the merchants file, for their owner alone.

Folders are 0700 and files 0600, whatever the umask. A link is refused, wherever it stands: what it leads to could be
read or replaced by somebody else. A key is written whole or not at all.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.atomic_file import replace_durably
from vs_st_pipeline.platform.settings.merchants import more_files

FOLDER: Final = "secrets"
_REFUSED: Final = ".refused-"  # how a file begins that says that a system refused the keys here
_MOST_BYTES: Final = 65_536


class KeyFiles:
    """The keys of one merchant.

    Args:
        path: the merchants file or folder, as `VS_ST_MERCHANTS` says.
    """

    def __init__(self, path: Path, merchant_id: str) -> None:
        self._top = more_files(path.absolute()).parent / FOLDER
        self.folder = self._top / merchant_id
        self._from = more_files(path.absolute())

    def reference(self, name: str) -> str:
        """Return the reference by which an entry in `merchants.d` names a key."""
        kept = self._top.parent.resolve() / FOLDER / self.folder.name / name
        return f"file:{os.path.relpath(kept, self._from.resolve())}"

    def read(self, name: str) -> str | None:
        """Return a key, outer blanks stripped; None where there is none.

        Raises:
            BadSettings: a link or something else stands there, or it cannot be read.
        """
        if not self._is_there():
            return None
        try:
            handle = os.open(self.folder / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(name, error) from None
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise BadSettings(f"{self._shown(name)} is not a regular file; remove it")
            if stat.S_IMODE(os.fstat(handle).st_mode) != 0o600:
                os.fchmod(handle, 0o600)
            return file.read(_MOST_BYTES).decode("utf-8-sig", errors="replace").strip() or None

    def write(self, name: str, value: str) -> None:
        """Keep a key; one that is there already is replaced.

        Raises:
            BadSettings: a link stands in the way, or the disk does not take it.
        """
        try:
            self._make()
            target = self.folder / name
            if os.path.lexists(target) and not stat.S_ISREG(os.lstat(target).st_mode):
                raise BadSettings(f"{self._shown(name)} is a link or no regular file; remove it")
            draft = self.folder / f".{name}.new"
            draft.unlink(missing_ok=True)
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with open(handle, "wb") as file:
                os.fchmod(handle, 0o600)
                file.write(value.encode("ascii") + b"\n")
            replace_durably(draft, target)
        except OSError as error:
            raise self._unusable(name, error) from None

    def refused(self, system: str) -> bool:
        """Say whether a system refused the keys that lie here: then they are asked for anew."""
        return self._is_there() and os.path.lexists(self.folder / f"{_REFUSED}{system}")

    def note_refused(self, system: str, *, refused: bool) -> None:
        """Note that a system refused the keys, or took them: a hint for the next prompt, which a disk may not take."""
        if not self._is_there():
            return
        note = self.folder / f"{_REFUSED}{system}"
        try:
            if refused:
                os.close(os.open(note, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600))
            else:
                note.unlink(missing_ok=True)
        except OSError:
            return

    def _is_there(self) -> bool:
        """Say whether the folders are there, which must be folders and no links."""
        for folder in (self._top, self.folder):
            try:
                mode = os.lstat(folder).st_mode
            except FileNotFoundError:
                return False
            except OSError as error:
                raise self._unusable("", error) from None
            if not stat.S_ISDIR(mode):
                raise BadSettings(f"{folder} is a link or no folder; remove it")
        return True

    def _make(self) -> None:
        for folder in (self._top, self.folder):
            if not os.path.lexists(folder):
                with suppress(FileExistsError):  # another row makes the common one at the same moment
                    folder.mkdir(mode=0o700)
        self._is_there()
        for folder in (self._top, self.folder):
            if stat.S_IMODE(folder.stat().st_mode) != 0o700:
                folder.chmod(0o700)
        self._ignore()

    def _ignore(self) -> None:
        """Keep the keys out of git, wherever the merchants file lies; what a person wrote there stays."""
        ignore = self._top / ".gitignore"
        if os.path.lexists(ignore) and os.lstat(ignore).st_size:
            return
        # Two rows write the same two bytes; a kill before they are there leaves an empty file, which says nothing.
        with open(os.open(ignore, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(b"*\n")

    def _shown(self, name: str) -> str:
        return str(self.folder / name)

    def _unusable(self, name: str, error: OSError) -> BadSettings:
        return BadSettings(f"{self._shown(name)} cannot be used ({error.strerror}): make it a file of yours, no link")
