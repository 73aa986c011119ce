# SPDX-License-Identifier: Apache-2.0
"""Entry of `python -m box`."""

import sys

from box.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
