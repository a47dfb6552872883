"""Says whether a command that a page shows exists: its words, its options, the targets, proofs and tests it names."""

from __future__ import annotations

import re
from collections.abc import Sequence

import click

from benchmarks.__main__ import BY_NAME, USUAL
from proof.__main__ import PROOFS
from vs_st_pipeline.cli.main import cli
from vs_st_pipeline_tests.support.doc_blocks import ROOT, commands_in, without_settings

TARGETS = frozenset(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
NAMED = {"PROOFS": {proof.name for proof in PROOFS}, "BENCHES": {*USUAL, *BY_NAME}}
SWITCHES = {"QUICK", "SHARE", "MINUTES", "BRANCH"}


def faults_of(text: str) -> list[str]:
    """Return what is not so in the commands of a text; of programs that are not ours nothing is said.

    Args:
        text: lines of a shell, or one command in a sentence, where `...`, `|` and brackets are a notation.
    """
    return [fault for words in commands_in(text) for fault in _faults(without_settings(words))]


def _faults(words: Sequence[str]) -> list[str]:
    match words:
        case ["vs-st", *rest]:
            return _of_vs_st(rest)
        case ["make", *rest]:
            return _of_make(rest)
        case [("python" | ".venv/bin/python"), "-m", "proof", *rest]:
            return _unknown("proof", rest, NAMED["PROOFS"])
        case [("python" | ".venv/bin/python"), "-m", "benchmarks", *rest]:
            return _unknown("benchmark", rest, {*NAMED["BENCHES"], "NAME"})
        case [("python" | ".venv/bin/python"), script, *_] if script.startswith("scripts/"):
            return [] if (ROOT / script).exists() else [f"there is no {script}"]
        case [("pytest" | ".venv/bin/pytest"), *rest]:
            return [fault for one in rest if ".py" in one for fault in _of_test(one)]
    return []


def _of_vs_st(words: Sequence[str]) -> list[str]:
    here: click.Command = cli
    left = list(words)
    while isinstance(here, click.Group) and left and not left[0].startswith(("-", "<", "[", ".")):
        if left[0] not in here.commands:
            return [f"no command {left[0]!r} of {here.name}"]
        here = here.commands[left.pop(0)]
    if isinstance(here, click.Group) and (listing := here.commands.get("list")) is not None and listing.hidden:
        here = listing  # what a group does that is named alone
    known = {option for one in here.params for option in (*one.opts, *one.secondary_opts)} | {"-h", "--help"}
    known |= {"--version"} if here is cli else set()
    options = [word.partition("=")[0].strip("[]()") for word in left if re.match(r"[\[(]*--?[a-z]", word)]
    if faults := [f"{here.name} has no option {option}" for option in options if option not in known]:
        return faults
    with click.Context(here, resilient_parsing=True) as context:
        _, rest, _ = here.make_parser(context).parse_args([word.strip("[]()") for word in left])
    takes = any(isinstance(one, click.Argument) for one in here.params) or isinstance(here, click.Group)
    return [] if takes else [f"{here.name} takes no {word!r}" for word in rest]


def _of_make(words: Sequence[str]) -> list[str]:
    faults = []
    for word in words:
        name, is_set, value = word.partition("=")
        if not is_set:
            faults += [] if name in TARGETS else [f"make has no target {name!r}"]
        elif name in NAMED:
            faults += _unknown(name, value.split(), NAMED[name])
        elif name not in SWITCHES:
            faults.append(f"make takes no {name}")
    return faults


def _unknown(what: str, words: Sequence[str], known: set[str]) -> list[str]:
    """Return faults of the first words, which are names up to the first option."""
    names = [word for word in words if not word.startswith("-")]
    values = {after for before, after in zip(words, words[1:], strict=False) if before in ("--unit", "--share")}
    return [f"no {what} {name!r}" for name in names if name not in known and name not in values]


def _of_test(named: str) -> list[str]:
    """Return the fault of a test's path: `file`, `file::test` or `file::test[case]`."""
    file, *inner = re.sub(r"\[.*", "", named).split("::")
    path = next((one for one in (ROOT / file, ROOT / "vs_st_pipeline_tests" / file) if one.exists()), None)
    if path is None:
        return [f"there is no {file}"]
    text = path.read_text(encoding="utf-8") if inner else ""
    return [f"{file} has no {name}" for name in inner if not re.search(rf"^ *(def|class) {name}\b", text, re.MULTILINE)]
