"""Checks every internal link of the Markdown files: the target exists, and so does the heading that an anchor names.

python scripts/lint/check_links.py          # exit status 1 if a link does not resolve
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
INLINE_CODE = re.compile(r"`[^`\n]*`")


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ +(.*)$", CODE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken(page: Path) -> list[str]:
    text = INLINE_CODE.sub("", CODE.sub("", page.read_text()))
    faults = []
    for link in LINK.findall(re.sub(r"\s*\n\s*", " ", text)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            faults.append(f"{link}: no such file")
        elif anchor and anchor not in anchors(target):
            faults.append(f"{link}: no such heading")
    return faults


def main() -> int:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    pages = [ROOT / name for name in names if (ROOT / name).exists()]
    faults = [f"{page.relative_to(ROOT)}: {fault}" for page in pages for fault in broken(page)]
    print("\n".join(faults) or f"{len(pages)} pages: every internal link resolves")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
