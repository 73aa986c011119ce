#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sample hook: a group of nodes and a schedule, at most one run in three seconds.

Records its inputs and does what the test has put down for it.
"""

from tests.support import sample_hook

CONFIG = {
    "configVersion": "v1",
    "kubernetes": [
        {
            "name": "nodes",
            "apiVersion": "v1",
            "kind": "Node",
            "jqFilter": ".metadata.name",
            "keepFullObjectsInMemory": False,
            "group": "main",
            "queue": "/modules/registry/grouped",
        }
    ],
    "schedule": [{"name": "tick", "crontab": "*/2 * * * * *", "group": "main", "queue": "/modules/registry/grouped"}],
    "settings": {"executionMinInterval": "3s", "executionBurst": 1},
}

if __name__ == "__main__":
    sample_hook.run(CONFIG, __file__)
