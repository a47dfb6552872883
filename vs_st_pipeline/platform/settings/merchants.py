"""Reads the merchants file, which says which merchants to sync, and checks it strictly before anything is called.

Data flow: `merchants.yaml` and `merchants.d/*.yaml` + environment -> `MerchantsFile` (the usable merchants, and the bad
ones with their errors).

Which sections and routes there are is told from above (`House`): this module knows no system and no route. `defaults`
are checked first, where they stand. Then an entry's own values are laid over them, and each section is checked by its
model, whose own defaults are the built-in values. Of the secrets only those that are left after that are read, and only
for merchants that are enabled: a winery that left may have taken its keys with it.

A fault in what only some routes use spoils these routes, and no other route of the merchant (routes.md R1).

It is long because the reader keeps apart what may be wrong with a file, with an entry, and with a part of an entry.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, NoReturn
from zoneinfo import ZoneInfo

from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.platform.settings.forms import (
    FIRST_YEAR,
    LAST_YEAR,
    Flag,
    Form,
    Reading,
    Text,
    TimeZone,
    Wait,
    read_duration,
)
from vs_st_pipeline.platform.settings.model import (
    M,
    Off,
    SettingsModel,
    fault_in,
    keys_of,
    missing,
    required,
    validate,
)
from vs_st_pipeline.platform.settings.shared import SharedAccount, SharedAccounts, SharedSection
from vs_st_pipeline.platform.settings.webhooks import Webhooks, WebhookSettings, read_webhooks
from vs_st_pipeline.platform.settings.yaml_source import (
    ROUTE,
    Node,
    SettingsFault,
    first_of,
    load_with_lines,
    read_with_lines,
)

ID_FORM = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
SHORTEST_KEEPING = timedelta(days=90)
_NO_ID = "this merchant has no id; add one of a-z, 0-9 and -, such as `id: hillside-cellars`"
_NOBODY = "no merchant is listed; add one, such as `- id: hillside-cellars`"
_MORE_FILES = "merchants.d"


def _id(node: Node, reading: Reading | None = None) -> str:
    written = node.text()
    if not ID_FORM.fullmatch(written):
        raise node.problem("an id is 1-63 of a-z, 0-9 and -, no - first, such as hillside-cellars")
    return written


def _keeping(node: Node, reading: Reading) -> timedelta | None:
    expected = "always, or a duration of 90d or more"
    if node.written(expected) == "always":
        return None
    duration = read_duration(node)
    if duration < SHORTEST_KEEPING:  # what was deleted would be read, and deleted, again and again
        raise node.problem(f"expected {expected}: orders of the last 90 days are compared with the shop's again")
    return duration


def _route_names(node: Node, reading: Reading) -> frozenset[str]:
    return frozenset(item.choice(reading.routes) for item in node.items())


class Entry(SettingsModel):
    """The keys of an entry that belong to the merchant, whatever its routes.

    Attributes:
        id: names it on the command line, in Dagster and in the data folder; it stays for good.
        name: for people; left out: its id.
        enabled: if false, nothing is called for it.
        time_zone: in which its dates are told.
        give_up_after: how long a call is tried again before the sync ends with `try_later`.
        keep_raw_bodies: after what time answers are deleted that nothing needs any more.
        paused: routes that do nothing for now; their settings are still checked.
        webhooks: whether hints are taken, how many, and what a system's calls prove themselves by.
    """

    id: Annotated[str, Form(_id, "an id", absent=_NO_ID)]
    name: Text = ""
    enabled: Flag = True
    time_zone: TimeZone = ZoneInfo("America/Los_Angeles")
    give_up_after: Wait = timedelta(seconds=60)
    keep_raw_bodies: Annotated[timedelta | None, Form(_keeping, "always, or a duration of 90d or more")] = None
    paused: Annotated[frozenset[str], Form(_route_names, "a list of routes")] = frozenset()
    webhooks: Webhooks = WebhookSettings()


@dataclass(frozen=True, slots=True)
class Section:
    """A part of an entry that a system or a route owns.

    Attributes:
        name: its key, and the name of its system or route.
        has_hooks: it is a system that can call us by webhooks.
    """

    name: str
    model: type[SettingsModel]
    has_hooks: bool = False


@dataclass(frozen=True, slots=True)
class RouteNeeds:
    """What an entry must name for a merchant to have a route.

    Attributes:
        name: of the route.
        needs: names of sections; of each set one will do.
        top_level: name of the section whose keys stand in the entry itself, if the route has such keys.
    """

    name: str
    needs: tuple[frozenset[str], ...]
    top_level: str | None = None


@dataclass(frozen=True)
class House:
    """The sections that an entry may have, and the routes that they make.

    Attributes:
        shared: accounts that several merchants share, at the top of the file.
    """

    sections: tuple[Section, ...]
    routes: tuple[RouteNeeds, ...]
    shared: tuple[SharedSection, ...] = ()

    @functools.cached_property
    def keys(self) -> tuple[str, ...]:
        """Return all keys that an entry may have."""
        parts = [keys_of(model) if model.top_level else (name,) for name, model in self.models.items()]
        return (*keys_of(Entry), *(key for part in parts for key in part))

    @functools.cached_property
    def models(self) -> dict[str, type[SettingsModel]]:
        """Return the models of the sections that an entry may name, by name."""
        return {one.name: one.model for one in self.sections if not one.model.implied}


@dataclass(frozen=True, slots=True)
class Merchant:
    """One merchant as its entry and the defaults say.

    Attributes:
        id: `[a-z0-9-]`, 1-63 characters, no `-` first; the partition key.
        enabled: if false, its systems are never called, and its secrets are not read.
        give_up_after: how long all tries of one request may take together; above zero.
        keep_raw_bodies: how long raw bodies that nothing needs any more are kept whole; None: always.
        webhooks: whether and how systems call us.
        routes: names of the routes that are on, as far as the entry says: neither paused nor off today nor at fault.
            Whether the merchant is `enabled` is another question.
        paused: names of the routes that the entry has and pauses.
        off: by name, why a route that the entry has is off on the day on which the file was read.
        faults: by name, why a route that the entry has cannot be used.
        sections: the settings of each section that the entry names and that can be used, by name.
        doubts: sentences about what is right but may not be intended.
    """

    id: str
    name: str
    enabled: bool = True
    time_zone: ZoneInfo = ZoneInfo("America/Los_Angeles")
    give_up_after: timedelta = timedelta(seconds=60)
    keep_raw_bodies: timedelta | None = None
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)
    routes: tuple[str, ...] = ()
    paused: frozenset[str] = frozenset()
    off: Mapping[str, Off] = field(default_factory=dict)
    faults: Mapping[str, BadSettings] = field(default_factory=dict)
    sections: Mapping[str, SettingsModel] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()
    _unusable: Mapping[type[SettingsModel], BadSettings] = field(default_factory=dict, compare=False, repr=False)

    def section(self, model: type[M]) -> M:
        """Return the settings of the section that this model describes.

        Raises:
            BadSettings: the entry has the section, and it cannot be used.
            LookupError: the entry does not have it; who asks has a route that needs it, or asks `has` first.
        """
        for settings in self.sections.values():
            if type(settings) is model:
                return settings
        if (fault := self._unusable.get(model)) is not None:
            raise fault
        raise LookupError(f"{self.id} has no settings of {model.__name__}")

    def has(self, model: type[SettingsModel]) -> bool:
        """Say whether the entry has this section and it can be used."""
        return any(type(settings) is model for settings in self.sections.values())

    def names(self, model: type[SettingsModel]) -> bool:
        """Say whether the entry names this section, also where it cannot be used."""
        return self.has(model) or model in self._unusable


@dataclass(frozen=True, slots=True)
class Sketch:
    """What a broken entry says all the same: enough to know which webhooks are its own (H14).

    Attributes:
        enabled: false only where it says so.
        sections: names of those that it names.
    """

    enabled: bool
    webhooks: WebhookSettings
    sections: frozenset[str]


@dataclass(frozen=True)
class BadMerchant:
    """An entry of the merchants file that cannot be used, or a file of `merchants.d` that cannot be read.

    Attributes:
        id: None where the entry has no well-formed one; of a duplicate, the id that a good merchant may bear. Of a file
            that cannot be read, its name without `.yaml` where that is an id that no entry has.
        line: where the entry begins, from 1.
        error: what is wrong; its message names file and line.
        name: None where the entry has none.
        whole_file: it is a file: which merchants it lists is not known.
        sketch: what can be read of the entry; None where its `webhooks` cannot be.
        routes: names of those that it means, in the order of the table; empty where that is not known.
    """

    id: str | None
    line: int
    error: BadSettings
    name: str | None = None
    whole_file: bool = False
    sketch: Sketch | None = None
    routes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MerchantsFile:
    """What the merchants file says, in its order; `merchants` holds the disabled ones too.

    Attributes:
        shared: the accounts at its top that several merchants may share, the bad ones too.
        knows_shared: all of them are known: what stands at the top can be read.
    """

    path: Path
    merchants: tuple[Merchant, ...]
    bad: tuple[BadMerchant, ...] = ()
    shared: tuple[SharedAccount, ...] = ()
    knows_shared: bool = True

    @functools.cached_property
    def _by_id(self) -> dict[str, Merchant]:
        return {merchant.id: merchant for merchant in self.merchants}

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the ids of the good merchants, disabled ones too."""
        return tuple(self._by_id)

    @property
    def enabled(self) -> tuple[Merchant, ...]:
        """Return the good merchants that are enabled, in the order of the file."""
        return tuple(merchant for merchant in self.merchants if merchant.enabled)

    @property
    def names_all(self) -> bool:
        """Say whether all merchants are known: no file of `merchants.d` was beyond reading."""
        return not any(bad.whole_file for bad in self.bad)

    def get(self, merchant_id: str) -> Merchant | None:
        """Return the good merchant of this id, or None."""
        return self._by_id.get(merchant_id)

    def bad_of(self, merchant_id: str) -> tuple[BadMerchant, ...]:
        """Return the bad entries of this id; there are some beside a good merchant where the id is there twice."""
        return tuple(bad for bad in self.bad if bad.id == merchant_id)


