# SPDX-License-Identifier: Apache-2.0
"""What the sample hooks share: they record their inputs and do what a test has put down for them."""

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_OUTPUTS = {
    "values": "VALUES_JSON_PATCH_PATH",
    "kube": "KUBERNETES_PATCH_PATH",
    "settings": "CONFIG_VALUES_JSON_PATCH_PATH",
    "metrics": "METRICS_PATH",
}


def run(config: Mapping[str, Any], hook: str) -> None:
    """Answer `--config`, or play one run of `hook` (the hook's file) and exit.

    `RECORD_DIR/<hook>.do` holds the play: `sleep`, `stderr`, `exit`, a text or a JSON for each output, and `only`, the
    types (or lifecycle bindings) of a run's first context that it is meant for.
    """
    if sys.argv[1:] == ["--config"]:
        print(json.dumps(config))
        return
    folder, name = Path(os.environ["RECORD_DIR"]), Path(hook).stem
    contexts = _read("BINDING_CONTEXT_PATH")
    seen = {"at": time.time(), "hook": name, "pid": os.getpid(), "contexts": contexts, "values": _read("VALUES_PATH")}
    _record(folder, {**seen, "config_values": _read("CONFIG_VALUES_PATH")})
    script = folder / f"{name}.do"
    play = json.loads(script.read_text()) if script.exists() else {}
    kind = contexts[0].get("type", contexts[0]["binding"])
    if kind not in play.get("only", [kind]):
        play = {}
    time.sleep(play.get("sleep", 0))
    for key, variable in _OUTPUTS.items():
        if key in play:
            text = play[key] if isinstance(play[key], str) else json.dumps(play[key])
            Path(os.environ[variable]).write_text(text)
    if "stderr" in play:
        print(play["stderr"], file=sys.stderr)
    _record(folder, {"at": time.time(), "hook": f"{name} ended", "pid": os.getpid()})
    sys.exit(int(play.get("exit", 0)))


def _read(variable: str) -> Any:
    return json.loads(Path(os.environ[variable]).read_text())


def _record(folder: Path, line: Mapping[str, Any]) -> None:
    with (folder / "runs.jsonl").open("a") as file:
        file.write(json.dumps(line) + "\n")
