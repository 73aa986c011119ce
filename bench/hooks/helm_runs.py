# SPDX-License-Identifier: Apache-2.0
"""Count what a switch asks of Helm and of the API: it must not grow with the number of nodes."""

import json
from dataclasses import dataclass

from d8registry.adapters.runtime import Outputs
from d8registry.nodes.plan import expected_token

from tests.support.memory_cluster import MemoryCluster, direct


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """`helm_runs` of a whole switch; `writes` of one worker's report, and `steps` (stages) that the switch had."""

    helm_runs: int
    writes: int
    steps: int


class _Counting(MemoryCluster):
    """The operator queues a Helm run whenever a run of a hook leaves other values behind."""

    def __init__(self) -> None:
        self.helm_runs = 0
        super().__init__()

    def apply(self, outputs: Outputs) -> None:
        before = json.dumps(self.values, sort_keys=True)
        super().apply(outputs)
        self.helm_runs += json.dumps(self.values, sort_keys=True) != before


def count_switch(nodes: int) -> Counts:
    """Switch a cluster of `nodes` nodes from Unmanaged to Direct, every node answering at once."""
    cluster = _Counting()
    for number in range(3, nodes):
        cluster.join(f"worker-{number:05}.example.internal")
    cluster.settle()
    cluster.report()
    cluster.settle()
    cluster.helm_runs = 0
    tokens, steps = {expected_token(cluster.plan(), "worker-0")}, set[str]()
    cluster.edit(direct())
    for _ in range(60):
        cluster.settle()
        tokens.add(expected_token(cluster.plan(), "worker-0"))
        if not cluster.step() and cluster.text("registry-state", "mode") == "Direct":
            return Counts(helm_runs=cluster.helm_runs, writes=len(tokens) - 1, steps=len(steps))
        steps.add(cluster.step())
        cluster.world()
        cluster.wait(5)
    raise AssertionError(f"the switch did not end: {cluster.condition('Ready')}")