def read_merchants(
    path: Path,
    environ: Mapping[str, str],
    house: House,
    *,
    all_secrets: bool = False,
    secrets: bool = True,
    all_bad: bool = False,
    nobody: bool = False,
) -> MerchantsFile:
    """Read and check the merchants file (interface.md, section 2), and what lies in `merchants.d` beside it (R64).

    One bad merchant among good ones goes to `bad`; of a duplicate id, the second one does.

    Args:
        path: the file, or a folder of files; relative paths in a file are relative to its own folder.
        environ: where `env:NAME` secrets are looked up, and `VS_ST_NOW`, by which no date may lie in the future.
        house: the sections and routes that there are.
        all_secrets: read those of disabled merchants too.
        secrets: if false, no secret is read at all, only the form of their references is checked.
        all_bad: a file of which no merchant is usable is returned, too.
        nobody: and one that says in so many words that there is none: the last one has left.

    Raises:
        BadSettings: the file cannot be read at all, has an unknown key at the top or a fault in `defaults`,
            or no merchant is usable. The message names file and line.
    """
    files = _read_files(path, house)
    found = _read_entries(path, files, environ, house, all_secrets, secrets)  # a fault in `defaults` is told first
    if not (files.entries or files.unreadable):
        if nobody and files.says_nobody:
            return found
        raise files.nobody
    if not found.merchants and not all_bad:
        _refuse(list(found.bad))
    return found


