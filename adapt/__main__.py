"""`python -m adapt`: the same as the `adapt` command."""

import sys

from adapt.cli import main

if __name__ == "__main__":
    sys.exit(main())
