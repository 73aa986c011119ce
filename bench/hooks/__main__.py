# SPDX-License-Identifier: Apache-2.0
"""`make bench-hooks`: ends with one line of ratios and counts."""

import tempfile
from pathlib import Path

from bench.hooks.cpu import ROOT, measure_side_by_side
from bench.hooks.helm_runs import count_switch
from bench.hooks.inputs import build_cluster, build_inputs

ROUNDS = {3: 41, 5000: 15}
BARE = Path(__file__).parent / "bare_hook.py"
OURS = ROOT / "hooks" / "reconcile_registry.py"


def measure_noop(nodes: int) -> float:
    """CPU of a run that an event woke and that has nothing to do, in CPU of a no-op hook on the bare SDK."""
    inputs = build_inputs(build_cluster(nodes))
    with tempfile.TemporaryDirectory() as folder:
        bare, ours = measure_side_by_side([BARE, OURS], inputs.write(Path(folder)), ROUNDS[nodes])
    size = len(inputs.contexts) / 1e6
    print(
        f"{nodes} nodes, {size:.2f} MB of context: bare SDK {bare * 1e3:.0f} ms, reconcile {ours * 1e3:.0f} ms of CPU"
    )
    return ours / bare


def main() -> None:
    """Measure and print."""
    noop = {nodes: measure_noop(nodes) for nodes in ROUNDS}
    counts = {nodes: count_switch(nodes) for nodes in ROUNDS}
    for nodes, found in counts.items():
        print(f"{nodes} nodes: a worker's report is written {found.writes} times in a switch of {found.steps} stages")
    line = [f"noop_{nodes}={ratio:.2f}" for nodes, ratio in noop.items()]
    line += [f"helm_runs_{nodes}={found.helm_runs}" for nodes, found in counts.items()]
    print(" ".join(line))


if __name__ == "__main__":
    main()
