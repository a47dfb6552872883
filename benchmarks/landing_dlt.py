"""dlt's side of `landing`; runs with an interpreter that has dlt (and not us), prints one JSON line.

Run with a folder of pages, a folder for its state and a variant. Pages are decoded with dlt's own JSON (orjson) and
handed over whole, as its documentation advises; both tables have a primary key and are merged. dlt calls nobody:
its telemetry is switched off.
"""

from __future__ import annotations

import os

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "CRITICAL"

import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt
import duckdb
from dlt.common.json import json as dlt_json

# name: (max_table_nesting, format of the files between normalizing and loading, what is handed over)
VARIANTS: dict[str, tuple[int | None, str, bool]] = {
    "nested": (None, "parquet", False),
    "flat": (0, "parquet", False),
    "bodies": (0, "parquet", True),
}


def records(folder: Path, name: str, key: str, within: str | None, bodies: bool) -> Iterator[list[dict[str, Any]]]:
    """The records of each page: whole, or as their key and their JSON text."""
    for file in sorted(folder.glob(f"{name}-*")):
        page = dlt_json.loadb(file.read_bytes())
        found = page[within] if within else page
        yield [{key: row[key], "body": dlt_json.dumps(row)} for row in found] if bodies else found


def main() -> None:
    """Extract, normalize, load, measure."""
    pages, state, variant = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    nesting, file_format, bodies = VARIANTS[variant]
    state.mkdir(parents=True, exist_ok=True)
    os.environ["DLT_DATA_DIR"] = str(state)
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=str(state / "pipelines"),
        destination=dlt.destinations.duckdb(str(state / "warehouse.duckdb")),
        dataset_name="raw",
    )
    resources = [
        dlt.resource(
            records(pages, name, key, within, bodies),
            name=name,
            primary_key=key,
            write_disposition="merge",
            max_table_nesting=nesting,
        )
        for name, key, within in (("customers", "id", "items"), ("orders", "orderNumber", None))
    ]
    wall, cpu = time.perf_counter(), time.process_time()
    pipeline.run(resources, loader_file_format=file_format)
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    figures = {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu + children.ru_utime + children.ru_stime,
        "peak_mb": own.ru_maxrss / 1024,
        "versions": f"dlt {dlt.__version__}, duckdb {duckdb.__version__}",
    }
    with duckdb.connect(str(state / "warehouse.duckdb"), read_only=True) as db:
        figures["rows"] = db.execute(
            "select (select count(*) from raw.customers) + (select count(*) from raw.orders)"
        ).fetchall()[0][0]
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
