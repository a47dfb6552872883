"""Two toy systems in files, so that processes share them: a shop to read, a CRM to write, and ways of answering badly.

Each keeps its own books, whatever it answers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vs_st_pipeline.domain.errors import Refused, TryLater

Record = dict[str, Any]


@dataclass(frozen=True)
class Books:
    """What a system holds, in a file.

    Attributes:
        path: where: `people` by id, `written` (id and values of each write), `faults` by id: `hollow` (answers that say
            nothing), `down` (a write is not done, nor answered), `lost` (it is done, and not answered).
    """

    path: Path

    def read(self) -> Record:
        empty: Record = {"people": {}, "written": [], "faults": {}}
        return {**empty, **json.loads(self.path.read_text())} if self.path.exists() else empty

    def change(self, **values: Any) -> None:
        self.path.write_text(json.dumps({**self.read(), **values}))

    def person(self, id_: str, /, **values: Any) -> None:
        """Have somebody, or change somebody."""
        people = self.read()["people"]
        self.change(people={**people, id_: {**people.get(id_, {"id": id_}), **values}})

    def remove(self, *ids: str) -> None:
        self.change(people={id_: body for id_, body in self.read()["people"].items() if id_ not in ids})

    def fault(self, id_: str, kind: str | None) -> None:
        """Answer badly about somebody from now on, or well again."""
        self.change(faults={**self.read()["faults"], id_: kind})

    # What a client may ask.

    def list(self) -> list[Record]:
        books = self.read()
        return [{} if books["faults"].get(id_) == "hollow" else body for id_, body in books["people"].items()]

    def get(self, id_: str) -> Record | None:
        books = self.read()
        return {} if books["faults"].get(id_) == "hollow" else books["people"].get(id_)

    def put(self, id_: str, values: dict[str, str]) -> None:
        """Write somebody; a city named `Nowhere` is refused."""
        books = self.read()
        if books["faults"].get(id_) == "down":
            raise TryLater("no answer", system="crm", call="put")
        if values.get("city") == "Nowhere":
            raise Refused("refused", system="crm", call="put", http_status=400, code="NO_SUCH_CITY")
        self.person(id_, **values)
        self.change(written=[*books["written"], [id_, values]])
        if books["faults"].get(id_) == "lost":
            raise TryLater("no answer", system="crm", call="put")
