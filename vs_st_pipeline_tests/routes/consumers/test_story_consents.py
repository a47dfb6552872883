"""The consent rules of consumers.md, 7.1 to 7.15, as a story of three days: people order, and change their minds.

Each person is there for one rule. The story is told once, by three syncs of the real command, and each test looks at
its own person. `before` is the first sync, `after` the second, two hours later, and `later` the third, two days on.

It is long because there are fifteen rules, and each has a person who is on the one side and one on the other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from vs_st_pipeline_tests.routes.consumers.conftest import Tell
from vs_st_pipeline_tests.support.consumers import (
    CRMS,
    HUBSPOT,
    KLAVIYO,
    NAMES,
    NEWS,
    SALESFORCE,
    TRIAL,
    Look,
    Record,
    Scene,
    consent,
    is_write,
    key_of,
)

NEWS_TYPE, TRIAL_TYPE = (str(id) for id in NAMES.subscriptions[:2])
LIST, TRIAL_LIST = NAMES.klaviyo_list, NAMES.klaviyo_trial
DAY, MINUTE = 86_400, 60
CROWD = 12
"""So many who never change, so that those who do are no share that trips the brake (9)."""


@dataclass
class Act:
    """One sync, and what it left."""

    report: Record
    look: Look
    writes: dict[str, list[Record]]
    wrong: list[str]
    trial: dict[str, str]
    evidence: list[Record]
    opted_out: dict[str, bool]

    def said_to(self, crm: str, name: str) -> list[Record]:
        """Requests to a CRM that name somebody, by address or by key."""
        email = f"{name}@example.com"
        return [
            one for one in self.writes[crm] if f"'{email}'" in repr(one["body"]) or key_of(email) in repr(one["body"])
        ]

    def is_on(self, crm: str, name: str) -> bool:
        return f"{name}@example.com" in self.look.subscribed(crm)

    def of(self, name: str, crm: str) -> list[tuple[str, str]]:
        """Actions and outcomes of the evidence of somebody at a CRM, oldest first."""
        key = key_of(f"{name}@example.com")
        return [(one["action"], one["outcome"]) for one in self.evidence if (one["key"], one["crm"]) == (key, crm)]


@dataclass
class Left:
    """What the story left."""

    before: Act
    after: Act
    later: Act
    imported: list[Record]
    orders: dict[str, list[str]]
    asked: set[str]


def ended(scene: Scene) -> Act:
    """Sync, and look."""
    scene.clear_journals()
    report = scene.sync()
    statuses = {one["email"]: one for one in scene.box.hubspot.control.all("subscriptions", scene.merchant)}
    people = scene.look()
    return Act(
        report=report,
        look=people,
        writes={crm: [one for one in scene.journal(crm) if is_write(one)] for crm in CRMS},
        wrong=scene.wrong(),
        trial={email: row[TRIAL_TYPE]["status"] for email, row in statuses.items() if TRIAL_TYPE in row},
        evidence=scene.evidence(),
        opted_out={e: any(row["HasOptedOutOfEmail"] for row in rows) for e, rows in people.people.items()},
    )


class Cast:
    """Who is in the story, and what they do."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.sopost, self.hubspot = scene.box.sopost.control, scene.box.hubspot.control
        self.klaviyo, self.salesforce = scene.box.klaviyo.control, scene.box.salesforce.control
        self.orders: dict[str, list[str]] = {}
        self.changes = 0

    def order(self, name: str, *consents: Any, **more: Any) -> str:
        """Let somebody order, and tell of it."""
        id = self.scene.order(f"{name}@example.com", *consents, **more)
        self.orders.setdefault(name, []).append(id)
        return id

    def of_the_world(self, name: str) -> str:
        """Tell of the order that somebody has in the world already."""
        email = f"{name}@example.com"
        id = next(str(one["id"]) for one in self.sopost.orders() if one["email"] == email)
        self.orders[name] = [id]
        self.scene.tell(id)
        return id

    def known(self, *names: str) -> None:
        """Let all three CRMs know somebody who never subscribed."""
        for name in names:
            email = f"{name}@example.com"
            self.hubspot.add("contacts", {"email": email})
            self.klaviyo.add("profiles", {"email": email})
            self.salesforce.add("contacts", {"Email": email, "LastName": "Known"})

    def opt_out(self, name: str, ago: float, *controls: Any) -> None:
        """Opt out of news at HubSpot and of everything at Klaviyo, so many seconds ago."""
        for control in controls or (self.hubspot, self.klaviyo):
            target = {"subscription": NEWS_TYPE} if control is self.hubspot else {}
            control.move_clock(-ago)
            control.unsubscribe(f"{name}@example.com", **target)
            control.move_clock(ago)

    def shows(self, name: str, *consents: Record, word: str = "DISPATCHED", nth: int = 0) -> None:
        """Let an order show other consents from now on, and be read again."""
        id = self.orders[name][nth]
        self.sopost.set_consents(id, list(consents))
        self.sopost.set_status(id, word)
        self.changes += 1
        self.scene.tell(id, word, event_id=f"change {self.changes}")


