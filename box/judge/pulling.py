# SPDX-License-Identifier: Apache-2.0
"""Rules about pulls: none fails that the scenario does not excuse, each is proven, no layer comes twice."""

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

from box.judge.facts import Facts, Violation
from box.judge.restarts import CONTAINERD
from box.load.pulls import Judgement, Outcome, Pull, judge_pulls, list_window
from box.registries.journal import Entry, Kind

_SEEN = timedelta(seconds=15)
"""A restart is seen late: looks at the box follow each other in seconds, on a busy machine in more of them."""
_COMPLETE = frozenset({200, 307})


def find_failed(facts: Facts) -> Iterator[Violation]:
    """Failed pulls without an excuse."""
    for pull in facts.pulls:
        if pull.outcome is Outcome.FAILED and not any(one.covers(pull) for one in facts.excuses):
            yield Violation(rule="failed pull", text=pull.describe())


def find_unproven(facts: Facts) -> Iterator[Violation]:
    """Pulls that say that they went well and that no registry has seen, and ones that came to nothing."""
    for pull, why in judge(facts).uncounted:
        if not any(one.covers(pull) for one in facts.excuses):
            yield Violation(rule="unproven pull", text=f"{pull.describe()}: {why}")
    for text in facts.broken:
        yield Violation(rule="unproven pull", text=f"the load could not make a pull: {text}")


def find_cut(facts: Facts) -> Iterator[Violation]:
    """Pulls that a restart of containerd is said to have cut although none was seen there at that time.

    How often containerd may restart is another rule's.
    """
    for pull in facts.pulls:
        if pull.outcome is Outcome.CUT and not any(
            one.owner == f"{CONTAINERD} on {pull.node}" and pull.started - _SEEN <= one.at <= pull.ended + _SEEN
            for one in facts.restarts
        ):
            yield Violation(rule="failed pull", text=f"{pull.describe()}; containerd was not restarted there")


def find_twice(facts: Facts) -> Iterator[Violation]:
    """Layers that a node has downloaded twice: within one pull, or although it was there.

    What the load itself removed is to be fetched anew; what is proven past the local store is meant to be; of a pull
    that the scenario excuses, because its registry was made to hang, what had come may be lost.
    """
    by_remote: dict[str, list[Entry]] = {}
    for entry in facts.entries:
        if is_download(entry):
            by_remote.setdefault(entry.remote, []).append(entry)
    for pull in facts.pulls:
        if pull.outcome is Outcome.PULLED and not any(one.covers(pull) for one in facts.excuses):
            yield from _find_twice_in(pull, by_remote.get(pull.address, []))
    meant = facts.reloaded | facts.proof_blobs | facts.tenants_content.keys()
    for name, address in sorted(facts.nodes.items()):
        counts = Counter(
            one.reference
            for one in by_remote.get(address, [])
            if one.time >= facts.began and one.reference not in meant
        )
        for digest, count in sorted(counts.items()):
            if count > 1:
                yield Violation(rule="downloaded twice", text=f"{name} has fetched layer {digest} {count} times")


def is_download(entry: Entry) -> bool:
    """Whether a registry gave a whole blob; an object store's share of it is counted where it was asked for."""
    return entry.kind is Kind.BLOB and entry.method == "GET" and entry.status in _COMPLETE and _is_no_store(entry)


def judge(facts: Facts) -> Judgement:
    """Sort the pulls by their evidence."""
    return judge_pulls(facts.pulls, facts.entries)


def _is_no_store(entry: Entry) -> bool:
    return not entry.registry.endswith("-store")


def _find_twice_in(pull: Pull, downloads: list[Entry]) -> Iterator[Violation]:
    counts = Counter(one.reference for one in list_window(pull, downloads) if one.reference in pull.blobs)
    for digest, count in sorted(counts.items()):
        if count > 1:
            yield Violation(rule="downloaded twice", text=f"{pull.describe()}: {digest} came {count} times")
