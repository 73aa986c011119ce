# SPDX-License-Identifier: Apache-2.0
"""The process of the platform's stand-ins: `python -m box.platform --image-set FILE --kubeconfig FILE`.

One round a second of the stand-ins for deckhouse-controller, bashible-apiserver and node-manager, until SIGTERM.
"""

import argparse
import signal
import sys
import threading
import time
from pathlib import Path

from box.errors import BoxError
from box.images.imageset import read_image_set
from box.platform.bashible import Bashible
from box.platform.deckhouse import Deckhouse
from box.platform.node_manager import NodeManager
from box.platform.operator_life import OperatorLife
from box.runner.errors import ApiError, RunnerError
from box.runner.kubeconfig import connect

ROUND_SECONDS = 1.0


def log(line: str) -> None:
    """Print a line with the time of day."""
    print(f"{time.strftime('%H:%M:%S', time.gmtime())} {line}", flush=True)


def main() -> int:
    """Run rounds until told to end; returns the exit status."""
    parser = argparse.ArgumentParser(prog="box.platform", description=__doc__)
    parser.add_argument("--image-set", type=Path, required=True, help="image-set.json of the box's images")
    parser.add_argument("--kubeconfig", type=Path, required=True)
    options = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    kube = connect(options.kubeconfig)
    bashible = Bashible(kube, log)
    manager = NodeManager(kube, bashible.read_checksums, log)
    deckhouse = Deckhouse(kube, read_image_set(options.image_set), log)
    parts = (deckhouse, bashible, manager, OperatorLife(kube, deckhouse.prepare_operator, log))
    log("stand-ins for deckhouse-controller, bashible-apiserver and node-manager are up")
    while not ended.wait(ROUND_SECONDS):
        for part in parts:
            try:
                part.run_round()
            except (ApiError, RunnerError, BoxError) as error:
                log(f"{type(part).__name__}: {error}; asked again in {ROUND_SECONDS:.0f} s")
    log("stand-ins end")
    return 0


if __name__ == "__main__":
    sys.exit(main())
