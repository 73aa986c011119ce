# SPDX-License-Identifier: Apache-2.0
"""An interpreter of the module's own, for platforms whose Python loads no compiled libraries (a static build).

The operator runs hooks with `hooks/venv/bin/python3` where a module brings one. It is a small script here: it calls the
interpreter through the dynamic loader that lies beside it, so nothing of the image's own libraries is needed.
"""

import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

from box.bundle.archive import Entry
from box.errors import BoxError

HOME = "hooks/venv"
_UNNEEDED = {
    "__pycache__", "ensurepip", "idlelib", "lib2to3", "pydoc_data", "site-packages", "sqlite3", "test", "tkinter",
    "turtledemo", "unittest", "distutils", "venv",
}  # fmt: skip
_UNNEEDED_EXTENSIONS = re.compile(r"^(_test|_ctypes_test|xx|_tkinter|_sqlite3|_curses|readline|nis|_gdbm|_dbm)")
_LIBRARY = re.compile(r"^\s*(?:(\S+) => )?(/\S+) \(0x")
_START = """\
#!/bin/sh
# The loader and every library lie beside the interpreter: the image's own may be too old, or not there at all.
home=${{0%/bin/python3}}
PYTHONHOME=$home exec "$home/lib/{loader}" --library-path "$home/lib" "$home/bin/{program}" "$@"
"""


def collect_interpreter(sitecustomize: Path, compiled: Iterable[Path] = ()) -> list[Entry]:
    """Return `hooks/venv` made of the Python that runs this; `compiled` are libraries whose needs it must meet too.

    Raises BoxError for a Python that is none of CPython on Linux.
    """
    base = Path(sys.base_prefix)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    program, stdlib = base / "bin" / version, Path(sysconfig.get_path("stdlib"))
    if sys.implementation.name != "cpython" or not program.is_file():
        raise BoxError(f"{base} is no CPython with bin/{version}; call this with the Python that is to be shipped")
    extensions = [
        path for path in sorted((stdlib / "lib-dynload").glob("*.so")) if not _UNNEEDED_EXTENSIONS.match(path.name)
    ]
    libraries = _find_libraries([program, *extensions, *compiled])
    loader = next((name for name in libraries if name.startswith("ld-linux")), "")
    if not loader:
        raise BoxError(f"{program} is a static program, which loads no libraries; build the bundle with another Python")
    start = _START.format(loader=loader, program=version).encode()
    found = [
        Entry(name=f"{HOME}/bin/python3", content=start, executable=True),
        Entry(name=f"{HOME}/bin/{version}", content=program.read_bytes(), executable=True),
        Entry(name=f"{HOME}/lib/{version}/site-packages/sitecustomize.py", content=sitecustomize.read_bytes()),
    ]
    found += [
        Entry(name=f"{HOME}/lib/{name}", content=path.read_bytes(), executable=name == loader)
        for name, path in libraries.items()
    ]
    found += [
        Entry(name=f"{HOME}/lib/{version}/lib-dynload/{path.name}", content=path.read_bytes()) for path in extensions
    ]
    return found + list(_read_stdlib(stdlib, f"{HOME}/lib/{version}"))


def _read_stdlib(stdlib: Path, prefix: str) -> Iterator[Entry]:
    for path in sorted(stdlib.rglob("*.py")):
        parts = path.relative_to(stdlib).parts
        if not _UNNEEDED & {*parts} and not parts[0].startswith("config-"):
            yield Entry(name=f"{prefix}/{'/'.join(parts)}", content=path.read_bytes())


def _find_libraries(files: Iterable[Path]) -> dict[str, Path]:
    """Return every shared library that the files need, the loader too, by the name it is looked up by."""
    done = subprocess.run(["ldd", *map(str, files)], capture_output=True, text=True, check=False)
    if "not found" in done.stdout:
        raise BoxError(f"the interpreter needs what this machine lacks:\n{done.stdout}")
    matches = filter(None, map(_LIBRARY.match, done.stdout.splitlines()))
    return dict(sorted((match[1] or Path(match[2]).name, Path(match[2])) for match in matches))
