"""Reads secrets by reference: one table of schemes, `env:NAME` and `file:PATH`, and an entry point for a secret store.

Data flow: a reference in the settings -> its scheme -> one line of plain ASCII, in a `Secret` that shows nowhere.

A package adds a scheme by an entry point of the group `vs_st_pipeline.secret_readers`: its name is the scheme, its
object a function that takes what stands after the colon and returns the value:

    entry_points={"vs_st_pipeline.secret_readers": ["vault = our_package:read_from_vault"]}

Then `api_token: vault:wineries/hillside` is read by `read_from_vault("wineries/hillside")`. It is called once for every
such reference each time the merchants file is read, and should remember for a while what it has read. An error
that it raises is told only by its type, with file and line, since its text may hold the value.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.yaml_source import LACK, Node

FORMS = "env:NAME or file:PATH"
GROUP = "vs_st_pipeline.secret_readers"
_MOST_BYTES = 65_536


class Secret:
    """A key whose value shows in no repr, str, format or `dataclasses.asdict`; only `reveal()` gives it.

    Not a dataclass, because `dataclasses.asdict` would take a dataclass apart.

    Attributes:
        reference: where it comes from, such as `env:NAME`.
    """

    __slots__ = ("_value", "reference")

    def __init__(self, value: str | None, reference: str) -> None:
        self._value = value
        self.reference = reference

    def reveal(self) -> str:
        """Return the value.

        Raises:
            BadSettings: it was not read, because the merchant is disabled.
        """
        if self._value is None:
            raise BadSettings(f"the secret {self.reference} was not read, because its merchant is disabled; enable it")
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.reference})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return (self._value, self.reference) == (other._value, other.reference)

    def __hash__(self) -> int:
        return hash((self._value, self.reference))


def digest(secret: Secret) -> str:
    """Return a text that is the same for secrets of one value (or reference, where none was read) and tells neither."""
    told = secret.reference if secret._value is None else secret._value
    return hashlib.sha256(told.encode()).hexdigest()


class SecretError(Exception):
    """Why a secret cannot be read, in words that hold nothing of it."""


@dataclass(frozen=True, slots=True)
class SecretContext:
    """What a scheme may look at: the environment, and the folder that relative paths start from."""

    environ: Mapping[str, str]
    folder: Path


@dataclass(frozen=True, slots=True)
class Provider:
    """One way of keeping secrets.

    Attributes:
        fault: returns what is wrong with the words after the colon, None where nothing is. It must not repeat them: the
            secret itself may stand there by mistake.
        read: returns the value behind these words; raises `SecretError`.
    """

    fault: Callable[[str], str | None]
    read: Callable[[str, SecretContext], str]


def read_reference(node: Node) -> str:
    """Return the reference at this place of the merchants file, its form checked and nothing read.

    Raises:
        BadSettings: it is none; the message names file and line, and never what is written there.
    """
    try:
        return parse_reference(node.written(FORMS))
    except SecretError as error:
        raise node.problem(str(error)) from None


def read_secret(node: Node, reference: str, folder: Path, environ: Mapping[str, str]) -> Secret:
    """Return the secret behind the reference at this place of the merchants file: one line of plain ASCII.

    Raises:
        BadSettings: it cannot be read or is no such line; the message names file and line, and never the value.
    """
    try:
        return Secret(resolve_secret(reference, folder, environ), reference)
    except SecretError as error:
        raise node.problem(str(error), LACK) from None


def parse_reference(written: str) -> str:
    """Return a reference in its plain form, outer blanks stripped; nothing is read.

    Raises:
        SecretError: it is none.
    """
    kind, _, rest = written.strip().partition(":")
    scheme, rest = _scheme(kind), rest.strip()
    if scheme is None:
        raise SecretError(f"a secret in clear is refused; write {FORMS}")
    if (fault := scheme.fault(rest)) is not None:
        raise SecretError(fault)
    return f"{kind}:{rest}"


def names_scheme(written: str) -> bool:
    """Say whether a text begins as a reference does, well-formed or not; any other text may be a secret itself."""
    kind, colon, _ = written.strip().partition(":")
    return bool(colon) and _scheme(kind) is not None


def resolve_secret(written: str, folder: Path, environ: Mapping[str, str]) -> str:
    """Return the value behind a reference that `parse_reference` returned: one line of plain ASCII.

    Args:
        folder: where relative paths start from.

    Raises:
        SecretError: there is none, or it is no such line.
    """
    kind, _, rest = written.partition(":")
    scheme = _scheme(kind)
    assert scheme is not None, "its form was checked"
    value = scheme.read(rest, SecretContext(environ, folder)).strip()
    if not value:
        where = f"set {rest}, such as by `.env`, for this process" if kind == "env" else "put the key there"
        raise SecretError(f"the secret {written} is empty; {where}")
    if not (value.isascii() and value.isprintable()):
        raise SecretError(f"the secret {written} must be one line of plain ASCII; put the key alone there")
    return value


# --- the schemes --------------------------------------------------------------------------------------------------


def _env_fault(name: str) -> str | None:
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        return None
    return "what follows env: is not the name of an environment variable (letters, digits and _)"


def _from_env(name: str, around: SecretContext) -> str:
    if name not in around.environ:
        raise SecretError(f"the environment variable {name} is not set; set it")
    return around.environ[name]


def _from_file(name: str, around: SecretContext) -> str:
    """Return the file's text; by `os`, because `pathlib` takes twice as long for thousands of merchants."""
    try:
        # Does not wait for a process that might write to a pipe.
        handle = os.open(os.path.join(around.folder, name), os.O_RDONLY | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise OSError(None, "not a regular file")
            data = os.read(handle, _MOST_BYTES)
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise SecretError(f"the secret file:{name} cannot be read: {reason}; put the key there, readable") from None
    # A strict decode would raise an error that carries the bytes; the caller refuses what is not ASCII in any case.
    return data.decode("utf-8-sig", errors="replace")


_SCHEMES = {
    "env": Provider(_env_fault, _from_env),
    "file": Provider(lambda path: None if path else "the path after file: is missing; write file:PATH", _from_file),
}
"""Every scheme that is built in; others come by entry points."""


@functools.lru_cache(maxsize=64)
def _scheme(kind: str) -> Provider | None:
    """Return the scheme of this name, or None; asks installed packages only if the name has the form of one."""
    if kind in _SCHEMES or not re.fullmatch(r"[a-z][a-z0-9+-]{1,30}", kind):
        return _SCHEMES.get(kind)
    for found in entry_points(group=GROUP, name=kind):
        return Provider(
            lambda rest: None if rest else f"nothing follows {kind}:", functools.partial(_from_outside, found)
        )
    return None


def _from_outside(found: EntryPoint, name: str, around: SecretContext) -> str:
    try:
        value = found.load()(name)
    except Exception as error:
        raise SecretError(f"the secret {found.name}:{name} cannot be read ({type(error).__name__})") from None
    if not isinstance(value, str):
        raise SecretError(f"the reader of {found.name}: gave no text")
    return value
