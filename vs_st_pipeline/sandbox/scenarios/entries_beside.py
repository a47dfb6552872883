"""Writes the entries of a world beside a merchants file that is there: a file of `merchants.d`, and their keys."""

from __future__ import annotations

from pathlib import Path

import yaml

from vs_st_pipeline.sandbox.core.process import Sandbox


def write_beside(box: Sandbox, folder: Path, name: str) -> Path:
    """Write what `Sandbox.write_settings` writes with no defaults of its own; returns the file.

    What several merchants share stands at the top of the merchants file, and is added there.

    Args:
        folder: where the merchants file lies. name: of the file in `merchants.d`, and of the folder with the keys.
    """
    whole = yaml.safe_load(box.write_settings(folder / name).read_text(encoding="utf-8"))
    sections = {key: part for key, part in whole["defaults"].items() if isinstance(part, dict)}
    rest = {key: part for key, part in whole["defaults"].items() if key not in sections}
    listed = []
    for entry in whole["merchants"]:
        parts = {key: {**sections.get(key, {}), **part} for key, part in entry.items() if isinstance(part, dict)}
        listed.append({**rest, **entry, **parts})
    shared = {key: part for key, part in whole.items() if key not in ("defaults", "merchants")}
    if shared:
        text = yaml.safe_dump(shared, sort_keys=False).replace("file:keys/", f"file:{name}/keys/")
        with (folder / "merchants.yaml").open("a", encoding="utf-8") as top:
            top.write(f"\n{text}")
    path = folder / "merchants.d" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    text = yaml.safe_dump({"merchants": listed}, sort_keys=False).replace("file:keys/", f"file:../{name}/keys/")
    path.write_text(text, encoding="utf-8")
    return path
