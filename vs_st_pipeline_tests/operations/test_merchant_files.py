"""Our own commands change only files that they wrote, and of these only the lines that they mean (routes.md R64)."""

from __future__ import annotations

import os
import stat
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from vs_st_pipeline.operations import merchant_files
from vs_st_pipeline.operations.merchant_files import MARK, NotChanged, change, create
from vs_st_pipeline.operations.settings import read_merchants
from vs_st_pipeline.platform.settings.yaml_edit import CannotEdit, set_value, write_scalar

ENVIRON = {"KEY": "k"}
ENTRY = {
    "id": "oak-hollow",
    "name": "Oak: Hollow #1 “é”",
    "enabled": False,
    "vinoshipper": {"api_key": "env:KEY", "api_secret": "env:KEY"},
    "simpletexting": {"api_token": "env:KEY"},
    "paused": [],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "merchants.yaml"


def test_r64_a_file_that_we_make_is_read_back_as_it_was_meant(path: Path) -> None:
    """R64: `onboard` writes `merchants.d/ID.yaml`; no merchants file is needed."""
    file = create(path, ENTRY, ENVIRON)
    (merchant,) = read_merchants(path, ENVIRON).merchants
    assert file == path.parent / "merchants.d" / "oak-hollow.yaml"
    assert (merchant.id, merchant.name, merchant.enabled) == ("oak-hollow", "Oak: Hollow #1 “é”", False)
    assert not list(file.parent.glob(".*.new"))


def test_r64_defaults_of_the_merchants_file_hold_for_a_file_that_we_make(path: Path) -> None:
    """R64: what stands in `defaults` fills a section that the new entry names."""
    path.write_text("defaults:\n  simpletexting: {api_token: env:KEY}\n")
    create(path, {**ENTRY, "simpletexting": {}}, ENVIRON)
    assert read_merchants(path, ENVIRON).ids == ("oak-hollow",)


def test_r64_nothing_is_written_that_the_reader_would_refuse_or_that_is_there(path: Path) -> None:
    """R64: a draft is read by our own reader first, and a file that is there is not replaced."""
    with pytest.raises(NotChanged, match="api_keyy"):
        create(path, {**ENTRY, "vinoshipper": {"api_keyy": "env:KEY"}}, ENVIRON)
    file = path.parent / "merchants.d" / "oak-hollow.yaml"
    assert not file.exists()
    file.write_text("# mine\n")
    with pytest.raises(NotChanged, match="there already"):
        create(path, ENTRY, ENVIRON)
    assert file.read_text() == "# mine\n"


def ours(path: Path, text: str) -> Path:
    folder = path.parent / "merchants.d"
    folder.mkdir(exist_ok=True)
    file = folder / "oak-hollow.yaml"
    file.write_bytes(f"{MARK}\n{text}".encode())
    return file


PLAIN = """# a comment é
merchants:
  - id: oak-hollow   # its id
    name: 'Oak'

    vinoshipper: {api_key: env:KEY, api_secret: "env:KEY"}
    simpletexting:
        api_token:   env:KEY
    # what follows is of nobody
"""


def test_r64_every_line_but_those_of_the_changed_keys_stays_byte_for_byte(path: Path) -> None:
    """R64: comments, quotes, indentation, blank lines and line ends stay."""
    for end in ("\n", "\r\n"):
        file = ours(path, PLAIN.replace("\n", end))
        before = file.read_bytes().splitlines(keepends=True)
        change(path, "oak-hollow", {"simpletexting.full_read": "12h", "enabled": False}, ENVIRON)
        change(path, "oak-hollow", {"webhooks.opt_in_look": "5m"}, ENVIRON)
        change(path, "oak-hollow", {"webhooks.opt_in_look": "1m", "name": "Oak: #2"}, ENVIRON)
        after = file.read_bytes().splitlines(keepends=True)
        new = [line for line in after if line not in before]
        assert b"".join(new).decode().split(end) == [
            "    name: 'Oak: #2'",
            "        full_read: 12h",
            "    enabled: false",
            "    webhooks:",
            "      opt_in_look: 1m",
            "",
        ]
        assert [line for line in after if line in before] == [line for line in before if b"name:" not in line]
        (found,) = read_merchants(path, ENVIRON).merchants
        assert (found.webhooks.opt_in_look, found.name, found.enabled) == (timedelta(minutes=1), "Oak: #2", False)


@pytest.mark.parametrize(
    ("text", "values", "after"),
    [
        ("    webhooks:\n", {"webhooks.enabled": False}, "    webhooks:\n      enabled: false\n"),
        ("    webhooks:", {"webhooks.enabled": False}, "    webhooks:\n      enabled: false"),
        ("    enabled:  false  # why\n", {"enabled": True}, "    enabled:  true  # why\n"),
        ("    webhooks: {share: 0.5}\n", {"webhooks.share": 1.0}, "    webhooks: {share: 1.0}\n"),
        ("    time_zone: |-\n      UTC\n", {"enabled": False}, "    time_zone: |-\n      UTC\n    enabled: false\n"),
    ],
)
def test_r64_how_values_are_set(path: Path, text: str, values: dict[str, object], after: str) -> None:
    """R64: in place where the key is there, below the last of its mapping where it is not."""
    head = "merchants:\n  - id: oak-hollow\n    vinoshipper: {api_key: env:KEY, api_secret: env:KEY}\n"
    head += "    simpletexting: {api_token: env:KEY}\n"
    file = ours(path, head + text)
    change(path, "oak-hollow", values, ENVIRON)  # type: ignore[arg-type]
    assert file.read_text() == f"{MARK}\n{head}{after}"


@pytest.mark.parametrize(
    "text",
    [
        "    webhooks: {share: 0.5}\n",  # a key that is not there, in braces
        "    webhooks: &w\n      share: 0.5\n    paused: [contacts]\n  - id: b\n    webhooks: *w\n",
        "    webhooks: [1]\n",
        '    webhooks:\n      "enabled": >\n        true\n',
    ],
)
def test_r64_what_cannot_be_done_line_by_line_is_not_done(path: Path, text: str) -> None:
    """R64: the file stays, and the lines to paste are handed back."""
    head = "merchants:\n  - id: oak-hollow\n    vinoshipper: {api_key: env:KEY, api_secret: env:KEY}\n"
    head += "    simpletexting: {api_token: env:KEY}\n"
    file = ours(path, head + text)
    before = file.read_bytes()
    with pytest.raises(NotChanged) as refused:
        change(path, "oak-hollow", {"webhooks.enabled": False, "webhooks.opt_in_look": "3m"}, ENVIRON)
    assert refused.value.lines == ("webhooks:", "  enabled: false", "  opt_in_look: 3m")
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a: &x 1\nb: *x\n", ("b",)),  # through an alias its anchor would be changed
        ("a: &x {c: 1}\nb: *x\n", ("b", "c")),
        ("a: &x 1\nb: *x\n", ("a",)),
        ("a: {b: 1}\n", ("a", "c")),
        ("a: >\n  text\n  more\n", ("a",)),
        ("a: 1\n", ("a", "b")),
        ("a: [1, 2]\n", ("a", "b")),
        ("a: !!int 1\na: 3\n", ("a",)),
        ('a: "x\n  y"\n', ("a",)),
        ("a: [\n", ("a",)),
    ],
)
def test_r64_a_value_in_a_form_that_reaches_further_than_its_line_is_not_set(text: str, place: tuple[str]) -> None:
    with pytest.raises(CannotEdit):
        set_value(text, place, 2)


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30))
def test_r64_any_text_is_written_on_one_line_and_read_back(value: str) -> None:
    written = write_scalar(value)
    assert len(written.splitlines()) == 1
    assert yaml.safe_load(f"a: {written}\n") == {"a": value}