def story(scene: Scene) -> Left:
    """Tell it."""
    scene.settings(lambda entry: entry["consumers"].update(follow_status=True))
    cast = Cast(scene)
    first_day(cast)
    before = ended(scene)
    asked = {email for one in scene.journal(HUBSPOT) for email in _addresses(one["body"])}
    scene.later(hours=2)
    imported = second_act(cast)
    after = ended(scene)
    scene.later(days=2)
    last_act(cast)
    return Left(before, after, ended(scene), imported, cast.orders, asked)


def first_day(cast: Cast) -> None:
    """Orders, and what the CRMs know of these people before."""
    for name in ("given", "spent", "again", "withdrawn", "vanished", "rejected.later", "blank"):
        cast.order(name)
    for number in range(CROWD):
        cast.order(f"crowd{number}")
    for name in ("already", "offlist"):
        cast.of_the_world(name)
    cast.order("handler", consent(data_handler="Another Brand"))
    cast.order("unmapped", consent(consent_id="ffffffff-0000-4000-8000-000000000000"))
    cast.order("maybe", consent(status="MAYBE"))
    cast.order("half", consent(), consent(status="REJECTED"))
    cast.order("hold", consent(status=None))
    cast.order(
        "loose", consent(status=" approved ", consent_id=NAMES.consents[NEWS][0].upper(), data_handler=" GLOW  skin ")
    )
    cast.order("trial", consent(TRIAL))
    cast.order("nothing", None)
    cast.order("two.targets", consent(), consent(TRIAL))
    cast.order("pending", status="PENDING", event="PENDING")
    for name in ("late", "edge4", "edge6", "two.targets"):
        cast.known(name)
    cast.opt_out("late", 10 * MINUTE)
    cast.opt_out("edge4", DAY + 4 * MINUTE)
    cast.opt_out("edge6", DAY + 6 * MINUTE)
    cast.opt_out("two.targets", 10 * MINUTE, cast.hubspot)
    for name in ("late", "edge4", "edge6"):
        cast.order(name)
    cast.known("suppressed")
    cast.klaviyo.suppress("suppressed@example.com", reason="SPAM_COMPLAINT")
    cast.salesforce.suppress("suppressed@example.com")
    cast.order("suppressed")
    for _ in range(2):
        cast.order("twice")
    for _ in range(2):
        cast.order("one.withdrawn")


