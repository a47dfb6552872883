"""Takes step `secrets`: where each key comes from, so that no key travels by chat, argument or log.

A key is, in this order: as `sections` say, a reference of the table, a value of the table, the file that keeps it, or
what a person types unseen. With `--secrets env` it is always an environment variable, whose name is printed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vs_st_pipeline import routes
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.operations.onboarding.table import SECTIONS, Row
from vs_st_pipeline.operations.onboarding.walk import ENV, FILE_SCHEME, Walk, anchored
from vs_st_pipeline.operations.settings import read_standing
from vs_st_pipeline.pipeline.onboarding import DONE, WAITING, StepResult, failed
from vs_st_pipeline.platform.connector import Connector, Key
from vs_st_pipeline.platform.settings.merchants import more_files
from vs_st_pipeline.platform.settings.secrets import SecretError, names_scheme, parse_reference, resolve_secret


@dataclass(slots=True)
class _Found:
    """What is known of the keys of one merchant.

    Attributes:
        references: `(system, setting)` -> reference. to_keep: file's name -> value that is to be written.
        lacking: what is not there, as a person is told. variables: names of environment variables that are not set.
    """

    references: dict[tuple[str, str], str]
    to_keep: dict[str, str]
    lacking: list[str]
    variables: list[str]


def take_secrets(walk: Walk) -> StepResult:
    """Find each key, and make the sections of the entry with references to them."""
    try:
        if walk.standing is not None:
            return _of_standing(walk)
        found = _find(walk)
        if found.variables:
            names = ", ".join(found.variables)
            return StepResult(WAITING, f"not set: {names}", f"set {names}, and run it again")
        if found.lacking:
            names = ", ".join(found.lacking)
            return StepResult(WAITING, f"not given: {names}", f"give {names} in --from FILE, or run it at a terminal")
        for name, value in found.to_keep.items():
            walk.key_files.write(name, value)
        _write_sections(walk, found)
        walk.go_on_with(walk.draft())
    except SecretError as error:
        return StepResult(WAITING, str(error), "put the key there, and run it again")
    except BadSettings as error:
        return failed(error)
    kept = "kept in files of their own" if found.to_keep else "found"
    return StepResult(DONE, f"{len(found.references)} {kept}" if found.references else "none is needed")


def _of_standing(walk: Walk) -> StepResult:
    """Leave the keys of an entry that stands as they are, but for those that lie here and were refused."""
    person, renewed = walk.place.person, []
    for connector, key in keys_of(walk) if person is not None else ():
        stands = getattr(walk.candidate.merchant.sections.get(connector.name), key.setting, None)
        if stands is None or stands.reference != walk.key_files.reference(key.column):
            continue
        kept, value = walk.key_files.read(key.column), _kept_or_asked(walk, connector, key)
        if value is not None and value != kept:
            walk.key_files.write(key.column, value)
            renewed.append(name_of(walk, key))
    if not renewed:
        return StepResult(DONE, "as the entry says")
    found = read_standing(walk.place.path, walk.place.environ, all_secrets=True).get(walk.id)
    if found is not None:
        walk.go_on_with(found)
    return StepResult(DONE, f"renewed: {', '.join(renewed)}")


def _find(walk: Walk) -> _Found:
    found = _Found({}, {}, [], [])
    for connector, key in keys_of(walk):
        place = (connector.name, key.setting)
        said, column = _section(walk.row, connector.name).get(key.setting), walk.row.columns.get(key.column)
        if said is not None:
            continue  # our reader reads it
        if column is not None and names_scheme(column):
            found.references[place] = _checked(reference_of(walk, column), walk)
        elif walk.options.secrets == ENV:
            name = variable(walk.id, key)
            found.references[place] = f"env:{name}"
            if not walk.place.environ.get(name, "").strip():
                found.variables.append(name)
        elif (value := column or _kept_or_asked(walk, connector, key)) is not None:
            found.references[place] = walk.key_files.reference(key.column)
            if value != walk.key_files.read(key.column):
                found.to_keep[key.column] = _one_line(value, name_of(walk, key))
        else:
            of_the_table = connector in routes.ROUTES[0].connectors
            found.lacking.append(key.column if of_the_table else f"{SECTIONS}.{connector.name}.{key.setting}")
    return found


def _kept_or_asked(walk: Walk, connector: Connector[Any], key: Key) -> str | None:
    kept, person = walk.key_files.read(key.column), walk.place.person
    refused = kept is not None and walk.key_files.refused(connector.name)
    if person is None or (kept is not None and not refused):
        return kept
    again = ", which was refused; Enter keeps it" if refused else ""
    while True:
        typed = person.ask_secret(f"{key.asks}{again}") or kept
        try:
            return typed and _one_line(typed, key.asks)
        except BadSettings as error:
            person.show(error.message)


def _one_line(value: str, name: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise BadSettings(f"{name} must be one line of plain ASCII: the key alone")
    return value


def _checked(reference: str, walk: Walk) -> str:
    """Return a reference behind which there is a key. Raises SecretError where there is none."""
    _resolved(walk, reference)
    return reference


def _write_sections(walk: Walk, found: _Found) -> None:
    entry = walk.candidate.entry
    assert entry is not None
    for connector in walk.connectors:
        entry[connector.name] = {
            **{setting: ref for (system, setting), ref in found.references.items() if system == connector.name},
            **_section(walk.row, connector.name),
        }
    for name, part in walk.row.sections.items():
        entry.setdefault(name, part)


def _section(row: Row, name: str) -> dict[str, Any]:
    part = row.sections.get(name)
    return dict(part) if isinstance(part, dict) else {}


def keys_of(walk: Walk) -> Iterator[tuple[Connector[Any], Key]]:
    """Yield the keys that the systems of a merchant's routes ask for."""
    for connector in walk.connectors:
        for key in connector.setup.keys if connector.setup else ():
            yield connector, key


