"""``python -m search``: the command line, as ``shoal``."""

from __future__ import annotations

from search.command import main

if __name__ == "__main__":
    main()
