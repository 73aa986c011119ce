# SPDX-License-Identifier: Apache-2.0
"""Stands in for the platform's sitecustomize.py: a hook finds the libraries of its own module, wherever that lies."""

import sys
from pathlib import Path

for _hook in (Path(word) for word in sys.orig_argv[1:2]):
    if _hook.is_file():
        _libraries = [folder / "lib" / "python" / "dist" for folder in _hook.resolve().parents]
        sys.path[:0] = [str(folder) for folder in _libraries if folder.is_dir()][:1]
