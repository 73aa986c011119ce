# SPDX-License-Identifier: Apache-2.0
"""`make bench-nodes` (root): ends with one line of figures; RESULTS.md holds them with the machine's description."""

import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.nodes.fleet import FleetResult, measure_fleet, run_api
from bench.nodes.machine import describe_machine, read_load
from bench.nodes.noop import measure_noop
from bench.nodes.plans import FLEET, INTERVAL, JITTER
from bench.nodes.results import compare, render_results
from tests.support import isolated

RESULTS = Path(__file__).with_name("RESULTS.md")


def measure() -> tuple[float, dict[str, Any], FleetResult]:
    """Measure one thing after the other, so that none is in another's way."""
    # In memory: what is measured is the API server, not this machine's disk.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as made:
        folder = Path(made)
        with run_api(folder) as api:
            noop = measure_noop(api, folder / "noop")
            print(f"a round with nothing to do: {noop:.3f} s of CPU", flush=True)
            api.send("DELETE", "/api/v1/nodes/worker-0", None)
            fleet = measure_fleet(api)
    print(f"{FLEET} nodes, every {INTERVAL} s and up to {JITTER:.1f} s: {fleet}", flush=True)
    pulls = json.loads(isolated.run("bench.nodes.pulls"))
    print(f"pulls: {pulls}", flush=True)
    return noop, pulls, fleet


def main() -> None:
    """Measure, write the results, print the line."""
    load = read_load()
    noop, pulls, fleet = measure()
    machine = f"{describe_machine()}; load of others before the start {load:.1f}"
    RESULTS.write_text(render_results(noop, pulls, fleet, machine, datetime.now(UTC)), encoding="utf-8")
    print(
        f"noop_cpu_s={noop:.3f} dead_source_s={pulls['dead_source']:.2f} "
        f"dead_source_stock_s={pulls['dead_source_stock']:.1f} proof_vs_pull={compare(pulls):.2f} "
        f"fleet_p99_s={fleet.p99:.1f} apiserver_cpu_pct={fleet.server_cpu:.1f}"
    )


if __name__ == "__main__":
    main()
