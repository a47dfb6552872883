"""`vs-st completion bash|zsh|fish`: a real bash asks, and is answered without the modules that take long to import."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vs_st_pipeline.cli.main import cli

ASKED = {
    "vs-st o": ["onboard", "offboard", "orders"],
    "vs-st sync --merchant o": ["oak", "oak-two"],
    "vs-st sync --merchant oak --route n": ["notices"],
    "vs-st inbox --state w": ["waiting", "working"],
    "vs-st notices resume --account ": ["our-house"],
}
SETTINGS = """
our_accounts: {our-house: {key: [a, {b: c}]}}
merchants:
  - id: hillside
    name: &name Hillside
    more: [{id: oops}, *name]
  - {name: Oak, id: oak}
"""


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes_commands_options_merchants_and_routes(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "vs-st"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m vs_st_pipeline.cli.entry "$@"\n')
    program.chmod(0o755)
    (tmp_path / "merchants.yaml").write_text(SETTINGS)
    (tmp_path / "merchants.d").mkdir()
    (tmp_path / "merchants.d" / "oak-two.yaml").write_text("merchants:\n- id: oak-two\n")
    (tmp_path / "merchants.d" / "spoiled.yaml").write_text("]")
    script = [
        f'export PATH="{program.parent}:$PATH" VS_ST_MERCHANTS="{tmp_path}/merchants.yaml"',
        'eval "$(vs-st completion bash)"',
        "complete -p vs-st",
        'try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); $how "$1"; echo "${COMPREPLY[*]}"; }',
        "how=$(complete -p vs-st | sed 's/.*-F \\([^ ]*\\) .*/\\1/')",
        *(f"try {asked}{'' if asked[-1] != ' ' else chr(34) * 2}" for asked in ASKED),
    ]
    done = subprocess.run(["bash", "--norc", "-c", "\n".join(script)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    how, *answers = done.stdout.splitlines()
    assert how == "complete -o nosort -F _vs_st_completion vs-st"
    assert [answer.split() for answer in answers] == list(ASKED.values())


def test_neither_help_nor_completion_imports_what_takes_long() -> None:
    script = (
        "import sys; from vs_st_pipeline.cli import completing, completion, entry, help, index, output;"
        "index.build(completing.read_index());"
        "print(sorted({'duckdb', 'requests', 'pydantic', 'rich', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_get_their_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["completion", shell], standalone_mode=False)
    assert f"_VS_ST_COMPLETE={shell}_complete" in capsys.readouterr().out