def test_r64_a_file_that_a_person_wrote_is_never_touched(path: Path) -> None:
    """R64: neither the merchants file, nor a file of the folder without our line, nor one whose line was taken out."""
    path.write_text(PLAIN)
    with pytest.raises(NotChanged, match=r"merchants.yaml was written by a person"):
        change(path, "oak-hollow", {"enabled": True}, ENVIRON)
    path.unlink()
    file = create(path, ENTRY, ENVIRON)
    file.write_text(file.read_text().removeprefix(MARK))
    before = file.read_bytes()
    with pytest.raises(NotChanged, match=r"oak-hollow.yaml was written by a person"):
        change(path, "oak-hollow", {"enabled": True}, ENVIRON)
    assert file.read_bytes() == before


def test_r64_a_change_that_the_reader_would_refuse_is_not_made(path: Path) -> None:
    """R64: `enabled: true` needs the secrets to be there."""
    file = create(path, ENTRY, ENVIRON)
    before = file.read_bytes()
    with pytest.raises(NotChanged, match="KEY is not set"):
        change(path, "oak-hollow", {"enabled": True}, {})
    assert file.read_bytes() == before


def test_r64_mode_and_link_are_kept_and_a_change_by_somebody_else_wins(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R64: a link's target is replaced, the mode stays; what changed meanwhile stays as it is."""
    file = create(path, ENTRY, ENVIRON)
    real = file.with_name("real.text")
    file.rename(real)
    file.symlink_to(real.name)
    real.chmod(0o640)
    change(path, "oak-hollow", {"name": "Oak"}, ENVIRON)
    assert file.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    read = merchant_files.read_draft

    def slow(*given: object) -> object:
        real.write_text(real.read_text() + "# mine\n")
        return read(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(merchant_files, "read_draft", slow)
    with pytest.raises(NotChanged, match="changed meanwhile"):
        change(path, "oak-hollow", {"name": "Elm"}, ENVIRON)
    assert real.read_text().endswith("# mine\n")
    assert "Elm" not in real.read_text()


def test_dates_and_times_are_written_as_the_settings_have_them() -> None:
    moment = datetime(2026, 11, 30, 12, tzinfo=UTC)
    assert (write_scalar(date(2026, 11, 28)), write_scalar(moment)) == ("2026-11-28", "2026-11-30T12:00:00+00:00")
    assert [write_scalar(one) for one in (None, True, 1, 0, "1", "a: b")] == ["null", "true", "1", "0", "'1'", "'a: b'"]


@pytest.mark.parametrize(
    ("mode", "folder", "file"), [(0o644, 0o755, 0o644), (0o640, 0o750, 0o640), (0o600, 0o700, 0o600)]
)
def test_3_who_reads_the_merchants_file_reads_what_we_write_beside_it(
    path: Path, mode: int, folder: int, file: int
) -> None:
    """Section 3: the receiver may be another user; the console script's umask keeps no entry from it."""
    path.write_text("defaults: {give_up_after: 60s}\n")
    path.chmod(mode)
    before = os.umask(0o077)
    try:
        made = create(path, ENTRY, ENVIRON)
    finally:
        os.umask(before)
    assert stat.S_IMODE(made.parent.stat().st_mode) == folder
    assert stat.S_IMODE(made.stat().st_mode) == file
