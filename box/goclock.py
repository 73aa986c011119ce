# SPDX-License-Identifier: Apache-2.0
"""Go programs whose wall clock can be put wrong while they run: `time.Now` adds what a file of the machine says.

Go asks the kernel for the time itself, so a library put before the C library changes nothing, and the kernel's time
namespaces have no wall clock. The standard library is replaced for one build (`go build -overlay`) and never touched.
"""

import json
import re
import subprocess
from pathlib import Path

from box.errors import BoxError
from box.layout import REPOSITORY

SOURCE = REPOSITORY / "box" / "tools" / "clock"
_OFFSET = "clock_offset.go"
_NOW = re.compile(r"(?<=\nfunc Now\(\) Time \{\n)(\tsec, nsec, mono := \w+\(\)\n)")


def write_overlay(folder: Path) -> Path:
    """Write the replacements into a folder and return the file to give to `go build -overlay`.

    Raises BoxError where this Go's `time.Now` is of another shape than the ones known.
    """
    root = subprocess.run(["go", "env", "GOROOT"], capture_output=True, text=True, check=True).stdout.strip()
    library = Path(root, "src", "time")
    patched = folder / "time.go"
    patched.write_text(patch_now((library / "time.go").read_text(encoding="utf-8")), encoding="utf-8")
    replaced = {library / "time.go": patched, library / _OFFSET: SOURCE / _OFFSET}
    overlay = folder / "overlay.json"
    overlay.write_text(json.dumps({"Replace": {str(key): str(value) for key, value in replaced.items()}}))
    return overlay


def patch_now(text: str) -> str:
    """Return the source of Go's package `time` with the offset added in `Now`."""
    patched, count = _NOW.subn(r"\1\tsec += clockOffset(mono)\n", text)
    if count != 1:
        raise BoxError("this Go's time.Now is not as box/goclock.py knows it; build with Go 1.26, or mend it there")
    return patched
