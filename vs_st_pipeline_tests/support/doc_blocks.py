"""Reads the fenced blocks of README and docs: what stands in them, and what a page says of how each is held true.

A block is in one of these classes, which `house/test_doc_blocks.py` holds:

- `sh`: commands. `house/test_docs_run.py` runs them, page by page, each page from top to bottom in one shell.
- `yaml`, `json`, `ini`: samples, parsed and validated.
- `text`: pictures and output without a command in it.
- any, with `<!-- not run: why -->` right above: what cannot be run here, and why.
- any, between `<!-- held by vs_st_pipeline_tests/... -->` and `<!-- /held -->`: another test makes or runs it.
"""

from __future__ import annotations

import itertools
import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))
FENCE = re.compile(r"( *)(`{3,})([\w-]*)\s*$")
NOT_RUN = re.compile(r"\s*<!-- not run: (.+) -->\s*$")
HELD, END = re.compile(r"\s*<!-- held by (\S+) -->\s*$"), re.compile(r"\s*<!-- /held -->\s*$")
SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: its path from the root, such as `docs/orders.md`.
        line: of its fence, from 1.
        heading: the nearest heading of the second level above it, "" where there is none.
        language: the word behind the fence, "" where there is none.
        text: what stands in it, without the indentation of the fence.
        why_not: why it is not run; None where nothing says so.
        held_by: the path of the test that holds it; None where no other test does.
    """

    page: str
    line: int
    heading: str
    language: str
    text: str
    why_not: str | None = None
    held_by: str | None = None

    @property
    def place(self) -> str:
        """Return page and line, as an editor takes them."""
        return f"{self.page}:{self.line}"

    @property
    def is_run(self) -> bool:
        """Return whether the commands in it are run."""
        return self.language == "sh" and self.why_not is None and self.held_by is None


def blocks_of(page: str, text: str | None = None) -> list[Block]:
    """Return the blocks of a page, in its order.

    Args:
        page: the path from the root.
        text: what the page says; None: what stands in the file.

    Raises:
        ValueError: a fence or a `held by` that nothing ends.
    """
    lines = ((ROOT / page).read_text(encoding="utf-8") if text is None else text).splitlines()
    found: list[Block] = []
    held, heading, at = None, "", 0
    while at < len(lines):
        if (begins := HELD.match(lines[at])) is not None:
            held = begins[1]
        elif END.match(lines[at]):
            held = None
        elif lines[at].startswith("## "):
            heading = lines[at].removeprefix("## ").strip()
        fence = FENCE.match(lines[at])
        if fence is not None:
            ends = [i for i in range(at + 1, len(lines)) if lines[i].strip() == fence[2]]
            if not ends:
                raise ValueError(f"{page}:{at + 1}: nothing ends this block")
            reason = NOT_RUN.match(lines[at - 1]) if at else None
            inside = textwrap.dedent("\n".join(lines[at + 1 : ends[0]])) + "\n"
            found.append(Block(page, at + 1, heading, fence[3], inside, reason and reason[1], held))
            at = ends[0]
        at += 1
    if held is not None:
        raise ValueError(f"{page}: nothing ends `held by {held}`")
    return found


def all_blocks() -> list[Block]:
    """Return the blocks of all pages."""
    return [block for page in PAGES for block in blocks_of(page)]


def spans_of(page: str) -> Iterator[str]:
    """Yield what stands in backquotes in the sentences of a page, each on one line."""
    text = (ROOT / page).read_text(encoding="utf-8")
    outside = re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
    for found in SPAN.findall(outside):
        yield " ".join(found.split())


def commands_in(text: str) -> list[list[str]]:
    """Return the simple commands of a shell text, each as its words; here-documents and comments are left out.

    Raises:
        ValueError: a quote that nothing ends.
    """
    text = re.sub(r"<<'?(\w+)'?(.*?)\n.*?^\1$", r"\2", text, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"(^|\s)# .*$", "", text.replace("\\\n", " "), flags=re.MULTILINE)
    words = shlex.shlex(text, posix=True, punctuation_chars="();|&\n")
    words.whitespace, words.whitespace_split, words.commenters = " \t", True, ""
    found: list[list[str]] = [[]]
    for word in words:
        if set(word) <= set("();|&\n"):
            found.append([])
        else:
            found[-1].append(word)
    return [one for one in found if one]


def without_settings(words: list[str]) -> list[str]:
    """Return a command without what is set before it, such as `SHARE=1/4` of `SHARE=1/4 make proof`."""
    return list(itertools.dropwhile(re.compile(r"\w+=").match, words))
