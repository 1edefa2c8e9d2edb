"""`python -m adapt`: the same as the `adapt` command."""

import sys

from adapt.commands.main import main

if __name__ == "__main__":
    sys.exit(main())
