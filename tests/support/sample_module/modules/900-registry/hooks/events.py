#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sample hook: events in a queue of its own. Records its inputs and does what the test has put down for it."""

import json
import os
import pathlib
import sys
import time
from typing import Any

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


def read(variable: str) -> Any:
    return json.loads(pathlib.Path(os.environ[variable]).read_text())


def main() -> int:
    if sys.argv[1:] == ["--config"]:
        print(json.dumps(CONFIG))
        return 0
    folder = pathlib.Path(os.environ["RECORD_DIR"])
    name = pathlib.Path(__file__).stem
    run: dict[str, Any] = {
        "at": time.time(),
        "hook": name,
        "contexts": read("BINDING_CONTEXT_PATH"),
        "values": read("VALUES_PATH"),
    }
    run["config_values"] = read("CONFIG_VALUES_PATH")
    with (folder / "runs.jsonl").open("a") as file:
        file.write(json.dumps(run) + "\n")
    script = folder / f"{name}.do"
    todo = json.loads(script.read_text()) if script.exists() else {}
    time.sleep(todo.get("sleep", 0))
    for key, variable in (("values", "VALUES_JSON_PATCH_PATH"), ("kube", "KUBERNETES_PATCH_PATH")):
        pathlib.Path(os.environ[variable]).write_text(json.dumps(todo[key]) if key in todo else "")
    if "stderr" in todo:
        print(todo["stderr"], file=sys.stderr)
    return int(todo.get("exit", 0))


sys.exit(main())
