"""Brings staged.shop_* in step with what a source said, record by record, in SQL (audience.md 4.3, 4.4, 10).

Data flow: a source's rows in temporary tables of the columns of 4.1 -> staged.shop_*, with the house's columns.

Who came, changed, or is gone from a complete read is worked out here and nowhere else, for all sources: of a record the
newer of what was written before and now wins; a complete read removes nothing that a newer post brought; an unchanged
record costs a comparison and no write.

A merge has two halves. `prepare` works out what is to be written, in temporary tables, and needs no transaction: of a
temporary table that was made in one DuckDB lets go at its end only, and a drop of a million records has thirty of them.
`Prepared.write` is what goes into a transaction, all of it or nothing.

It is long because the steps share the names of one set of temporary tables, and each is one statement.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from vs_st_pipeline.platform.warehouse.connection import Db
from vs_st_pipeline.routes.audience.session import AudienceSession
from vs_st_pipeline.routes.audience.shapes import SHAPES, Part, Shape
from vs_st_pipeline.routes.audience.words import Noted

GUEST: Final = ("", "0")
NO_KEY, GUEST_ID, LACKS = "it has no key", "its id 0 stands for guests", "it has no "


@dataclass(frozen=True, slots=True)
class Incoming:
    """One kind of records as a source says them now.

    Attributes:
        kind: customers, subscribers, products, wishlists, orders, carts.
        table: a temporary table with the columns of 4.1 and `extra`, those that the source does not know left out
            (they stay as they are), and where they apply: `evidence`; `own_at`; `at` (a row's own `written_at`).
        parts: temporary tables of what belongs to the records (addresses, options, lines), by staged table; a record
            that stands in `table` has exactly these parts. A table not named leaves the parts as they are.
        complete: whoever is not in `table` is gone; else nobody is.
        written_at: when this was so at the source (UTC without zone): a drop's `taken_at`, the begin of a read.
        ended_at: when the complete read ended.
        posted: posts brought these rows: each has `at`, which is when its change was seen (6.4).
    """

    kind: str
    table: str
    written_at: datetime
    parts: Mapping[str, str] = field(default_factory=dict)
    complete: bool = False
    ended_at: datetime | None = None
    posted: bool = False


@dataclass(slots=True)
class Merged:
    """What a merge did.

    Attributes:
        written: rows that stand otherwise than before, those included of which no event tells.
    """

    came: int = 0
    changed: int = 0
    gone: int = 0
    written: int = field(default=0, compare=False)


def merge(session: AudienceSession, db: Db, incoming: Incoming) -> Merged:
    """Merge, inside the caller's transaction; unusable rows and notes (10) go into staged.unusable, staged.shop_notes.

    Moves `staged.shop_generation` where anything was written, and adds a row to `staged.shop_reads` of a complete read.
    """
    prepared = prepare(session, db, incoming)
    done = prepared.write()
    prepared.clear()
    return done


def prepare(session: AudienceSession, db: Db, incoming: Incoming) -> Prepared:
    """Work out what a merge writes, without a transaction; nothing staged may change before it is written.

    Of a complete read, the tables of `incoming` are needed no more after this.
    """
    prepared = Prepared(session, db, incoming)
    prepared.work_out()
    return prepared


class Prepared:
    """A merge that was worked out, and is to be written; its temporary tables are of its kind alone.

    Attributes:
        given: columns that the source told of. one: `a, b`, the key as it stands in `using`.
        came, keys, new: temporary tables: rows that may be used, keys of all, rows that are to be written.
        notes: statements that say what is unusable and noted, to be run with what is written.
    """

    def __init__(self, session: AudienceSession, db: Db, incoming: Incoming) -> None:
        self.db, self.incoming, self.run_id = db, incoming, session.run.run_id
        self.shape: Shape = SHAPES[incoming.kind]
        self.now = session.run.now()
        self.given = set(db.columns(f"select * from {incoming.table} limit 0")[0])
        self.one = ", ".join(self.shape.key)
        self.id = self.shape.key[0] if len(self.shape.key) == 1 else f"to_json([{self.one}])::varchar"
        self.parts = {name: (self.shape.parts[name], table) for name, table in incoming.parts.items()}
        self.came, self.keys, self.new = (f"merge_{name}_{incoming.kind}" for name in ("in", "keys", "new"))
        self.notes: list[tuple[str, list[Any]]] = []
        self._made: list[str] = []

    def work_out(self) -> None:
        """Make the temporary tables of what is to be written."""
        self._take_in()
        for name, (part, table) in self.parts.items():
            self._take_parts(name, part, table)
        self._compare()
        self.db.execute(f"drop table {self.came}")

    def write(self) -> Merged:
        """Write all of it, inside the caller's transaction."""
        for sql, params in self.notes:
            self.db.execute(sql, params)
        done = self._write()
        if self.incoming.complete:
            done.gone = self._gone()
            self.db.execute(
                f"""insert into staged.shop_reads (kind, ended_at, rows, run_id, written_at)
                    select ?, ?, count(*), ?, ? from {self.keys}""",
                [self.incoming.kind, self.incoming.ended_at or self.now, self.run_id, self.incoming.written_at],
            )
        if done.written or done.gone:
            self.db.execute("update staged.shop_generation set generation = generation + 1")
        return done

    def clear(self) -> None:
        """Remove the temporary tables; a process that dies takes them with it."""
        self.db.script("; ".join(f"drop table if exists {name}" for name in self._made))

    def _make(self, table: str, query: str) -> str:
        self.db.execute(f"create or replace temp table {table} as {query}")
        self._made.append(table)
        return table

    # --- what may be used (10) ----------------------------------------------------------------------------------------

    def _take_in(self) -> None:
        """Take the rows that may be used, each key once: the newer `updated_at`, else the last."""
        shape, table = self.shape, self.incoming.table
        no_key = " or ".join(f"coalesce({name}, '') = ''" for name in shape.key)
        wrong = [f"when {no_key} then '{NO_KEY}'"]
        if shape.key[0] == "customer_id":
            wrong.append(f"when customer_id = '0' then '{GUEST_ID}'")
        known = f"exists (select 1 from staged.{shape.table} as e where {_same(shape.key, 'e', 't')})"
        for name in shape.needs:
            wrong.append(
                f"when {name} is null then '{LACKS}{name}'"
                if name in self.given
                else f"when not {known} then '{LACKS}{name}'"
            )
        bad = self._make(
            f"merge_bad_{shape.kind}",
            f"""select rowid as row_, {self._id_of("t")} as id, case {" ".join(wrong)} end as reason
                from {table} as t where case {" ".join(wrong)} end is not null""",
        )
        # What is unusable is there all the same: nobody is gone because a row cannot be read.
        self._make(self.keys, f"select distinct {self.one} from {table} where not ({no_key})")
        self._note_unusable(shape.kind, bad)
        newest = f"{shape.updated} desc nulls last, " if shape.updated in self.given else ""
        chosen = "*"
        if "customer_id" in self.given and "customer_id" not in shape.key:
            chosen = f"* replace (case when customer_id not in {GUEST} then customer_id end as customer_id)"
        self._once(table, self.came, chosen, shape.key, newest, shape.kind, f"not in (select row_ from {bad})")

    def _id_of(self, row: str) -> str:
        names = [f"coalesce({row}.{name}, '')" for name in self.shape.key]
        return names[0] if len(names) == 1 else f"to_json([{', '.join(names)}])::varchar"

    def _once(self, table: str, into: str, chosen: str, key: Sequence[str], newest: str, kind: str, among: str) -> None:
        """Make a table of rows of which no key stands twice, and note those that did."""
        names = ", ".join(key)
        # By hash first: in nearly every read nothing is twice, and to group texts takes several times as much memory.
        several = self._make(
            f"merge_twice_{kind}",
            f"""select {names} from {table}
                where rowid {among} and hash({names}) in (
                    select hash({names}) from {table} where rowid {among} group by 1 having count(*) > 1)
                group by {names} having count(*) > 1""",
        )
        once = ""
        if self.db.row(f"select 1 from {several} limit 1") is not None:
            twice = f"exists (select 1 from {several} as w where {_same(key, 'w', 't')})"
            once = f"""and not ({twice} and rowid not in (
                    select row_ from (
                        select t.rowid as row_, row_number() over (
                            partition by {names} order by {newest}t.rowid desc) as n
                        from {table} as t where rowid {among} and {twice}) where n = 1))"""
        self._make(into, f"select {chosen} from {table} as t where rowid {among} {once}")
        shown = self.id if kind == self.shape.kind else self.shape.key[0]
        gone = "" if self.incoming.complete else f" and id in (select {self.id} from {self.keys})"
        word = Noted.DUPLICATE_KEY
        self._note(f"delete from staged.shop_notes where word = ? and kind = ?{gone}", word, kind)
        self._note(
            f"insert into staged.shop_notes select distinct ?, ?, {shown} from {several} where {shown} is not null",
            word,
            kind,
        )

    def _note_unusable(self, kind: str, bad: str) -> None:
        gone = "" if self.incoming.complete else f" and id in (select {self.id} from {self.keys})"
        self._note(f"delete from staged.unusable where kind = ?{gone}", kind)
        self._note(f"insert into staged.unusable select ?, id, reason from {bad}", kind)

    def _note(self, sql: str, *params: Any) -> None:
        self.notes.append((sql, list(params)))

    def _take_parts(self, name: str, part: Part, table: str) -> None:
        """Take the parts of records that are merged, each key once; lines of nothing and of unknown records are not."""
        shape, owner = self.shape, self.shape.key[0]
        given = set(self.db.columns(f"select * from {table} limit 0")[0])
        lacks = " or ".join(f"coalesce({key}, '') = ''" for key in (owner, *part.needs))
        bad = self._make(
            f"merge_bad_{part.kind}",
            f"select rowid as row_, coalesce({owner}, '') as id, '{NO_KEY}' as reason from {table} where {lacks}",
        )
        self._note_unusable(part.kind, bad)
        known = f"{owner} in (select {owner} from {self.keys})"
        orphans = self._make(
            f"merge_orphans_{part.kind}",
            f"""select distinct {owner} as id from {table}
                where {owner} is not null and {owner} <> '' and not {known}
                  and {owner} not in (select {owner} from staged.{shape.table})""",
        )
        word, gone = Noted.ORPHAN, "" if self.incoming.complete else f" and id in (select {owner} from {table})"
        self._note(f"delete from staged.shop_notes where word = ? and kind = ?{gone}", word, part.kind)
        self._note(f"insert into staged.shop_notes select ?, ?, id from {orphans}", word, part.kind)
        positive = " and quantity > 0" if "quantity" in part.all else ""
        among = f"not in (select row_ from {bad}) and {known}{positive}"
        if "option_id" in given and "option_id" not in part.needs:
            self.db.execute(f"update {table} set option_id = null where option_id = ''")
        place = (
            f"row_number() over (partition by {owner} order by {part.place} nulls last, t.rowid)" if part.place else ""
        )
        chosen = [
            f"{place} as {column}" if column == part.place else column if column in given else f"null as {column}"
            for column in part.all
        ]
        wanted = f"{owner}, {', '.join(chosen)}"
        self._once(table, f"merge_{name}", wanted, (owner, *part.key), "", part.kind, among)

    # --- what differs -------------------------------------------------------------------------------------------------

    def _compare(self) -> None:
        """Make `new`: the rows that are to be written, whole, and the rowid of what stood (`old`)."""
        shape, given = self.shape, self.given
        whole = {name: f"i.{name}" if name in given else f"e.{name}" for name in shape.columns}
        differs = [f"{whole[name]} is distinct from e.{name}" for name in shape.columns if name in given]
        joins, hashes = "", list[str]()
        owner = shape.key[0]
        for number, (name, part) in enumerate(shape.parts.items()):
            joins += (
                f" left join ({_sums(f'staged.{name}', owner, part)}) as s{number} on s{number}.{owner} = i.{owner}"
            )
            if name not in self.parts:
                hashes.append(f"s{number}.compared")
                continue
            joins += f" left join ({_sums(f'merge_{name}', owner, part)}) as n{number} on n{number}.{owner} = i.{owner}"
            differs.append(f"n{number}.everything is distinct from s{number}.everything")
            hashes.append(f"n{number}.compared")
        at = 'coalesce(i."at", $written::timestamp)' if "at" in given else "$written::timestamp"
        house = self._house(whole)
        if shape.compared or shape.parts:
            compared = [_of_set(name, whole[name]) for name in shape.compared]
            fields = ", ".join(f"c{number} := {one}" for number, one in enumerate([*compared, *hashes]))
            house["digest"] = f"hash(struct_pack({fields}))"
        chosen = [f"i.{name}" for name in shape.key]
        chosen += [f"{value} as {name}" for name, value in (whole | house).items()]
        # Of a complete read an unchanged row is not written: staged.shop_reads says of all that they were so then.
        wanted = "changed_" if self.incoming.complete else "(changed_ or at_ > e.written_at)"
        stood = "greatest(e.written_at, coalesce($last::timestamp, e.written_at))"
        sql = f"""create or replace temp table {self.new} as
            select {at} as at_, e.rowid as old,
                e.rowid is null or e.gone_at is not null or {" or ".join(differs or ["false"])} as changed_,
                {", ".join(chosen)}
            from {self.came} as i left join staged.{shape.table} as e on {_same(shape.key, "e", "i")}{joins}
            where (e.rowid is null or at_ >= {stood}) and {wanted}"""
        reads = "select max({}) from staged.shop_reads where kind = ?"
        params = {
            "written": self.incoming.written_at,
            "now": self.now,
            "last": self.db.value(reads.format("written_at"), [self.incoming.kind]),
            "lacked": self.db.value(reads.format("ended_at"), [self.incoming.kind]),
        }
        self.db.execute(sql, {name: value for name, value in params.items() if f"${name}" in sql})
        self._made.append(self.new)

    def _house(self, whole: Mapping[str, str]) -> dict[str, str]:
        """Return the house's columns of a row that is written, but for its digest."""
        shape, given = self.shape, self.given
        own = ["i.own_at"] if "own_at" in given else []
        own += [f"{whole[shape.own]}::timestamp"] if shape.own in given and "own_at" not in given else []
        own += ["e.own_at"]
        if self.incoming.posted:
            own += ["case when e.rowid is null then at_ end"]
        came = "e.rowid is null"
        found: dict[str, str] = {}
        if shape.flag is not None:  # Newsletter true goes by the last read that had it not subscribed (6.4)
            if shape.kind == "subscriber":
                came = f"(e.rowid is null or ({whole[shape.flag]} and e.{shape.flag} is not true))"
                for name in ("posted", "posted_since", "posted_signed", "posted_evidence"):
                    found[name] = f"e.{name}"
            found |= self._consent(whole[shape.flag], whole[shape.flag_at or ""])
        seen = "at_" if self.incoming.posted else "$now::timestamp"
        return found | {
            "own_at": f"coalesce({', '.join(own)})",
            "posted_at": "at_" if self.incoming.posted else "e.posted_at",
            "written_at": "at_",
            "seen_at": f"case when changed_ then {seen} else e.seen_at end",
            "lacked_at": f"case when {came} then $lacked::timestamp else e.lacked_at end",
            "gone_at": "null::timestamp",
        }

    def _consent(self, flag: str, own: str) -> dict[str, str]:
        """Return the columns that say what a consent rests on, and when it changed.

        Only a change from no to yes, or a time of the record's own that is another one than before, may outdo what a
        post said (8.2): a yes where nothing was known before is no such change.
        """
        shape, old = self.shape, f"e.{self.shape.flag}"
        moved = f"{own} is distinct from e.{shape.flag_at}"
        evidence = "e.evidence"
        if "evidence" in self.given:
            evidence = (
                f"case when {flag} is distinct from {old} or e.evidence is null then i.evidence else e.evidence end"
            )
        return {
            "evidence": f"case when {flag} is null then null else {evidence} end",
            shape.changed
            or "": f"""case when {flag} and {own} is not null and ({moved} or {old} is not false) then {own}
                when {flag} and {old} = false then at_
                when {flag} is not distinct from {old} then e.{shape.changed}
                when not {flag} then at_ end""",
        }

    # --- writing ------------------------------------------------------------------------------------------------------

    def _write(self) -> Merged:
        """Put what differs in the place of what stood."""
        shape, owner = self.shape, self.shape.key[0]
        row = self.db.row(
            f"""select count(*) filter (old is null), count(*) filter (old is not null and changed_),
                       count(old), count(*) from {self.new}"""
        )
        came, changed, stood, rows = row or (0, 0, 0, 0)
        if not rows:
            return Merged()
        if stood:
            self.db.execute(f"delete from staged.{shape.table} where rowid in (select old from {self.new})")
        self.db.execute(
            f"insert into staged.{shape.table} by name select * exclude (old, at_, changed_) from {self.new}"
        )
        for name in self.parts:
            among = f"{owner} in (select {owner} from {self.new} where changed_)"
            if stood:
                self.db.execute(f"delete from staged.{name} where {among}")
            self.db.execute(f"insert into staged.{name} by name select * from merge_{name} where {among}")
        return Merged(came, changed, written=rows)

    def _gone(self) -> int:
        """Note who is in a complete read no more, but for what a newer post or read brought."""
        shape = self.shape
        lacking = f"""gone_at is null and written_at <= $written::timestamp
            and not exists (select 1 from {self.keys} as k where {_same(shape.key, "k", f"staged.{shape.table}")})"""
        params = {"written": self.incoming.written_at}
        gone = self.db.value(f"select count(*) from staged.{shape.table} where {lacking}", params)
        if gone:
            self.db.execute(
                f"update staged.{shape.table} set gone_at = $now::timestamp, seen_at = $now::timestamp where {lacking}",
                params | {"now": self.now},
            )
        return int(gone)


def _same(key: Sequence[str], left: str, right: str) -> str:
    return " and ".join(
        f"{left}.{name} is not distinct from {right}.{name}"
        if name == "option_id"
        else f"{left}.{name} = {right}.{name}"
        for name in key
    )


def _of_set(name: str, value: str) -> str:
    return f"list_sort(list_distinct({value}))" if name == "categories" else value


def _sums(table: str, owner: str, part: Part) -> str:
    """Return the query of what a record's parts hash to, in whatever order they stand: all, and what is compared."""

    def hashed(columns: Sequence[str]) -> str:
        return f"sum(hash(struct_pack({', '.join(f'{name} := {name}' for name in columns)})))"

    compared = [name for name in part.all if name not in part.ignored]
    sums = f"{hashed(part.all)} as everything, {hashed(compared)} as compared"
    return f"select {owner}, {sums} from {table} group by {owner}"