def read_standing(path: Path, environ: Mapping[str, str], house: House, *, all_secrets: bool = False) -> MerchantsFile:
    """Read the same before there is a merchant, or a usable one: nothing there is no merchants.

    Args:
        path, environ, house, all_secrets: as in `read_merchants`.

    Raises:
        BadSettings: the file cannot be read at all, or has a fault at the top or in `defaults`.
    """
    if not os.path.lexists(path) and not _yaml_files(more_files(path)):
        return MerchantsFile(path, ())
    return _read_entries(path, _read_files(path, house), environ, house, all_secrets)


def _read_entries(
    path: Path, files: _Files, environ: Mapping[str, str], house: House, all_secrets: bool, secrets: bool = True
) -> MerchantsFile:
    reader = _EntryReader(house, environ, files.folders, files.top, all_secrets, secrets)
    good: list[Merchant] = []
    bad: list[BadMerchant] = []
    owners: dict[str, Node] = {}
    for entry in files.entries:
        merchant_id, name = _peek(entry, "id", _id), _peek(entry, "name", Node.text)
        try:
            # The first one owns the id even if it is bad: to take the second for it would be a guess.
            if merchant_id is not None and (first := owners.setdefault(merchant_id, entry)) is not entry:
                raise entry.problem(
                    f"id {merchant_id} is that of {_place(first, entry)} already; give this one its own"
                )
            good.append(reader.read(entry))
        except BadSettings as error:
            # Without the traceback: its frames hold the environment, secrets included, and some code may print them.
            sketch, means = reader.sketch(entry), reader.routes_of(entry)
            error = error.with_traceback(None)
            bad.append(BadMerchant(merchant_id, entry.line, error, name, sketch=sketch, routes=means))
    for stem, why in files.unreadable:
        merchant_id = stem if ID_FORM.fullmatch(stem) and stem not in owners else None
        bad.append(BadMerchant(merchant_id, _line_of(why), why.with_traceback(None), whole_file=True))
    return MerchantsFile(path, tuple(good), tuple(bad), reader.shared.all, not reader.shared.unread)