def name_of(walk: Walk, key: Key) -> str:
    """Return how a key is named to who gives it: as it was asked for at a terminal, else its column of the table."""
    return key.column if walk.place.person is None or key.column in walk.row.columns else key.asks


def variable(merchant_id: str, key: Key) -> str:
    """Return the name of the environment variable that may hold a merchant's key."""
    name = f"{merchant_id.upper().replace('-', '_')}_{key.variable}"
    return name if not name[0].isdigit() else f"_{name}"  # a name cannot begin with a digit


def reference_of(walk: Walk, written: str) -> str:
    """Return a reference of the table as the entry has it: a relative path starts from the table's folder.

    Raises:
        SecretError: it is none.
    """
    reference = parse_reference(written)
    folder = walk.row.folder
    if (
        not reference.startswith(FILE_SCHEME)
        or folder is None
        or Path(reference.removeprefix(FILE_SCHEME)).is_absolute()
    ):
        return reference
    target = (folder / reference.removeprefix(FILE_SCHEME)).resolve()
    return f"{FILE_SCHEME}{os.path.relpath(target, more_files(walk.place.path).resolve())}"


def value_behind(walk: Walk, reference: str) -> str:
    """Return the key that a reference of the table names.

    Raises:
        SecretError: there is none.
    """
    return _resolved(walk, reference_of(walk, reference))


def _resolved(walk: Walk, reference: str) -> str:
    path = walk.place.path
    return resolve_secret(anchored(path, reference), path.absolute().parent, walk.place.environ)


def known_keys(walk: Walk) -> Iterator[tuple[str, str, str]]:
    """Yield the keys of a merchant that has no entry yet, as far as they are known before anybody is asked."""
    for connector, key in keys_of(walk):
        column = walk.row.columns.get(key.column)
        said = _section(walk.row, connector.name).get(key.setting)
        try:
            if isinstance(said, str):
                value: str | None = _resolved(walk, parse_reference(said))
            elif column is not None and names_scheme(column):
                value = value_behind(walk, column)
            elif walk.options.secrets == ENV:
                value = walk.place.environ.get(variable(walk.id, key), "").strip()
            else:
                value = column or walk.key_files.read(key.column)
        except (SecretError, BadSettings):
            continue
        if value:
            yield connector.name, key.setting, value
