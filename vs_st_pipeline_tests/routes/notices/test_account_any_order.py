"""Under any order of sends, receipts, replies, losses and cuts of the power nothing is sent twice (notices.md 12.1)."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random

import pytest

from vs_st_pipeline.platform import failpoints
from vs_st_pipeline.routes.notices import ledger
from vs_st_pipeline.routes.notices.account import claims, pauses
from vs_st_pipeline.routes.notices.account.claim import Claim, Claimed, may_move
from vs_st_pipeline.routes.notices.messages import Message
from vs_st_pipeline_tests.routes.notices.account_office import ASHA, RAVI, Office, PowerCut, message

SAMPLE = 1
STEPS = 30


class Life:
    """Two merchants of an account, and all that may happen to them. out: message ids that may be with a customer."""

    def __init__(self, path: Path, seed: int) -> None:
        self.random, self.office = Random(seed), Office(path)
        self.whats = [
            (message(self.office.account, f"s{place}", phone=phone, merchant=merchant), merchant)
            for place, (phone, merchant) in enumerate(((ASHA, "one"), (ASHA, "two"), (RAVI, "one"), (RAVI, "two")))
        ]
        self.out: dict[str, list[str]] = {what.notice_id: [] for what, _ in self.whats}
        self.may_repeat: set[str] = set()
        self.stood: dict[str, tuple[str, int]] = {}
        self.ids = 0

    def step(self) -> None:
        acts = (self.send, self.send, self.receipt, self.receipt, self.reply, self.sync, self.later, self.lose)
        self.random.choice(acts)()
        self.never_falls()

    def send(self) -> None:
        what, merchant = self.random.choice(self.whats)
        office, run = self.office, self.office.run(merchant)
        with run.open() as db, db.transaction():
            may = ledger.about_to_send(db, run, what)
        if not may and self.random.random() < 0.5:  # else as one who knows nothing of it, with an older database
            return
        found = office.claim(what, merchant)
        if not isinstance(found, Claim):
            with run.open() as db, db.transaction():
                ledger.held(db, run, what.notice_id, found.reason)
            return
        if found.is_mine:
            self.leaves(what)
            found = self.answered(what, merchant)
        with run.open() as db, db.transaction():
            ledger.from_claim(db, run, found, office.account)

    def leaves(self, what: Message) -> None:
        self.ids += 1
        self.id = f"m{self.ids}"
        assert not self.out[what.notice_id] or what.notice_id in self.may_repeat
        self.may_repeat.discard(what.notice_id)
        self.out[what.notice_id].append(self.id)

    def answered(self, what: Message, merchant: str) -> Claim:
        store, at = self.office.store(merchant), self.office.at
        answer = self.random.choice(("accepted", "accepted", "unknown", "refused"))
        if answer == "refused":  # it did not leave
            self.out[what.notice_id].remove(self.id)
            if self.out[what.notice_id]:
                self.may_repeat.add(what.notice_id)
        id = self.id if answer == "accepted" else None
        return claims.settle(store, what.notice_id, answer, now=at, message_id=id)

    def receipt(self) -> None:
        what, _ = self.random.choice(self.whats)
        if not self.out[what.notice_id]:
            return
        id = self.random.choice(self.out[what.notice_id])
        kind = self.random.choice(("enqueued", "sent", "delivered", "read", "failed"))
        more = {"code": self.random.choice(("1003", "500", "1002"))} if kind == "failed" else {}
        gs_id = self.random.choice((id, id, None))
        self.office.receipt(kind, gs_id, id if kind in ("enqueued", "failed") else f"wa-{id}", what.phone, **more)

    def reply(self) -> None:
        what, _ = self.random.choice(self.whats)
        self.ids += 1
        postback = self.random.choice((f"vs:{what.notice_id}:0", None))
        if self.out[what.notice_id]:
            self.office.reply(f"r{self.ids}", button="Reattempt", postback=postback, phone=what.phone)

    def sync(self) -> None:
        for merchant in self.random.sample(("one", "two"), self.random.choice((1, 2))):
            self.office.sync(merchant)
        self.retries()

    def later(self) -> None:
        self.office.later(minutes=self.random.choice((1, 15, 60)))
        if self.office.store().exists:
            pauses.resume(self.office.store())
        self.retries()

    def retries(self) -> None:
        for what, merchant in self.whats:
            found = claims.find(self.office.store(merchant), what.notice_id)
            if found is not None and found.state == "failed" and found.retry_at is not None:
                self.may_repeat.add(what.notice_id)

    def lose(self) -> None:
        what = self.random.choice(("nothing", "nothing", "account", "one", "two"))
        if what == "account":
            self.office.lose_account()
            self.stood.clear()
        elif what != "nothing" and what in self.office.warehouse.dbs:
            self.office.lose_database(what)
        for merchant in ("one", "two"):  # no command does anything before it has looked at what is lost
            self.office.sync(merchant)
        self.retries()

    def never_falls(self) -> None:
        for what, merchant in self.whats:
            found = claims.find(self.office.store(merchant), what.notice_id)
            if found is None:
                assert what.notice_id not in self.stood
                continue
            before = self.stood.get(what.notice_id)
            if before is not None and before[1] == found.tries and before[0] != found.state:
                assert reachable(before[0], found.state), (before, found.state)
            self.stood[what.notice_id] = found.state, found.tries


def reachable(before: str, after: str) -> bool:
    """Say whether a state may follow another by some moves."""
    seen, todo = {before}, [before]
    while todo:
        here = todo.pop()
        for one in Claimed:
            if one not in seen and may_move(here, one):
                seen.add(one)
                todo.append(one)
    return after in seen


@pytest.mark.parametrize("seed", range(24))
def test_12_1_nothing_is_sent_twice_and_no_state_falls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    def kill(*_: object) -> None:
        failpoints._armed = False
        raise PowerCut

    monkeypatch.setattr(os, "kill", lambda pid, signal: kill() if signal else None)
    life = Life(tmp_path, seed)
    life.office.sync("one")
    life.office.sync("two")
    for _ in range(STEPS):
        failpoints.enable(f"any:{life.random.randint(1, 60)}")
        try:
            life.step()
        except PowerCut:
            for merchant in ("one", "two"):
                life.office.sync(merchant)
            life.retries()
        finally:
            failpoints._armed = False
    for merchant in ("one", "two", "one", "two"):
        life.office.sync(merchant)
    office = life.office
    assert not office.inbox.waiting([office.account.inbox_name])
    for what, merchant in life.whats:
        state, claimed = office.state(what, merchant)
        assert claimed != "open"
        if claimed in (None, "refused"):
            assert state in (None, "waiting")
        elif state != "waiting":
            assert state == claimed
        mine = office.of_account("select key from receipts where merchant = ?", merchant)
        assert set(mine) <= set(office.rows("select key from staged.receipts", merchant=merchant))
