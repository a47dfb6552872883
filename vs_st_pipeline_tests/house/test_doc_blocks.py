"""Holds that no block of README and docs can rot unseen: each is run, validated, or says why it is not.

What is cheap is done here: commands and options exist, samples are what the house reads. `test_docs_run.py` runs the
commands, in `make proof`.
"""

from __future__ import annotations

import json
import re
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
import yaml

from vs_st_pipeline.connectors.shop import drops
from vs_st_pipeline.operations.settings import house, read_merchants
from vs_st_pipeline_tests.support.doc_blocks import PAGES, ROOT, Block, all_blocks, blocks_of, commands_in, spans_of
from vs_st_pipeline_tests.support.doc_commands import faults_of

BLOCKS = all_blocks()
OURS = re.compile(r"^\s*(\$ )?(\w+=\S* )*(vs-st|make|dagster|curl|python|pip) ", re.MULTILINE)
PARTS = {  # what an entry needs besides a part that makes no route by itself
    "shop": {"waymore": {"source": "shop", "username": "env:U", "password": "env:P", "domain": "https://a.example"}},
    "webhooks": {"vinoshipper": {"api_key": "env:K", "api_secret": "env:S"}, "simpletexting": {"api_token": "env:T"}},
}
PARTS["service"] = PARTS["webhooks"]


def of(*languages: str) -> list[Block]:
    return [block for block in BLOCKS if block.language in languages]


def named(block: Block) -> str:
    return block.place


@pytest.mark.parametrize("block", BLOCKS, ids=named)
def test_each_block_is_run_or_validated_or_says_why_not(block: Block) -> None:
    if block.held_by is not None:
        test = ROOT / block.held_by
        assert test.is_file()
        assert Path(block.page).name in test.read_text(encoding="utf-8"), "that test is about another page"
    elif block.why_not is not None:
        assert len(block.why_not.split()) > 3, "say why"
    elif block.language == "text":
        assert not OURS.search(block.text), "commands stand in a block `sh`, which is run"
    else:
        assert block.language in {"sh", "yaml", "json"}, "a block's language says how it is held true"


@pytest.mark.parametrize("page", PAGES)
def test_each_command_of_a_page_exists_and_has_the_options(page: str) -> None:
    shown = [block.text for block in blocks_of(page) if block.language == "sh"]
    said = [_one_of_each(span) for span in spans_of(page) if re.match(r"(\w+=\S+ )*(vs-st|make|python|pytest) ", span)]
    assert [(text, faults) for text in (*shown, *said) if (faults := faults_of(text))] == []


def _one_of_each(span: str) -> str:
    """Return a command with the first of the words between which a reader chooses: `--as sent|not-sent`."""
    return re.sub(r"(?<=\w)\|[\w-]+", "", span).replace("|", " ")


def test_a_command_or_option_that_is_none_is_found() -> None:
    assert faults_of("vs-st sink --all") == ["no command 'sink' of cli"]
    assert faults_of("FOO=1 vs-st orders show --merchnat ID 7 # why") == ["show has no option --merchnat"]
    assert faults_of("vs-st merchants hillside") == ["merchants takes no 'hillside'"]
    assert faults_of("make dmeo && make proof PROOFS=kils") == ["make has no target 'dmeo'", "no PROOFS 'kils'"]
    assert faults_of("pytest -m slow house/test_docs_run.py::test_nothing") == [
        "house/test_docs_run.py has no test_nothing"
    ]
    assert faults_of("pytest house/test_doc_blocks.py::test_a_command_or_option_that_is_none_is_found") == []
    assert commands_in("a 1 | b \\\n 2 # c d\ncat > f <<END\nvs-st sink\nEND\n")[:2] == [["a", "1"], ["b", "2"]]


