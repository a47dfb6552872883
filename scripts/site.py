"""Builds the site of the documents into `build/site`: `make docs`, in an environment of its own (`.venv-docs`).

README is the first page; the others are grouped for the menu. Sphinx gets copies in the layout of the repository, so
that each link is the same there and here. A page that no group has, a link that leads nowhere, anything that the site
would fetch from another host: all end with an error.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE, SITE = ROOT / "build" / "site-source", ROOT / "build" / "site"
MENU = {
    "Start": {"docs/onboarding": "Adding a winery", "docs/webhooks": "Webhooks"},
    "Routes": {
        "docs/contacts": "contacts: texts",
        "docs/orders": "orders: shipping",
        "docs/audience": "audience: WayMore",
        "docs/waymore": "audience: WayMore's guide",
        "docs/shop-export": "audience: exports of a shop",
        "docs/notices": "notices: WhatsApp",
        "docs/consumers": "consumers: samples to CRMs",
    },
    "Operations": {"docs/operations": "Every day", "docs/scale": "More than one box", "CHANGELOG": "What changed"},
    "Reference": {"docs/reference": "All commands and settings"},
    "Building": {"docs/development": "Working on the house", "docs/proofs": "Proofs"},
}
FETCHED = re.compile(r"<(?:script|img|iframe|source|link)\b[^>]*\b(?:src|href)=\"((?:https?:)?//[^\"]+)")


def main() -> int:
    """Build; the exit code."""
    from sphinx.cmd.build import main as sphinx

    shutil.rmtree(SITE, ignore_errors=True)
    assemble()
    strict = ("-W", "--keep-going", "-q", "-E")  # -E: a page is read anew, since a link may lead to what has come since
    code = sphinx([*strict, "-b", "html", "-d", str(ROOT / "build" / "site-parsed"), str(SOURCE), str(SITE)])
    if code:
        return code
    pages = sorted(SITE.rglob("*.html"))
    if fetched := [f"{page.relative_to(SITE)}: {url}" for page in pages for url in fetched_by(page.read_text("utf-8"))]:
        print("the site would fetch from other hosts:", *fetched, sep="\n  ")
        return 1
    shutil.copy(SITE / "README.html", SITE / "index.html")
    print(f"{len(pages)} pages: open {SITE.relative_to(ROOT) / 'index.html'}")
    return 0


def assemble() -> None:
    """Copy what the site is made of, with the menu at the end of its first page."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCE / "docs", ignore=shutil.ignore_patterns("conf.py", "__pycache__"))
    shutil.copy(ROOT / "docs" / "conf.py", SOURCE)
    for name in ("merchants.example.yaml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, SOURCE)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (SOURCE / "README.md").write_text(text + menu(MENU), encoding="utf-8")


def menu(groups: Mapping[str, Mapping[str, str]]) -> str:
    """Return the menu as Sphinx reads it; GitHub never sees it."""
    lists = []
    for caption, pages in groups.items():
        entries = "".join(f"{title} <{name}>\n" for name, title in pages.items())
        lists.append(f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{entries}```\n")
    return "\n" + "\n".join(lists)


def fetched_by(html: str) -> list[str]:
    """Return what a page would fetch from other hosts."""
    return FETCHED.findall(html)


if __name__ == "__main__":
    sys.exit(main())