def second_act(cast: Cast) -> list[Record]:
    """People change their minds, orders change, a file is imported."""
    scene = cast.scene
    for name in ("spent", "again"):
        cast.opt_out(name, 0)
        row = cast.salesforce.contact(f"{name}@example.com")
        cast.salesforce.act("unsubscribe", id=row["Id"], campaign=NAMES.campaign)
    for name in ("spent", "given"):
        cast.shows(name, consent())
    for name in ("withdrawn", "already", "offlist", "one.withdrawn"):
        cast.shows(name, consent(status="WITHDRAWN"))
    cast.shows("vanished")
    cast.shows("blank", consent(status=None))
    cast.shows("rejected.later", consent(), word="REJECTED")
    cast.sopost.set_status(cast.orders["pending"][0], "APPROVED")
    scene.tell(cast.orders["pending"][0])
    cast.klaviyo.confirm("trial@example.com")
    cast.order("undone")
    email = "undone@example.com"
    change = {"kind": "subscriptions", "op": "patch", "id": email, "fields": {NEWS_TYPE: "UNSUBSCRIBED"}}
    cast.hubspot.add_hook(change, on="write", path_regex="statuses/batch/write$")
    cast.known("imp.known", "imp.notime")
    told = []
    at = "2026-01-02T03:04:05+01:00"
    for names, options in ((("imp.new", "imp.known"), ()), (("imp.create",), ("--create",))):
        ids = [cast.order(name, told=False) for name in names]
        told.append(_imported(scene, [json.dumps({"order_id": id, "consented_at": at}) for id in ids], *options))
    told.append(_imported(scene, [cast.order("imp.notime", told=False), "no id at all!"]))
    return told


def last_act(cast: Cast) -> None:
    """New orders of people who had opted out before; a retry finds nothing to do for the others."""
    for name in ("late", "again"):
        cast.order(name)
    for name in ("withdrawn", "vanished", "trial"):
        cast.shows(name, *([] if name == "vanished" else [consent(TRIAL)] if name == "trial" else
                           [consent(status="WITHDRAWN")]), word="DELIVERED")  # fmt: skip
    cast.shows("rejected.later", consent(), word="APPROVED")


def _imported(scene: Scene, lines: list[str], *options: str) -> Record:
    file = scene.folder / f"import-{scene.orders}.txt"
    file.write_text("\n".join(lines) + "\n")
    done = scene.run("consumers", "import", "--merchant", scene.merchant, str(file), "--json", *options)
    return {"exit": done.exit_code, **done.json}


def _addresses(body: Any) -> list[str]:
    inputs = body.get("inputs") if isinstance(body, dict) else None
    return [str(one if isinstance(one, str) else one.get("id")) for one in inputs or ()]


@pytest.fixture(scope="module")
def left(tell: Tell) -> Left:
    found: Left = tell("consents", story)
    return found


# 7.1 What a given consent is.


@pytest.mark.parametrize("crm", CRMS)
def test_c7_1_a_given_consent_of_a_known_pair_subscribes(left: Left, crm: str) -> None:
    assert left.before.is_on(crm, "given")
    assert left.before.is_on(crm, "loose"), "ids, handlers and statuses are compared loosely"


@pytest.mark.parametrize("name", ["handler", "unmapped", "maybe", "half", "hold", "nothing"])
def test_c7_1_what_is_not_given_subscribes_nobody_anywhere(left: Left, name: str) -> None:
    assert [crm for act in (left.before, left.after, left.later) for crm in CRMS if act.said_to(crm, name)] == []


def test_c7_1_what_is_not_given_is_noted(left: Left) -> None:
    noted = left.before.report["planned"]["noted"]
    assert [noted[word] for word in ("handler_mismatch", "unmapped_consent", "unknown_consent_status")] == [1, 1, 2]


# 7.2, 7.3 Whom and what it is for.


def test_c7_2_a_consent_subscribes_its_own_targets_and_nothing_else(left: Left) -> None:
    email = "trial@example.com"
    assert left.before.trial[email] == "SUBSCRIBED"
    assert email not in left.before.look.status, "news was not asked for"
    assert (email, TRIAL_LIST) in left.before.look.awaiting
    assert (email, LIST) not in left.before.look.awaiting
    assert email not in left.before.look.people, "the consent has no target at Salesforce (5.3, 7.3)"


def test_c7_3_nothing_is_asked_about_whoever_has_no_standing_consent_there(left: Left) -> None:
    assert "given@example.com" in left.asked
    assert not left.asked & {
        f"{name}@example.com" for name in ("nothing", "handler", "unmapped", "maybe", "half", "hold")
    }


