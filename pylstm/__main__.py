"""``python -m pylstm``: the commands are in :mod:`pylstm.cli`."""

import sys

from pylstm.cli import main

if __name__ == "__main__":
    sys.exit(main())
