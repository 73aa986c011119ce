# SPDX-License-Identifier: Apache-2.0
"""What the box is doing, as a table."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from box import api, process
from box.inventory import read_nodes
from box.layout import LOGS, RUN
from box.state import State


def show_status(state: State) -> bool:
    """Print the box's processes and nodes; returns whether all of them are well."""
    console = Console(soft_wrap=True)
    console.print(f"box in {RUN}, since {state.since}, {'whole' if state.complete else 'NOT whole'}; logs in {LOGS}")
    ready = api.fetch_nodes() if api.is_ready() else {}
    nodes = {node.name for node in read_nodes()}
    table = Table(box=None, pad_edge=False)
    for title in ("process", "pid", "state", "MiB", "log"):
        table.add_column(title, justify="right" if title in {"pid", "MiB"} else "left")
    well = state.complete
    for record in process.read_records():
        alive = process.is_alive(record)
        if alive and record.name in nodes:
            word = "Ready" if ready.get(record.name) else "NotReady"
        else:
            word = "running" if alive else "ENDED"
        well = well and word in {"running", "Ready"}
        size = str(_read_memory(record.pid)) if alive else ""
        table.add_row(record.name, str(record.pid), word, size, record.log.removeprefix(f"{RUN}/"))
    console.print(table)
    return well


def _read_memory(pid: int) -> int:
    """Return the resident memory of a process in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) // 1024
    return 0
