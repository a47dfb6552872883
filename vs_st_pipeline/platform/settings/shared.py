"""Reads the accounts that several merchants share: they stand at the top of the merchants file, each under its own id.

Data flow: the top of the merchants file -> `SharedAccounts` -> the sections of entries that name an account.

A bad account spoils only those who use it (routes.md R1), so what is wrong with one is kept until somebody asks for it.
Its secrets are read only for an enabled merchant that names it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from vs_st_pipeline.platform.settings.forms import Reading
from vs_st_pipeline.platform.settings.model import keys_of, validate
from vs_st_pipeline.platform.settings.webhooks import SystemWebhooks
from vs_st_pipeline.platform.settings.yaml_source import Node, SettingsFault

ID_FORM = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


@dataclass(frozen=True, slots=True)
class SharedSection:
    """What may stand at the top of the file for one system.

    Attributes:
        key: at the top of the file. system: whose accounts they are.
        model: of one account; its own hook URL's generation and proofs stand in the account's mapping (R36, R10).
    """

    key: str
    system: str
    model: type[SystemWebhooks]


@dataclass(frozen=True, slots=True)
class SharedAccount:
    """An account at the top of the file.

    Attributes:
        settings: without secrets; None where it is bad. fault: what is wrong with it.
        webhooks: generation and proofs of its URL, which may be sound in a bad account; None where they are not.
    """

    id: str
    system: str
    settings: SystemWebhooks | None
    fault: SettingsFault | None = None
    webhooks: SystemWebhooks | None = None


@dataclass(slots=True)
class SharedAccounts:
    """The accounts at the top of one file.

    Attributes:
        claimed: what each has that may stand once in the file, and where: an entry that has it too is the later one.
    """

    sections: Sequence[SharedSection] = ()
    found: dict[tuple[str, str], SharedAccount] = field(default_factory=dict)
    claimed: dict[tuple[str, ...], tuple[Node, Node]] = field(default_factory=dict)
    _nodes: dict[tuple[str, str], Node] = field(default_factory=dict)
    _read: dict[tuple[str, str], SystemWebhooks] = field(default_factory=dict)
    _faults: dict[str, SettingsFault] = field(default_factory=dict)

    @classmethod
    def of(cls, sections: Sequence[SharedSection], top: Node | None, reading: Reading) -> SharedAccounts:
        """Return what the top of a file says; never raises.

        Args:
            reading: without secrets and without a merchant's day.
        """
        book = cls(sections)
        for section in sections:
            node = None if top is None else top.child(section.key)
            try:
                accounts = {} if node is None else node.children()
            except SettingsFault as fault:
                book._faults[section.key] = fault
                continue
            for name, account in accounts.items():
                book._add(section, name, account, reading)
        return book

    @property
    def unread(self) -> Collection[str]:
        """Return the keys at the top whose accounts are not known, because what stands there cannot be read."""
        return self._faults.keys()

    @property
    def all(self) -> tuple[SharedAccount, ...]:
        """Return all accounts, good and bad, in the order of the file."""
        return tuple(self.found.values())

    def find(self, key: str, name: Node, reading: Reading) -> tuple[SystemWebhooks, Node]:
        """Return the account that is named at a place of an entry, and where it stands.

        Args:
            reading: whose secrets are read decides whether the account's are.

        Raises:
            SettingsFault: there is none of this name, or it cannot be used.
        """
        if key in self._faults:
            raise self._faults[key]
        names = [known for section, known in self.found if section == key]
        written = name.text()
        if written not in names:
            there = f"there are {', '.join(names)}" if names else f"there is none under `{key}` at the top of the file"
            raise name.problem(f"no such account; {there}")
        place = key, written
        if (fault := self.found[place].fault) is not None:
            raise fault
        node, settings = self._nodes[place], self.found[place].settings
        assert settings is not None
        if reading.secrets:
            if place not in self._read:
                self._read[place] = validate(type(settings), node, node, replace(reading, today=None))
            settings = self._read[place]
        return settings, node

    def _add(self, section: SharedSection, name: str, node: Node, reading: Reading) -> None:
        place = section.key, name
        self._nodes[place] = node
        settings, fault, webhooks = None, None, None
        try:
            if not ID_FORM.fullmatch(name):
                raise node.problem("an account's id is 1-63 of a-z, 0-9 and -, no - first, such as our-house")
            webhooks = _webhooks(node, reading)
            settings = validate(section.model, node, node, reading)
            settings.check_entry(node, ())
            for claim in settings.claims({}):
                at = next((found for key in claim.where if (found := node.child(str(key))) is not None), node)
                if (first := self.claimed.setdefault(claim.key, (node, at)))[0] is not node:
                    raise at.problem(
                        f"this {claim.says} stands on line {first[1].line} already; it may stand once in the file"
                    )
        except SettingsFault as wrong:
            settings, fault = None, wrong
        self.found[place] = SharedAccount(name, section.system, settings, fault, webhooks)


def _webhooks(node: Node, reading: Reading) -> SystemWebhooks | None:
    said = {key: found for key in keys_of(SystemWebhooks) if (found := node.child(key)) is not None}
    try:
        return validate(SystemWebhooks, said, node, reading)
    except SettingsFault:
        return None
