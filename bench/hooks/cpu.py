# SPDX-License-Identifier: Apache-2.0
"""CPU of a process, user and system, as the kernel counts it for that very child."""

import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]


def measure_side_by_side(scripts: Sequence[Path], files: Mapping[str, str], rounds: int) -> list[float]:
    """Run each script `rounds` times, in turns, on the same files: the median CPU seconds of each.

    In turns, so that whatever else the machine does meets all of them alike. The first round warms the caches and
    does not count.
    """
    seen: list[list[float]] = [[] for _ in scripts]
    for number in range(rounds + 1):
        for index, script in enumerate(scripts):
            spent = measure(script, files)
            if number:
                seen[index].append(spent)
    return [statistics.median(times) for times in seen]


def measure(script: Path, files: Mapping[str, str]) -> float:
    """Run one hook as the operator does: its CPU seconds. Raises RuntimeError when it fails."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "lib/python"),
    }
    process = subprocess.Popen([script], env={**environment, **files}, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{script.name} failed with status {process.returncode}")
    for output in ("KUBERNETES_PATCH_PATH", "VALUES_JSON_PATCH_PATH"):
        if Path(files[output]).read_text():
            raise RuntimeError(f"{script.name} wrote {output}: this run was to have nothing to do")
    return usage.ru_utime + usage.ru_stime
