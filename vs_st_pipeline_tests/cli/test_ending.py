"""A command that a signal stopped ends without a word of DuckDB's about what its last syncs still hold."""

from __future__ import annotations

import subprocess
import sys

import pytest

HELD = """
import sys, threading, time
import duckdb
from vs_st_pipeline.cli import ending

held = threading.Event()

def hold():
    db = duckdb.connect()
    db.execute("select 1")
    held.set()
    time.sleep(60)

def command():
    threading.Thread(target=hold, daemon=True).start()
    held.wait()
    print("done", end="")
    print("warned", end="", file=sys.stderr)
    {soon}
    sys.exit({code})

ending.run(command)
"""


def ended(code: str, soon: str = "ending.soon()") -> tuple[int, str, str]:
    program = HELD.format(soon=soon, code=code)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(("code", "number"), [("0", 0), ("1", 1), ("None", 0)])
def test_what_was_said_is_written_and_nothing_else(code: str, number: int) -> None:
    assert ended(code) == (number, "done", "warned")


def test_without_it_the_module_complains_so_that_this_test_proves_something() -> None:
    code, said, complaint = ended("0", "pass")
    assert (code, said) == (0, "done")
    assert "nanobind: leaked" in complaint
