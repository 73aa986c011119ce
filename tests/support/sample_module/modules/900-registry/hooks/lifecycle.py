#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sample hook: every lifecycle binding. Records its inputs and does what the test has put down for it."""

from tests.support import sample_hook

CONFIG = {
    "configVersion": "v1",
    "onStartup": 10,
    "beforeHelm": 10,
    "afterHelm": 10,
    "beforeDeleteHelm": 10,
    "afterDeleteHelm": 10,
    "kubernetes": [
        {
            "name": "settings",
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "namespace": {"nameSelector": {"matchNames": ["d8-system"]}},
            "nameSelector": {"matchNames": ["settings"]},
            "jqFilter": ".data",
            "keepFullObjectsInMemory": False,
            "executeHookOnEvent": [],
            "executeHookOnSynchronization": False,
        }
    ],
}

if __name__ == "__main__":
    sample_hook.run(CONFIG, __file__)