@pytest.mark.parametrize("block", of("yaml"), ids=named)
def test_each_sample_of_settings_is_read_without_a_fault(block: Block, tmp_path: Path) -> None:
    said: dict[str, Any] = yaml.safe_load(block.text)
    if block.held_by is not None or "ops" in said:  # the latter: Dagster's, see test_docs_run.py
        return
    text = block.text
    if not {"merchants", "defaults"} & set(said):
        text = yaml.safe_dump({"merchants": [_entry(said)]})
    (tmp_path / "merchants.yaml").write_text(text, encoding="utf-8")
    file = read_merchants(tmp_path / "merchants.yaml", {}, secrets=False)
    assert file.bad == ()
    for merchant in file.merchants:
        assert (merchant.faults, merchant.off) == ({}, {})
        assert merchant.routes, "it makes no route"


def _entry(part: dict[str, Any]) -> dict[str, Any]:
    """Return a whole entry from a part of one."""
    assert set(part) <= {*house().keys, "webhooks", "service"}
    signed = set(part.get("webhooks", {})) & {"shop"}
    needed = [PARTS["shop"], {"shop": {}}] if signed else [PARTS.get(key, {}) for key in part]
    whole: dict[str, Any] = {"id": "made-up", "name": "Made Up"}
    for one in (*needed, part):
        whole |= one
    return whole


@pytest.mark.parametrize("block", of("json"), ids=named)
def test_each_json_sample_is_json_and_a_drop_of_it_is_ready(block: Block, tmp_path: Path) -> None:
    said = json.loads(block.text)
    if "taken_at" in said:
        (tmp_path / "one").mkdir()
        (tmp_path / "one" / drops.READY).write_text(block.text, encoding="utf-8")
        [drop] = drops.find(tmp_path, UTC)
        assert (drop.fault, drop.complete, set(drop.tables or {})) == ("", True, set(said["tables"]))


def test_the_exports_of_a_shop_have_the_columns_that_a_drop_must_have() -> None:
    page = (ROOT / "docs" / "shop-export.md").read_text(encoding="utf-8")
    exports = re.findall(r"(select .*?)[\")]* (?:to '\$out/(\w+)\.csv'|> \"\$out/(\w+)\.jsonl\")", page)
    found = {"csv": {}, "jsonl": {}}  # type: dict[str, dict[str, str]]
    for text, csv, jsonl in exports:
        found["csv" if csv else "jsonl"][csv or jsonl] = text
    for kind, texts in found.items():
        assert set(texts) == set(drops.REQUIRED), kind
        for table, text in texts.items():
            assert [one for one in drops.REQUIRED[table] if not re.search(rf"\b{one}\b", text)] == [], (kind, table)


def test_settings_of_the_environment_that_pages_name_are_read_somewhere() -> None:
    known = re.compile(r"VS_ST_[A-Z0-9_]*[A-Z0-9]")
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "vs_st_pipeline").rglob("*.py"))
    read = set(known.findall(code)) | {f"VS_ST_{one.name.upper()}_RATE" for one in house().sections}
    said = {(page, name) for page in (*PAGES, ".env.example") for name in known.findall((ROOT / page).read_text())}
    assert sorted((page, name) for page, name in said if name not in read) == []


def test_the_samples_of_deploy_start_commands_that_exist_and_lead_to_the_port_that_is_listened_on() -> None:
    units = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "deploy").iterdir() if path.is_file()}
    started = [
        line for text in units.values() for line in re.findall(r"^ExecStart=\S*/(vs-st .*)$", text, re.MULTILINE)
    ]
    container = units["Containerfile"]
    [program], [words] = (re.findall(rf"^{key} (\[.*\])$", container, re.MULTILINE) for key in ("ENTRYPOINT", "CMD"))
    started.append(" ".join([*json.loads(program), *json.loads(words)]))
    assert [faults_of(line) for line in started] == [[]] * 3
    assert re.findall(r"^ListenStream=(\S+)$", units["vs-st-receive.socket"], re.MULTILINE) == ["127.0.0.1:8088"]
    for proxy in ("nginx.conf", "Caddyfile"):
        assert "127.0.0.1:8088" in units[proxy]
        assert units[proxy].count("{") == units[proxy].count("}")
    for copied in re.findall(r"^COPY (.+) \S+$", container, re.MULTILINE):
        assert [name for name in copied.split() if not (ROOT / name).exists()] == []