def test_c7_3_mirror_fields_come_up_to_date_once_when_the_last_order_falls_away(left: Left) -> None:
    """An order that is rejected later no longer counts, so whom we wrote has none (ruling 5)."""
    count = "sopost_order_count"
    said = [act.look.contacts["rejected.later@example.com"].get(count) for act in (left.before, left.after, left.later)]
    assert said == ["1", "0", "1"]


# 7.4 to 7.6 What the CRM says of a person first.


@pytest.mark.parametrize("crm", CRMS)
def test_c7_4_who_is_subscribed_already_is_not_subscribed(left: Left, crm: str) -> None:
    assert left.before.of("already", crm) == [("already", "accepted")]


@pytest.mark.parametrize("crm", [HUBSPOT, KLAVIYO])
def test_c7_4_a_missing_list_membership_alone_is_added(left: Left, crm: str) -> None:
    assert left.before.of("offlist", crm) == [("add_to_list", "accepted")]
    assert left.before.is_on(crm, "offlist")


@pytest.mark.parametrize("crm", [KLAVIYO, SALESFORCE])
def test_c7_5_who_is_suppressed_is_held_whatever_was_consented_to(left: Left, crm: str) -> None:
    for act in (left.before, left.after, left.later):
        assert not act.is_on(crm, "suppressed")
        assert act.said_to(crm, "suppressed") == []
    assert left.before.report["crms"][crm]["planned"]["held"]["suppressed_there"] == 1
    assert left.before.is_on(HUBSPOT, "suppressed"), "another CRM's suppression is its own"


@pytest.mark.parametrize("crm", [HUBSPOT, KLAVIYO])
def test_c7_6_a_consent_must_be_more_than_five_minutes_newer_than_the_opt_out(left: Left, crm: str) -> None:
    """The order's receipt less `webhook_delay` (24 h) is all that is known of when the consent was given."""
    assert not left.before.is_on(crm, "late")
    assert not left.before.is_on(crm, "edge4"), "four minutes: the webhook may have come late"
    assert left.before.is_on(crm, "edge6")
    assert left.before.said_to(crm, "edge4") == []
    assert left.before.report["crms"][crm]["planned"]["held"]["unsubscribed_there"] == 2


@pytest.mark.parametrize("crm", [HUBSPOT, KLAVIYO])
def test_c7_6_an_order_made_after_the_opt_out_subscribes_again(left: Left, crm: str) -> None:
    assert not left.after.is_on(crm, "late")
    assert left.later.is_on(crm, "late")
    assert left.later.of("late", crm) == [("subscribe", "accepted"), ("already", "accepted")] or (
        [one for one in left.later.of("late", crm) if one[0] == "subscribe"] == [("subscribe", "accepted")]
    )


# 7.7, 7.8 One consent, one subscription.


@pytest.mark.parametrize("crm", CRMS)
def test_c7_7_a_spent_consent_subscribes_nobody_again_whatever_the_person_did_since(left: Left, crm: str) -> None:
    assert left.before.is_on(crm, "spent")
    for act in (left.after, left.later):
        assert not act.is_on(crm, "spent")
        assert [one for one in act.of("spent", crm) if one[0] == "subscribe"] == [("subscribe", "accepted")]


@pytest.mark.parametrize("crm", CRMS)
def test_c7_7_a_consent_of_another_order_counts_anew(left: Left, crm: str) -> None:
    assert not left.after.is_on(crm, "again")
    assert left.later.is_on(crm, "again")
    used = [one["order_id"] for one in left.later.evidence
            if (one["key"], one["crm"], one["action"]) == (key_of("again@example.com"), crm, "subscribe")]  # fmt: skip
    assert sorted(used) == sorted(left.orders["again"])


@pytest.mark.parametrize("crm", CRMS)
def test_c7_7_of_several_unspent_consents_one_subscribes_and_all_are_spent(left: Left, crm: str) -> None:
    assert sorted(left.before.of("twice", crm)) == [("already", "accepted"), ("subscribe", "accepted")]
    used = {one["action"]: one["order_id"] for one in left.before.evidence
            if (one["key"], one["crm"]) == (key_of("twice@example.com"), crm)}  # fmt: skip
    assert used["subscribe"] == max(left.orders["twice"]), "the newest, and of equals the greater id"


