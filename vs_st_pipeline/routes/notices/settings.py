"""The settings of this route, section `notices` of a merchant's entry (notices.md 2).

It is long because every key has a form of its own with a message that says what to write instead.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import time, timedelta
from typing import Annotated, ClassVar, Final, Literal

from pydantic import ConfigDict, Field

from vs_st_pipeline.connectors.gupshup.names import GUPSHUP
from vs_st_pipeline.connectors.gupshup.settings import (
    CLIENT,
    HOUSE,
    ChargesConfirmed,
    GupshupAccount,
    GupshupSettings,
    Number,
    read_installed,
)
from vs_st_pipeline.connectors.gupshup.template_settings import Answer, Said, TemplateSettings, Words, unknown_names
from vs_st_pipeline.connectors.gupshup.variables import NAMES
from vs_st_pipeline.domain.countries import is_country
from vs_st_pipeline.domain.errors import BadSettings
from vs_st_pipeline.domain.formats import counted
from vs_st_pipeline.platform.settings.forms import (
    Choice,
    DefaultOrFile,
    Flag,
    Form,
    ListOf,
    MappingOf,
    OrNull,
    OwnFile,
    PastDate,
    Reading,
    SecretValue,
    Text,
    Wait,
    Whole,
    read_duration,
    url_fault,
)
from vs_st_pipeline.platform.settings.model import Claim, SettingsModel, validate
from vs_st_pipeline.platform.settings.yaml_source import Node
from vs_st_pipeline.routes.notices import status_map
from vs_st_pipeline.routes.notices.words import ReplyOutcome

__all__ = ["ChargesConfirmed", "Said"]

OPT_IN_KINDS: Final = ("eshopbox_flag", "gupshup_event", "gupshup_list", "attestation")
UNEXPECTED: Final = (
    ReplyOutcome.NOT_UNDERSTOOD,
    ReplyOutcome.MEDIA,
    ReplyOutcome.UNSOLICITED,
    ReplyOutcome.NOT_FAILED_NOW,
    ReplyOutcome.ALREADY_ANSWERED,
    ReplyOutcome.NOT_OFFERED,
    ReplyOutcome.TOO_LATE,
    ReplyOutcome.AMBIGUOUS,
    ReplyOutcome.OTHER_PHONE,
)
"""The kinds of replies that lead to no action (8.5), as `exceptions` of a house account names them."""
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")


# --- forms ---


def _between(least: timedelta, most: timedelta, words: str) -> Form:
    def read(node: Node, reading: Reading) -> timedelta:
        found = read_duration(node)
        if not least <= found <= most:
            raise node.problem(f"expected a duration from {words}")
        return found

    return Form(read, f"a duration from {words}")


def _country(node: Node, reading: Reading) -> str:
    scalar = node.scalar()
    if isinstance(scalar, bool):
        raise node.problem('YAML reads this as true or false; quote the country: "NO"')
    written = node.text()
    if not is_country(written):
        raise node.problem("expected a country's two letters in capitals, such as IN")
    return written


def _countries(node: Node, reading: Reading) -> tuple[str, ...]:
    found = tuple(_country(item, reading) for item in node.items())
    if not found:
        raise node.problem("name at least one country whose phones may be messaged, such as IN")
    return found


def _kinds(node: Node, reading: Reading) -> tuple[str, ...]:
    found = tuple(item.choice(OPT_IN_KINDS) for item in node.items())
    if not found:
        raise node.problem(f"nobody could be messaged; write one or more of: {', '.join(OPT_IN_KINDS)}")
    return found


def _time(node: Node, reading: Reading) -> time:
    expected = 'a time in quotes, such as "21:00"'
    if (found := _TIME.fullmatch(node.written(expected))) is None:
        raise node.problem(f"expected {expected}")
    return time(int(found[1]), int(found[2]))


def _quiet_hours(node: Node, reading: Reading) -> object:
    if not node.is_mapping():
        if node.written("none, or {from, to, zone}") != "none":
            raise node.problem('expected none, or {from: "21:00", to: "08:00", zone: recipient}')
        return None
    found = validate(QuietHours, node, node, reading)
    if found.start == found.end:
        raise (node.child("to") or node).problem("`from` and `to` may not be the same; write `none` for no quiet hours")
    return found


def _push_url(node: Node, reading: Reading) -> str:
    written = node.text()
    if (fault := url_fault(written.partition("?")[0])) is not None:
        raise node.problem(fault)
    return written


def _accounts(node: Node, reading: Reading) -> tuple[GupshupAccount, ...]:
    found: dict[str, GupshupAccount] = {}
    for item in node.items():
        one = read_installed(item, reading)
        if one.kind in found:
            raise item.problem(f"there is an account of kind {one.kind} already; at most one of a kind")
        found[one.kind] = one
    return tuple(found.values())


def _samples(node: Node, reading: Reading) -> object:
    for key, child in node.children().items():
        if key not in NAMES:
            raise child.problem(f"there is no such variable; there are: {', '.join(NAMES)}")
    return node.children()


CountryCode = Annotated[str, Form(_country, "a country's two letters, such as IN")]
TimeOfDay = Annotated[time, Form(_time, 'a time in quotes, such as "21:00"')]


# --- parts ---


class NotificationSettings(SettingsModel):
    """One status's message.

    Attributes:
        template: for the client's account; with the house selected, the house's counts alone.
        max_age: None: 24h, `created` 12h. quiet_hours: `ignore` is for this one.
        enabled: nothing of this status is sent before somebody enables it.
    """

    enabled: Flag = False
    template: OrNull[TemplateSettings] = None
    max_age: OrNull[Annotated[timedelta, _between(timedelta(minutes=15), timedelta(days=7), "15m to 7d")]] = None
    quiet_hours: Choice[Literal["keep", "ignore"]] = "keep"


class QuietHours(SettingsModel):
    """When nobody is written: from, to (`HH:MM`), by the recipient's or the merchant's zone.

    Attributes:
        from, to: `HH:MM`. zone: whose clock.
    """

    model_config = ConfigDict(populate_by_name=True)

    start: TimeOfDay = Field(validation_alias="from")
    end: TimeOfDay = Field(validation_alias="to")
    zone: Choice[Literal["recipient", "merchant"]] = "recipient"


class Cap(SettingsModel):
    """How many notices one phone gets from one number in a rolling window.

    Attributes:
        messages: so many at most. window: in this time. exempt: statuses that no cap holds back.
    """

    messages: Annotated[int, Whole(1, 1_000_000)] = 6
    window: Annotated[timedelta, _between(timedelta(minutes=1), timedelta(days=30), "1m to 30d")] = timedelta(hours=24)
    exempt: ListOf[Text] = ("failed_delivery",)


class Attestation(SettingsModel):
    """Who says that customers opt in when they order, in which words, and since when.

    Attributes:
        text: what customers agree to. by: who says so. from: orders since then.
    """

    model_config = ConfigDict(populate_by_name=True)

    text: Text
    by: Text
    since: PastDate = Field(validation_alias="from")


class Unexpected(SettingsModel):
    """What a client answers to replies that lead to no action.

    Attributes:
        enabled: whether anything is answered. text, template: what is.
    """

    enabled: Flag = False
    text: OrNull[Words] = None
    template: OrNull[TemplateSettings] = None


class ActivitySettings(SettingsModel):
    """Where each row of activity is told. push_headers: by name; they may be keys, so they are references.

    Attributes:
        push_url: where. push_headers: by name, as references: they may be keys.
    """

    push_url: OrNull[Annotated[str, Form(_push_url, "a URL such as https://example.com/events")]] = None
    push_headers: MappingOf[SecretValue] = {}


class NoticesSettings(SettingsModel):
    """What may stand under `notices` in a merchant's entry.

    Attributes:
        accounts: the installed accounts, in the order of installation; a house account is looked up at the top.
        use: `auto` (the first of `accounts`), or the kind that the client selected.
        countries: whose phones may be messaged. default_country: for addresses that name none.
        notifications: by status; absent: disabled. confirmations: by action key.
        quiet_hours: None: none. only_to: a rehearsal; None: it is none.
        opt_in: what counts as evidence that a phone may be written. statuses: which words of the sources mean which
            status.
        replies: which words of customers mean what. settle: how long a new notice waits for what may take its place.
        confirm_wait: how long a hook's word waits for a read that shows it.
        source_max_age: how old the last read of an order may be. flood_limit: more due at once than this is refused.
        shared_phone_limit: more names than this with one phone, and it is written to nobody.
        allow_marketing_templates: whether templates that are not UTILITY may be used. brand: the value of variable
            `brand`.
        samples: values for `vs-st notices preview`.
    """

    looks_beside: ClassVar[bool] = True
    implies: ClassVar[Mapping[str, type[SettingsModel]]] = {GUPSHUP: GupshupSettings}

    accounts: Annotated[
        tuple[GupshupAccount, ...], Form(_accounts, "a list of {kind: client, ...} and {kind: house, account: ID}")
    ] = ()
    use: Choice[Literal["auto", "client", "house"]] = "auto"
    countries: Annotated[
        tuple[str, ...],
        Form(_countries, "a list of countries whose phones may be messaged, such as [IN]"),
    ]
    default_country: OrNull[CountryCode] = None
    opt_in: Annotated[tuple[str, ...], Form(_kinds, f"a list of: {', '.join(OPT_IN_KINDS)}")] = (
        "eshopbox_flag",
        "gupshup_event",
        "gupshup_list",
    )
    attestation: OrNull[Attestation] = None
    notifications: MappingOf[NotificationSettings] = {}
    statuses: DefaultOrFile = OwnFile()
    replies: DefaultOrFile = OwnFile()
    quiet_hours: Annotated[QuietHours | None, Form(_quiet_hours, "none, or {from, to, zone}")] = QuietHours(
        start=time(21), end=time(8)
    )
    cap: Cap = Cap()
    settle: Annotated[timedelta, _between(timedelta(0), timedelta(minutes=10), "0s to 10m")] = timedelta(seconds=60)
    confirm_wait: Wait = timedelta(minutes=15)
    source_max_age: Wait = timedelta(hours=1)
    flood_limit: Annotated[int, Whole(1, 1_000_000)] = 500
    shared_phone_limit: Annotated[int, Whole(1, 1_000_000)] = 5
    allow_marketing_templates: Flag = False
    brand: OrNull[Text] = None
    samples: Annotated[MappingOf[Text], Form(_samples, "a mapping of variables")] = {}
    only_to: OrNull[ListOf[Number]] = None
    unexpected: Unexpected = Unexpected()
    confirmations: MappingOf[Answer] = {}
    activity: ActivitySettings = ActivitySettings()

    def check_entry(self, at: Node, named: Collection[str]) -> None:
        """Refuse what names something that does not exist, and parts that do not fit each other.

        Raises:
            SettingsFault: with the line to mend, and the names that exist.
        """
        kinds = [one.kind for one in self.accounts]
        if self.use != "auto" and self.use not in kinds:
            there = f"installed: {', '.join(kinds)}" if kinds else "no account is installed"
            raise _node(at, "use").problem(f"there is no account of this kind in `accounts`; {there}")
        if "attestation" in self.opt_in and self.attestation is None:
            raise _node(at, "opt_in").problem("`attestation` counts only with who attests it; write `attestation` too")
        statuses, actions = self._statuses(at), self._actions(at)
        self._check_notifications(at, statuses, actions)
        self._check_house(at, statuses, actions)
        for key in self.cap.exempt:
            if key not in statuses:
                raise _node(at, "cap", "exempt").problem(f"there is no such status; there are: {', '.join(statuses)}")
        for key in self.confirmations:
            if key not in actions:
                where = _node(at, "confirmations", key)
                raise where.problem(f"there is no such action; there are: {', '.join(actions)}")
        if self.unexpected.enabled and (self.unexpected.text is None) == (self.unexpected.template is None):
            raise _node(at, "unexpected").problem("enabled needs one of `text` and `template`")

    def _statuses(self, at: Node) -> tuple[str, ...]:
        """Return the statuses that may be announced."""
        try:
            return status_map.read(self.statuses).announced
        except BadSettings as error:
            raise _node(at, "statuses").problem(error.message.removeprefix(f"{self.statuses.said_in}: ")) from None

    def _actions(self, at: Node) -> tuple[str, ...]:
        from vs_st_pipeline.routes.notices import reply_rules  # it reads these settings

        try:
            return tuple(reply_rules.read(self.replies).actions)
        except BadSettings as error:
            raise _node(at, "replies").problem(error.message.removeprefix(f"{self.replies.said_in}: ")) from None

    def _check_notifications(self, at: Node, statuses: Collection[str], actions: Collection[str]) -> None:
        for key, one in self.notifications.items():
            for _, what, names in unknown_names({key: one.template}, statuses, actions):
                where = _node(at, "notifications", key, *(("template", "buttons") if what != "status" else ()))
                raise where.problem(f"there is no such {what}; there are: {', '.join(names)}")

    def _check_house(self, at: Node, statuses: Collection[str], actions: Collection[str]) -> None:
        """Look at what the house's account says by names of this route, once a merchant uses it."""
        house = next((one for one in self.accounts if one.kind == HOUSE), None)
        if house is None:
            return
        usual = status_map.read(OwnFile()).announced
        for key, what, names in unknown_names(house.templates, {*usual, *statuses}, {*_usual_actions(), *actions}):
            raise _node(at, "accounts").problem(
                f"the account {house.id} has templates.{key}, and there is no such {what}; "
                f"there are: {', '.join(sorted(names))}"
            )
        for kind in house.exceptions or ():
            if kind not in UNEXPECTED:
                raise _node(at, "accounts").problem(
                    f"the account {house.id} has exceptions.{kind}, and there is no such kind of reply; "
                    f"there are: {', '.join(UNEXPECTED)}"
                )

    def claims(self, sections: Mapping[str, SettingsModel]) -> Iterable[Claim]:
        """Return the number and app of the merchant's own account, which may stand once in the file."""
        for place, one in enumerate(self.accounts):
            if one.kind == CLIENT:
                yield from one.stands_once("notices", "accounts", place)

    def implications(self) -> Mapping[str, SettingsModel]:
        """Return what the merchant sends by as the section of its system, which no entry names."""
        return {GUPSHUP: self.gupshup()}

    def doubts(self) -> Sequence[str]:
        """Say what keeps messages from going that may not be meant so."""
        return tuple(self._doubts())

    def _doubts(self) -> Iterator[str]:
        if not self.accounts:
            yield "notices.accounts: no account is installed, so every message waits"
        if self.only_to is not None:
            yield f"notices.only_to: a rehearsal; messages go to {counted(len(self.only_to), 'numbers')} alone"
        if self.attestation is not None and "attestation" not in self.opt_in:
            yield "notices.attestation: it does not count, because opt_in does not name attestation"

    @property
    def charges_confirmed(self) -> ChargesConfirmed | None:
        """Return who agreed that messages of the house's account are billed; None: nobody did."""
        return next((one.charges_confirmed for one in self.accounts if one.kind == HOUSE), None)

    def gupshup(self) -> GupshupSettings:
        """Return what the merchant sends by, as 2.2 selects it."""
        kinds = {one.kind: one for one in self.accounts}
        if self.use != "auto":
            return GupshupSettings(accounts=self.accounts, selected=kinds.get(self.use))
        return GupshupSettings(accounts=self.accounts, selected=self.accounts[0] if self.accounts else None)

    def max_age(self, status: str) -> timedelta:
        """Return how old a status may be that is still announced."""
        own = self.notifications.get(status)
        if own is not None and own.max_age is not None:
            return own.max_age
        return timedelta(hours=12 if status == "created" else 24)

    def enabled(self, status: str) -> bool:
        """Say whether a status is announced."""
        own = self.notifications.get(status)
        return own is not None and own.enabled


def _node(at: Node, *keys: str) -> Node:
    """Return the node under these keys, as far as they are written."""
    for key in keys:
        at = at.child(key) or at
    return at


def _usual_actions() -> Collection[str]:
    from vs_st_pipeline.routes.notices import reply_rules  # it reads these settings

    return reply_rules.default().actions
