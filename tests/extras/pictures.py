"""Makes the pictures of docs/: a search, its page, and what a browser shows of it.

python tests/extras/pictures.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from conftest import Browser

DOCS = Path(__file__).parent.parent.parent / "docs"

SEARCH = "run mlp --space lr=1e-3:10:log --space optimizer=sgd,adam --space momentum=0:0.99"


def main() -> None:
    """Make them anew."""
    with tempfile.TemporaryDirectory() as folder:
        shoal = [sys.executable, "-m", "shoal"]
        asked = [*SEARCH.split(), "--trials", "300", "--epochs", "5", "--out", "digits"]
        subprocess.run([*shoal, *asked], cwd=folder, check=True)
        subprocess.run([*shoal, "report", "digits"], cwd=folder, check=True)
        browser = Browser()
        try:
            browser.open(f"file://{folder}/digits.html", width=1180, height=1500)
            browser.scroll()
            browser.picture(DOCS / "report.png", whole=False)
        finally:
            browser.close()


if __name__ == "__main__":
    main()
