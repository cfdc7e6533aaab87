"""``python -m toolkit``: the command ``ttrpc``."""

from toolkit.cli import entry

if __name__ == "__main__":
    entry()
