#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sample hook: events in a queue of its own. Records its inputs and does what the test has put down for it."""

from tests.support import sample_hook

CONFIG = {
    "configVersion": "v1",
    "kubernetes": [
        {
            "name": "cms",
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "namespace": {"nameSelector": {"matchNames": ["d8-system"]}},
            "labelSelector": {"matchLabels": {"sample": "yes"}},
            "jqFilter": ".data",
            "keepFullObjectsInMemory": False,
            "includeSnapshotsFrom": ["cms"],
            "queue": "/modules/registry/events",
        }
    ],
}

if __name__ == "__main__":
    sample_hook.run(CONFIG, __file__)