def is_enabled(path: Path, merchant_id: str) -> bool | None:
    """Say whether the merchants file enables this merchant, however broken the file is elsewhere; None: not in it.

    Raises:
        BadSettings: a file cannot be read as YAML, so that it cannot be said.
    """
    files = _read_files(path)
    for _, error in files.unreadable:
        raise error
    own = [entry for entry in files.entries if _peek(entry, "id", Node.text) == merchant_id]
    defaults = None if files.top is None else files.top.child("defaults")
    return any(_says_enabled(entry, defaults) for entry in own) if own else None


def more_files(path: Path) -> Path:
    """Return the folder that files of single merchants lie in; it need not be there (R64)."""
    return path if os.path.isdir(path) else path.parent / _MORE_FILES


def file_of_entry(path: Path, merchant_id: str) -> Path | None:
    """Return the file that a merchant's entry stands in, the first where there are several; None: in none.

    Raises:
        BadSettings: the merchants file cannot be read, or there is none; a file beside it that cannot is passed over.
    """
    own = more_files(path).absolute() / f"{merchant_id}.yaml"
    if _has_entry(own, merchant_id) and not _mentions(path, merchant_id):
        return own  # the usual place: of thousands of files the others are not read
    files = _read_files(path)
    for entry in files.entries:
        if _peek(entry, "id", Node.text) == merchant_id:
            return files.folders[entry.file] / Path(entry.file).name
    return None


def places_of_entries(path: Path) -> str:
    """Return where entries of merchants stand, for people: the file or folder, and `merchants.d` where that has any."""
    beside = path.parent / _MORE_FILES
    has_more = not path.is_dir() and any(beside.glob("*.yaml"))
    return f"{path} or {beside}" if has_more else str(path)


def place_of_entry(path: Path, merchant_id: str) -> str:
    """Return the file and the line that a merchant's entry stands at, as errors name them; the file, if it has none.

    Raises:
        BadSettings: the merchants file cannot be read, or there is none.
    """
    for entry in _read_files(path).entries:
        if _peek(entry, "id", Node.text) == merchant_id:
            return f"{entry.file}, line {entry.line}"
    return str(path)


def _has_entry(file: Path, merchant_id: str) -> bool:
    try:
        entries = _entries_of(read_with_lines(file)) if file.is_file() else []
    except BadSettings:
        return False
    return any(_peek(entry, "id", Node.text) == merchant_id for entry in entries)


def _mentions(path: Path, merchant_id: str) -> bool:
    """Say whether the merchants file, whose entries come first, may have an entry of this id."""
    try:
        return path.is_file() and merchant_id.encode() in path.read_bytes()
    except OSError:
        return True


def read_draft(
    path: Path, environ: Mapping[str, str], house: House, file: Path, text: str, *, all_secrets: bool = False
) -> list[Merchant]:
    """Read what a file beside the merchants file would say, with the defaults of that one.

    Args:
        path, environ, house, all_secrets: as in `read_merchants`. file: what the draft is for; it need not be there.

    Raises:
        BadSettings: an entry cannot be used; the message names file and line.
    """
    folders, top = {}, None
    if not os.path.isdir(path) and os.path.lexists(path):
        top = _top_of(path, _stamp(path))
        folders[top.file] = path.absolute().parent
    name = f"{file.absolute().parent.name}/{file.name}"
    folders[name] = file.absolute().parent
    reader = _EntryReader(house, environ, folders, top, all_secrets, True)
    return [reader.read(entry) for entry in _entries_of(load_with_lines(text, name))]


@functools.lru_cache(maxsize=2)
def _top_of(path: Path, stamp: object) -> Node:
    """Return a merchants file whole; a table of new merchants asks for its defaults with each of them."""
    return read_with_lines(path)


def _read_top(path: Path) -> Node:
    try:
        return read_with_lines(path)
    except BadSettings as error:
        if os.path.lexists(path):
            raise
        told = "; copy merchants.example.yaml there, or say in VS_ST_MERCHANTS where the merchants file is"
        raise BadSettings(error.message + told) from None


