# SPDX-License-Identifier: Apache-2.0
"""What the box is doing, as tables."""

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from box.layout import LOGS, RUN
from box.overview import Line, Overview
from box.report import open_console
from box.state import State

_RIGHT = {"MiB", "pid", "how many"}


def show_status(state: State, overview: Overview, console: Console | None = None) -> bool:
    """Print everything; returns whether all is well."""
    console = console or open_console()
    whole = f"look at {', '.join(overview.troubled)}" if overview.troubled else "whole"
    if not state.complete:
        whole = "NOT whole: python -m box down, then up"
    console.print(f"box in {RUN}, since {state.since}, {whole}; {overview.memory} MiB; logs in {LOGS}", markup=False)
    console.print(f"module: {overview.module}", markup=False)
    for titles, lines in (
        (("node", "address", "containerd", "state", "registry-node", "MiB", "faults"), overview.nodes),
        (("registry", "host", "state", "faults"), overview.registries),
        (("queue", "at"), overview.queues),
        (("process", "pid", "state", "MiB", "log"), overview.processes),
        (("program, on nodes and in pods too", "how many", "MiB"), overview.kinds),
    ):
        console.print()
        console.print(_build_table(titles, lines))
    return state.complete and overview.well


def _build_table(titles: Iterable[str], lines: Iterable[Line]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, justify="right" if title in _RIGHT else "left")
    for line in lines:
        table.add_row(*map(Text, line.words), style=None if line.well else "red")
    return table
