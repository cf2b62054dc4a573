"""``python -m shoal``: the command line, as ``shoal``."""

from shoal.search.command import main

if __name__ == "__main__":
    main()
