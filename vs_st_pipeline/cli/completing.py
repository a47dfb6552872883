"""Says what may stand behind an option when a shell completes it; imports nothing that takes time.

A shell asks at every press of Tab, so nothing is checked and nothing is said: what cannot be read completes nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem

INDEX: Final = "commands.json"
"""All commands and what they take (`cli/index.py`), beside this module."""

Complete = Callable[[click.Context, click.Parameter, str], list["CompletionItem[str]"]]


def read_index() -> dict[str, Any]:
    """Return what stands in the index."""
    found: dict[str, Any] = json.loads(files("vs_st_pipeline.cli").joinpath(INDEX).read_text(encoding="utf-8"))
    return found


def _items(words: Iterable[str], begun: str) -> list[CompletionItem[str]]:
    return [CompletionItem(word) for word in words if word.startswith(begun)]


def merchants(_context: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Complete ids of merchants of the merchants file, and of the files beside it."""
    return _items(dict.fromkeys(one for text in _texts() for one in _merchant_ids(text)), begun)


def accounts(_context: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Complete ids of accounts that several merchants share."""
    return _items(dict.fromkeys(one for text in _texts() for one in _account_ids(text)), begun)


def routes(_context: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Complete names of routes."""
    return _items(read_index()["routes"], begun)


def systems(_context: click.Context, _param: click.Parameter, begun: str) -> list[CompletionItem[str]]:
    """Complete names of the systems that call us."""
    return _items(read_index()["systems"], begun)


VALUES: Final[dict[str, Complete]] = {
    "merchants": merchants, "accounts": accounts, "routes": routes, "systems": systems,
}  # fmt: skip


def _texts() -> Iterator[str]:
    """Yield the merchants file and those beside it, as `platform.settings` finds them, which takes long to import."""
    with contextlib.suppress(RuntimeError):
        path = Path(os.environ.get("VS_ST_MERCHANTS", "").strip() or "merchants.yaml").expanduser()
        folder = path if path.is_dir() else path.parent / "merchants.d"
        for file in (path, *sorted(folder.glob("[!.]*.yaml"))):
            with contextlib.suppress(OSError, ValueError):
                if file.is_file():
                    yield file.read_text(encoding="utf-8")


def _merchant_ids(text: str) -> Iterator[str]:
    """Yield `merchants[].id`."""
    return (value for path, value in _scalars(text) if path == ("merchants", "", "id"))


def _account_ids(text: str) -> Iterator[str]:
    """Yield the keys that stand under those keys of the top whose name ends with `_accounts`."""
    found = (path[1] for path, _ in _scalars(text) if len(path) > 2 and path[0].endswith("_accounts"))
    return iter(dict.fromkeys(found))


def _scalars(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each scalar with the keys above it, `""` for an item of a list, as far as the text is YAML."""
    import yaml

    path: list[str] = []
    open_: list[bool] = []  # whether a mapping waits for a key; of a list: never
    kinds: list[str] = []
    loader = yaml.CSafeLoader(text)

    def ended() -> None:
        if kinds and kinds[-1] == "mapping":
            path.pop()
            open_[-1] = True

    with contextlib.suppress(yaml.YAMLError):
        while (event := loader.get_event()) is not None and not isinstance(event, yaml.StreamEndEvent):
            if isinstance(event, yaml.ScalarEvent) and kinds and kinds[-1] == "mapping" and open_[-1]:
                path.append(event.value)
                open_[-1] = False
            elif isinstance(event, yaml.ScalarEvent):
                yield tuple(path), event.value
                ended()
            elif isinstance(event, yaml.MappingStartEvent):
                kinds.append("mapping")
                open_.append(True)
            elif isinstance(event, yaml.SequenceStartEvent):
                kinds.append("list")
                open_.append(False)
                path.append("")
            elif isinstance(event, yaml.CollectionEndEvent):
                if kinds.pop() == "list":
                    path.pop()
                open_.pop()
                ended()
            elif isinstance(event, yaml.AliasEvent):
                ended()