def test_c7_8_one_target_that_is_open_lets_the_fields_be_written_and_the_other_is_noted(left: Left) -> None:
    email = "two.targets@example.com"
    assert left.before.trial[email] == "SUBSCRIBED"
    assert left.before.look.status[email] == "UNSUBSCRIBED"
    assert left.before.look.contacts[email]["sopost_order_count"] == "1"
    assert left.before.report["crms"][HUBSPOT]["planned"]["noted"]["unsubscribed_there"] == 1


def test_c7_8_who_is_spent_and_never_again_is_removed_there(left: Left) -> None:
    held = left.after.report["crms"][SALESFORCE]["planned"]["held"]
    assert held["removed_there"] >= 1
    assert left.after.said_to(SALESFORCE, "spent") == []


# 7.9, 7.10 Evidence, and the second in between.


def test_c7_9_a_row_says_what_the_consent_was_and_what_was_seen_before(left: Left) -> None:
    (row,) = [one for one in left.before.evidence if (one["key"], one["crm"]) == (key_of("given@example.com"), HUBSPOT)]
    id, name, handler = NAMES.consents[NEWS]
    assert (row["consent_id"], row["consent_name"], row["data_handler"]) == (id, name, handler)
    assert (row["target"], row["text_version"], row["consent_status"]) == (NEWS_TYPE, "2026-05", "APPROVED")
    assert (row["order_id"], row["state_before"], row["outcome"]) == (left.orders["given"][0], "never", "accepted")
    assert row["state_before_at"] <= row["sent_at"] <= row["outcome_at"]
    assert json.loads(row["event_ids"]) == [f"{row['order_id']} APPROVED"]
    assert row["contact_id"] == left.before.look.contacts["given@example.com"]["hs_object_id"]


def test_c7_9_the_crm_is_told_what_the_consent_was(left: Left) -> None:
    id, name, handler = NAMES.consents[NEWS]
    said = repr([one["body"] for one in left.before.said_to(HUBSPOT, "given")])
    assert f"SoPost consent {id} ({name}) for {handler}, order SP" in said
    assert "CONSENT_WITH_NOTICE" in said
    said = repr([one["body"] for one in left.before.said_to(KLAVIYO, "given")])
    assert f"'custom_source': 'SoPost consent {id} ({name}) for {handler}'" in said


def test_c7_10_an_opt_out_between_look_and_write_is_put_back_at_once(left: Left) -> None:
    assert left.after.look.status["undone@example.com"] == "UNSUBSCRIBED"
    assert "undone@example.com" not in left.after.look.listed
    assert left.after.report["crms"][HUBSPOT]["planned"]["noted"]["undone"] == 1
    assert left.after.report["status"] == "partial"
    assert left.after.of("undone", HUBSPOT)[0] == ("subscribe", "undone")
    assert left.later.look.status["undone@example.com"] == "UNSUBSCRIBED"


# 7.11, 7.12 Withdrawn, vanished, rejected, approved late.


def test_c7_11_what_we_did_for_a_withdrawn_consent_is_undone(left: Left) -> None:
    email, look = "withdrawn@example.com", left.after.look
    assert all(left.before.is_on(crm, "withdrawn") for crm in CRMS)
    assert (look.status[email], email in look.listed) == ("UNSUBSCRIBED", False)
    assert (look.consent[email], email in look.on[LIST]) == ("UNSUBSCRIBED", False)
    assert email not in look.members
    assert not left.after.opted_out[email], "nothing writes HasOptedOutOfEmail (7.15)"
    for crm in CRMS:
        assert ("unsubscribe", "accepted") in left.after.of("withdrawn", crm)
        assert left.later.of("withdrawn", crm) == left.after.of("withdrawn", crm), "once"
    assert left.after.report["planned"]["noted"]["withdrawn"] >= 1


