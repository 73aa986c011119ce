# SPDX-License-Identifier: Apache-2.0
"""Where each log of the box lies: of its processes, of its registries, of the units of its nodes."""

from pathlib import Path

from box import process
from box.errors import BoxError, suggest
from box.inventory import get_node, read_nodes
from box.layout import LOGS
from box.platform.systemd.journal import FOLDER


def list_logs() -> dict[str, Path]:
    """Return every log by the name that `box logs` takes: a process, or NODE/UNIT."""
    found = {record.name: Path(record.log) for record in process.read_records()}
    found |= {path.stem: path for path in sorted(LOGS.glob("*.log"))}
    for node in read_nodes():
        found |= {f"{node.name}/{path.stem}": path for path in sorted((node.disk / FOLDER).glob("*.log"))}
    return {name: path for name, path in sorted(found.items()) if not name.endswith("-unshare") and path.is_file()}


def find_log(name: str) -> Path:
    """Return the log of that name; a unit may be named without `.service`. Raises BoxError with what there is."""
    logs = list_logs()
    if not logs:
        raise BoxError("there are no logs: no box is up; start one: python -m box up")
    for known in (name, f"{name}.service"):
        if known in logs:
            return logs[known]
    node, slash, unit = name.partition("/")
    if slash:
        get_node(node)
        units = [known.partition("/")[2].removesuffix(".service") for known in logs if known.startswith(f"{node}/")]
        raise BoxError(f"node {node} has no log of unit {unit}{suggest(unit, units)}")
    raise BoxError(
        f"there is no log {name}{suggest(name, [known for known in logs if '/' not in known])}; all: box logs"
    )