def _stamp(path: Path) -> object:
    """Return what is another thing once the file was changed."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _says_enabled(*nodes: Node | None) -> bool:
    for node in nodes:
        if node is not None and (said := node.child("enabled")) is not None:
            return _is_true(said)
    return True


def _is_true(said: Node | None) -> bool:
    """Return what is written, true where nothing is, or nothing that can be meant."""
    try:
        return said is None or said.boolean()
    except BadSettings:
        return True


def _refuse(bad: list[BadMerchant]) -> NoReturn:
    shown = "; ".join(entry.error.message for entry in bad[:5])
    more = f"; and {len(bad) - 5} more" if len(bad) > 5 else ""
    raise BadSettings(f"{shown}{more}{'' if f'{shown}{more}'.endswith('?') else '.'} No merchant of the file is usable")


def _peek(entry: Node, key: str, read: Callable[[Node], str]) -> str | None:
    """Return what stands under `key` if it is well-formed, even where the rest of the entry is broken."""
    child = entry.child(key)
    try:
        return None if child is None else read(child)
    except BadSettings:
        return None


# --- the files ---


@dataclass(slots=True)
class _Files:
    """What the files hold, not checked yet.

    Attributes:
        top: the merchants file itself; None where there is none.
        folders: by the name that messages give a file, its folder.
        unreadable: files of `merchants.d` by their names without `.yaml`, and why they cannot be read.
        nobody: says where a merchant is to be added, if there is none.
        says_nobody: that there is none is what is written, and not what is left of a file that was cut or moved.
    """

    nobody: BadSettings
    says_nobody: bool = False
    top: Node | None = None
    entries: list[Node] = field(default_factory=list)
    folders: dict[str, Path] = field(default_factory=dict)
    unreadable: list[tuple[str, BadSettings]] = field(default_factory=list)


def _read_files(path: Path, house: House | None = None) -> _Files:
    """Read the files; without a house only what is asked of entries, whatever else stands at the top."""
    files = _Files(BadSettings(f"{path}: {_NOBODY}"))
    folder = more_files(path)
    # Each merchant may have a file of its own, so the merchants file itself need not be there.
    if folder is not path and (os.path.lexists(path) or not _yaml_files(folder)):
        top = _read_top(path)
        files.folders[top.file] = path.absolute().parent
        known = ("defaults", "merchants", *(one.key for one in house.shared)) if house is not None else ()
        parts = top.mapping(known) if known else top.children()
        files.top = top
        files.entries += parts["merchants"].items(whole=True) if "merchants" in parts else []
        files.nobody = parts.get("merchants", top).problem(_NOBODY)
        listed = parts.get("merchants")
        files.says_nobody = bool(parts) and folder.is_dir() if listed is None else not listed.is_null()
    for file in _yaml_files(folder):
        name = f"{folder.absolute().name}/{file.name}"
        files.folders[name] = file.absolute().parent
        try:
            if file.exists() and not (file.is_file() or file.is_dir()):  # a pipe would be waited for, by all merchants
                raise BadSettings(f"{file} cannot be read: not a regular file")
            files.entries += _entries_of(read_with_lines(file, name))
        except BadSettings as error:
            files.unreadable.append((file.name.removesuffix(".yaml"), error))
    return files


def _yaml_files(folder: Path) -> list[Path]:
    """Return the files of a folder in the order of their names; one that is being written begins with a dot."""
    try:
        found = [Path(entry) for entry in os.scandir(folder) if entry.name.endswith(".yaml") and entry.name[0] != "."]
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return []
    except OSError as error:
        raise BadSettings(f"{folder} cannot be read: {error.strerror}") from None
    return sorted(found, key=lambda one: one.name)


def _entries_of(top: Node) -> list[Node]:
    if (defaults := top.child("defaults")) is not None:
        raise defaults.problem("a file of this folder has no defaults; write them in the merchants file")
    parts = top.mapping(("merchants",))
    return parts["merchants"].items(whole=True) if "merchants" in parts else []


def _line_of(error: BadSettings) -> int:
    return error.line if isinstance(error, SettingsFault) else 1


# --- one entry ---


class _EntryReader:
    """Reads entries with the same defaults."""

    def __init__(
        self,
        house: House,
        environ: Mapping[str, str],
        folders: Mapping[str, Path],
        top: Node | None,
        all_secrets: bool,
        secrets: bool,
    ) -> None:
        self._house, self._all_secrets, self._secrets, self._now = house, all_secrets, secrets, _now(environ)
        form_only = Reading(
            environ,
            folders,
            routes=tuple(route.name for route in house.routes),
            hook_systems=tuple(one.name for one in house.sections if one.has_hooks),
        )
        self.shared = SharedAccounts.of(house.shared, top, form_only)
        self._form_only = replace(form_only, shared=self.shared)
        # By what is claimed: the entry, and where in it.
        self._claimed: dict[tuple[str, ...], tuple[Node, Node]] = dict(self.shared.claimed)
        others = (model for model in house.models.values() if model.top_level)
        self._top_level: tuple[type[SettingsModel], ...] = (Entry, *others)
        defaults = None if top is None else top.child("defaults")
        self._defaults = {} if defaults is None else self._checked(defaults)

    def _checked(self, defaults: Node) -> dict[str, Node]:
        """Return what `defaults` say; a fault in them is in every merchant, so it refuses the file."""
        for key in ("id", "name"):
            if (child := defaults.child(key)) is not None:
                raise child.problem("this is a merchant's own; delete it from `defaults`")
        said = defaults.mapping([key for key in self._house.keys if key not in ("id", "name")])
        found = [fault_in(model, _laid(model, said, {}), defaults, self._form_only) for model in self._top_level]
        models = self._house.models
        found += [fault_in(models[key], node, node, self._form_only) for key, node in said.items() if key in models]
        if faults := [fault for fault in found if fault is not None]:
            raise first_of(faults)
        return said

    def read(self, entry: Node) -> Merchant:
        """Return the merchant of an entry.

        Raises:
            BadSettings: no route of it can be used; of several faults the one that is to be mended first.
        """
        own = entry.mapping(self._house.keys)
        wrong: list[SettingsFault] = []
        base, reading = None, self._form_only
        try:
            base = validate(Entry, _laid(Entry, own, self._defaults), entry, reading)
            reading = self._reading(base)
        except SettingsFault as error:  # the sections are looked at all the same: what comes first in the file is told
            wrong.append(error)
        named = {name for name in self._house.models if name in own}
        had = self._had(named)
        begun = [route for route in self._house.routes if route.name in named and route not in had]
        sections, faults = self._sections(entry, own, named | {route.top_level or "" for route in had}, reading)
        self._compare(entry, own, sections, faults, _says_enabled(entry) if base is None else base.enabled)
        if not had:
            wrong.append(self._lacks(entry, self._nearest(named), named))
        if base is None or not had:
            raise first_of([*wrong, *faults.values()])
        at_fault = {route.name: fault for route in had if (fault := _fault_of(route, named, faults)) is not None}
        for route in begun:  # who names a route's own section means the route: what it lacks fails it
            at_fault[route.name] = first_of([*_faults_of(route, named, faults), self._lacks(entry, route, named)])
        for found in list(sections.values()):
            sections.update(found.implications())
        off = self._off(base, had, sections)
        meant = [*had, *begun]
        if len(at_fault) == len(meant) and at_fault.keys() - base.paused - off.keys():  # what is at rest fails nothing
            _raise_all(at_fault.values())
        on = [route for route in had if route.name not in {*at_fault, *base.paused, *off}]
        return Merchant(
            base.id,
            base.name or base.id,
            base.enabled,
            base.time_zone,
            base.give_up_after,
            base.keep_raw_bodies,
            base.webhooks,
            routes=tuple(route.name for route in on),
            paused=base.paused & {route.name for route in meant},
            off=off,
            faults={name: fault.with_traceback(None) for name, fault in at_fault.items()},
            sections=sections,
            doubts=(*self._doubts(own, named, had, faults), *self._doubts_of_routes(had, sections)),
            _unusable=self._unusable(faults),
        )

    def _unusable(self, faults: Mapping[str, SettingsFault]) -> dict[type[SettingsModel], BadSettings]:
        """Return why sections cannot be used, by their models; what one of them implies cannot be either."""
        found: dict[type[SettingsModel], BadSettings] = {}
        for name, fault in faults.items():
            model = self._house.models[name]
            for one in (model, *model.implies.values()):
                found[one] = fault.with_traceback(None)
        return found

    def routes_of(self, entry: Node) -> tuple[str, ...]:
        """Return the routes that an entry means, however broken it is: that it has or begins, else the nearest."""
        try:
            named = set(entry.children()) & self._house.models.keys()
        except BadSettings:
            return ()
        had = self._had(named)
        meant = tuple(route.name for route in self._house.routes if route in had or route.name in named)
        return meant or ((self._nearest(named).name,) if named else ())

    def _had(self, named: set[str]) -> list[RouteNeeds]:
        return [route for route in self._house.routes if all(not need.isdisjoint(named) for need in route.needs)]

    def sketch(self, entry: Node) -> Sketch | None:
        """Return what can be read of an entry that cannot be used."""
        try:
            own = entry.children()
            webhooks = own["webhooks"].over(self._defaults.get("webhooks")) if "webhooks" in own else None
            webhooks = self._defaults.get("webhooks") if webhooks is None else webhooks
            said = WebhookSettings() if webhooks is None else read_webhooks(webhooks, self._form_only)
        except BadSettings:
            return None
        enabled = own.get("enabled", self._defaults.get("enabled"))
        named = frozenset(own) & self._house.models.keys()
        implied = {one for name in named for one in self._house.models[name].implies}
        return Sketch(_is_true(enabled), said, named | implied)

    def _reading(self, base: Entry) -> Reading:
        now = self._now
        today = max(now.astimezone(UTC).date(), now.astimezone(base.time_zone).date())
        return replace(
            self._form_only,
            merchant=base.id,
            today=today,
            secrets=self._secrets and (base.enabled or self._all_secrets),
        )

    def _off(self, base: Entry, had: Sequence[RouteNeeds], sections: Mapping[str, SettingsModel]) -> dict[str, Off]:
        """Return why routes are off today, by name: whose own settings say so (`SettingsModel.off_because`)."""
        today: date = self._now.astimezone(base.time_zone).date()
        found = {route.name: sections[route.name].off_because(today) for route in had if route.name in sections}
        return {name: off for name, off in found.items() if off is not None}

    def _doubts_of_routes(self, had: Sequence[RouteNeeds], sections: Mapping[str, SettingsModel]) -> Iterator[str]:
        for route in had:
            if route.name in sections:
                yield from sections[route.name].doubts()

    def _sections(
        self, entry: Node, own: Mapping[str, Node], wanted: set[str], reading: Reading
    ) -> tuple[dict[str, SettingsModel], dict[str, SettingsFault]]:
        """Return the sections of an entry by name, and what is wrong with those that cannot be used."""
        named = self._house.models.keys() & own.keys()
        sections: dict[str, SettingsModel] = {}
        faults: dict[str, SettingsFault] = {}
        for name, model in self._house.models.items():
            try:
                if model.top_level:
                    values = _laid(model, own, self._defaults)
                    if name not in wanted and values.keys().isdisjoint(own):
                        continue
                    node, found = entry, validate(model, values, entry, reading)
                elif name in wanted:
                    node = own[name].over(self._defaults.get(name))
                    found = validate(model, node, node, reading)
                else:
                    continue
                found.check_entry(node, named)
                sections[name] = found
            except SettingsFault as fault:
                faults[name] = fault
        return sections, faults

    def _compare(
        self,
        entry: Node,
        own: Mapping[str, Node],
        sections: dict[str, SettingsModel],
        faults: dict[str, SettingsFault],
        enabled: bool,
    ) -> None:
        """Take out the sections that do not fit others of the entry, or have what an enabled merchant has before.

        What an entry has is its own even where the entry is broken elsewhere: once that is mended, it counts again.
        """
        sound = dict(sections)
        for name, found in sound.items():
            if not found.looks_beside:
                continue
            node = entry if found.top_level else own[name].over(self._defaults.get(name))
            try:
                found.check_beside(node, sound)
                for claim in found.claims(sound):
                    if not (enabled or claim.whoever):
                        continue
                    at = _deepest(own, claim.where) or node
                    if (first := self._claimed.setdefault(claim.key, (entry, at))) and first[0] is not entry:
                        why = "it may stand once" if claim.whoever else "two enabled merchants may not share one"
                        raise at.problem(f"this {claim.says} is that of {_place(first[1], at)} already; {why}")
            except SettingsFault as fault:
                faults[name] = fault
                del sections[name]

    # --- what an entry lacks, and what it has for nothing ---

    def _nearest(self, named: set[str]) -> RouteNeeds:
        """Return the route that lacks the fewest sections; of equals the one that has the most."""

        def lacks(route: RouteNeeds) -> tuple[int, int]:
            there = sum(bool(need & named) for need in route.needs)
            return len(route.needs) - there, -there

        return min(self._house.routes, key=lacks)

    def _lacks(self, entry: Node, route: RouteNeeds, named: set[str]) -> SettingsFault:
        """Return the fault that an entry has no route, with what it lacks for this one."""
        if not named and len(self._house.routes) > 1:
            routes = "; ".join(f"{one.name}: {self._in_words(one.needs)}" for one in self._house.routes)
            return entry.problem(f"this merchant has no route; add the sections of one ({routes})", ROUTE)
        need = next(need for need in route.needs if not need & named)
        # Who wrote a section need not know that it means a route, which needs others besides.
        asks = [f"`{name}`" for name in self._house.models if name in named and any(name in one for one in route.needs)]
        are = "is" if len(asks) == 1 else "are"
        because = f" (the entry's {' and '.join(asks)} {are} of route {route.name}, which needs it)" if asks else ""
        if len(need) > 1:
            return entry.problem(f"{self._in_words((need,))} is missing{because}", ROUTE)
        (name,) = need
        model, default = self._house.models[name], self._defaults.get(name)
        there = {} if default is None else default.children()
        for key, form in required(model):
            if key not in there:
                return missing(entry, f"{name}.{key}", form, ROUTE, because)
        why = "; what `defaults` say of it switches nothing on" if default is not None else ""
        return entry.problem(f"{name} is missing{why}; write `{name}: {{}}`{because}", ROUTE)

    def _in_words(self, needs: Iterable[frozenset[str]]) -> str:
        return ", ".join(" or ".join(name for name in self._house.models if name in need) for need in needs)

    def _doubts(
        self, own: Mapping[str, Node], named: set[str], had: Sequence[RouteNeeds], faults: Mapping[str, SettingsFault]
    ) -> Iterator[str]:
        """Yield a sentence for each key of an entry that no route of the merchant uses, in the order of the file."""
        used = {name for route in had for need in route.needs for name in need} | {route.top_level for route in had}
        top = {key: name for name, model in self._house.models.items() if model.top_level for key in keys_of(model)}
        for key in own:
            name = top.get(key, key)
            if name in used or name not in self._house.models:
                continue
            others = [one for one in self._house.routes if one.top_level == name or any(name in n for n in one.needs)]
            lacks = [f"{one.name} needs {self._in_words(n for n in one.needs if not n & named)} too" for one in others]
            yield own[key].problem("; ".join(["no route of this merchant uses this", *lacks])).message
        yield from (fault.message for name, fault in faults.items() if name not in used)
        for item in own["paused"].items() if "paused" in own else []:
            if item.text() not in {route.name for route in had}:
                yield item.problem("this merchant does not have this route").message


def _place(node: Node, seen_from: Node) -> str:
    """Return where something stands, as a message about another place names it."""
    return f"line {node.line}" if node.file == seen_from.file else f"{node.file}, line {node.line}"


def _deepest(own: Mapping[str, Node], where: Sequence[str | int]) -> Node | None:
    """Return the node that these keys lead to in an entry, as far as they are written there."""
    found = own.get(str(where[0]))
    for key in where[1:]:
        if found is None:
            return None
        if isinstance(key, int):  # what stands in `defaults` is not written in the entry
            items = found.items() if found.is_list() else ()
            found = items[key] if key < len(items) else found
        else:
            found = found.child(key) or found
    return found


def _laid(model: type[SettingsModel], own: Mapping[str, Node], under: Mapping[str, Node]) -> dict[str, Node]:
    """Return what an entry says for a model whose keys stand in the entry itself, laid over what `defaults` say."""
    keys = keys_of(model)
    laid = {key: under[key] for key in keys if key in under}
    laid.update((key, own[key].over(under.get(key))) for key in keys if key in own)
    return laid


def _fault_of(route: RouteNeeds, named: set[str], faults: Mapping[str, SettingsFault]) -> SettingsFault | None:
    """Return why a route cannot be used: a section of its own that the entry names is not sound (routes.md R1).

    Also where another section would do in its place: who names several destinations means all of them, and one that is
    quietly left out would be missed by nobody.
    """
    wrong = _faults_of(route, named, faults)
    return first_of(wrong) if wrong else None


def _faults_of(route: RouteNeeds, named: set[str], faults: Mapping[str, SettingsFault]) -> list[SettingsFault]:
    used = {name for need in route.needs for name in need} & named
    wrong = [fault for name, fault in faults.items() if name in used]
    if route.top_level is not None and route.top_level in faults:
        wrong.append(faults[route.top_level])
    return wrong


def _raise_all(faults: Iterable[SettingsFault]) -> NoReturn:
    each = {part.message: part for fault in faults for part in (fault.parts or (fault,))}
    first, *others = sorted(each.values(), key=lambda fault: fault.order)
    if not others:
        raise first
    raise BadSettings("; ".join(fault.message for fault in (first, *others)))


def _now(environ: Mapping[str, str]) -> datetime:
    """Return `VS_ST_NOW`, else the clock's time; `environment.now` refuses one that is not a time."""
    try:
        moment = datetime.fromisoformat(environ.get("VS_ST_NOW", "").strip())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return datetime.now(UTC)
    return moment if FIRST_YEAR <= moment.year <= LAST_YEAR else datetime.now(UTC)