def test_c7_11_already_is_never_undone_and_add_to_list_by_the_list_alone(left: Left) -> None:
    look = left.after.look
    assert all(left.after.is_on(crm, "already") for crm in CRMS)
    email = "offlist@example.com"
    assert (look.status[email], email in look.listed) == ("SUBSCRIBED", False)
    assert (look.consent[email], email in look.on[LIST]) == ("SUBSCRIBED", False)
    assert email not in look.members, "there we had made him a member"


@pytest.mark.parametrize("crm", CRMS)
def test_c7_11_nothing_is_undone_while_another_standing_consent_names_the_target(left: Left, crm: str) -> None:
    assert left.after.is_on(crm, "one.withdrawn")
    assert left.later.is_on(crm, "one.withdrawn")


@pytest.mark.parametrize("name", ["vanished", "blank", "rejected.later"])
@pytest.mark.parametrize("crm", CRMS)
def test_c7_12_what_is_gone_or_without_status_or_rejected_later_undoes_nothing(left: Left, crm: str, name: str) -> None:
    assert all(act.is_on(crm, name) for act in (left.before, left.after, left.later))
    assert left.later.of(name, crm) == [("subscribe", "accepted")], "approved again: spent stays spent"


def test_c7_12_it_is_noted(left: Left) -> None:
    noted = left.after.report["planned"]["noted"]
    assert (noted["consent_vanished"], noted["rejected_after_write"]) == (2, 1)


@pytest.mark.parametrize("crm", CRMS)
def test_c7_12_approved_late_is_as_any_other(left: Left, crm: str) -> None:
    assert not left.before.is_on(crm, "pending")
    assert left.after.is_on(crm, "pending")


# 7.13, 7.14 Double opt-in, and imports.


def test_c7_13_a_double_opt_in_is_asked_for_once_for_a_consent(left: Left) -> None:
    assert left.before.of("trial", KLAVIYO) == [("subscribe", "awaiting_confirmation")]
    assert "trial@example.com" in left.after.look.on[TRIAL_LIST], "confirmed"
    asked = [one for act in (left.before, left.after, left.later) for one in act.said_to(KLAVIYO, "trial")
             if "subscription-bulk-create" in one["path"]]  # fmt: skip
    assert len(asked) == 1


def test_c7_13_an_imported_consent_starts_no_welcome_flow(left: Left) -> None:
    jobs = {name: [one["body"]["data"]["attributes"] for one in left.after.said_to(KLAVIYO, name)
                   if "subscription-bulk-create" in one["path"]] for name in ("imp.known", "pending")}  # fmt: skip
    (job,) = jobs["imp.known"]
    assert job["historical_import"] is True
    assert "2026-01-02T02:04:05Z" in repr(job).replace(".000Z", "Z"), "UTC with a Z"
    assert not any(job.get("historical_import") for job in jobs["pending"])


def test_c7_14_who_came_by_import_without_create_is_not_made(left: Left) -> None:
    assert [(one["exit"], one["new"], one["known"], len(one["unusable"])) for one in left.imported] == [
        (0, 2, 0, 0), (0, 1, 0, 0), (1, 1, 0, 1),
    ]  # fmt: skip
    for crm in CRMS:
        assert "imp.new@example.com" not in left.later.look.known(crm)
        assert left.after.is_on(crm, "imp.known")
        assert left.after.is_on(crm, "imp.create")
        assert left.after.report["crms"][crm]["planned"]["held"]["not_there"] == 1


@pytest.mark.parametrize("crm", CRMS)
def test_c7_6_an_import_without_a_time_subscribes_nobody(left: Left, crm: str) -> None:
    assert not left.later.is_on(crm, "imp.notime")
    assert left.after.report["crms"][crm]["planned"]["held"]["consent_time_unknown"] == 1


# 7.15, and what holds of all.


@pytest.mark.parametrize("act", ["before", "after", "later"])
def test_c7_15_and_section_12_hold_after_each_sync(left: Left, act: str) -> None:
    found: Act = getattr(left, act)
    assert found.wrong == []
    said = repr([one["body"] for crm in CRMS for one in found.writes[crm]])
    for word in ("HasOptedOut", "hs_marketable", "hs_email_optout", "suppression", "phone_number"):
        assert word not in said
