# SPDX-License-Identifier: Apache-2.0
"""What a switch costs Helm and the API does not grow with the number of nodes."""

from bench.hooks.helm_runs import count_switch


def test_a_switch_has_the_same_few_helm_runs_whatever_the_number_of_nodes() -> None:
    few, many = count_switch(3), count_switch(24)
    assert few.helm_runs == many.helm_runs
    assert 1 <= few.helm_runs <= 2


def test_a_node_writes_its_report_at_most_once_a_step() -> None:
    counts = count_switch(3)
    assert 1 <= counts.writes <= counts.steps
