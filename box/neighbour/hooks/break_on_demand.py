#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A hook of another module, in queue `main`: it fails for as long as ConfigMap `neighbour-breaks` is there."""

import json
import os
import sys
from pathlib import Path

CONFIG = {
    "configVersion": "v1",
    "kubernetes": [
        {
            "name": "reasons",
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "namespace": {"nameSelector": {"matchNames": ["d8-system"]}},
            "nameSelector": {"matchNames": ["neighbour-breaks"]},
            "jqFilter": ".metadata.name",
            "keepFullObjectsInMemory": False,
            "includeSnapshotsFrom": ["reasons"],
        }
    ],
}


def main() -> int:
    """Answer `--config`, or fail while there is a reason to."""
    if sys.argv[1:] == ["--config"]:
        print(json.dumps(CONFIG))
        return 0
    contexts = json.loads(Path(os.environ["BINDING_CONTEXT_PATH"]).read_text(encoding="utf-8"))
    # All contexts of a run carry the same, current snapshots: the reason may be gone since the run that failed first.
    if contexts[-1]["snapshots"]["reasons"]:
        print("module neighbour is broken on purpose: python -m box main unblock", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
