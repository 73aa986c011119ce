# SPDX-License-Identifier: Apache-2.0
"""A node's disk is full where the module writes: `/var/lib/registry-node` and containerd's registry folder.

Each of the two becomes a small file system with its content and a file that takes the rest; the machine's own disk is
not filled. When the disk is free again what was written meanwhile goes to the node's disk before the small file system
leaves, so that no reader ever sees a folder without its files. A power cut ends the fault, with the files from before.
"""

from box import node
from box.errors import BoxError

FOLDERS = ("/var/lib/registry-node", "/etc/containerd/registry.d")
WORDS = {
    "disk-full": "no byte can be written where registry-node and bashible keep registry files",
    "disk-free": "that is over; what was written meanwhile stays",
}

_FILLER = ".disk-full"

_FILL = f"""
for folder in {" ".join(FOLDERS)}; do
  mountpoint -q "$folder" && continue
  mkdir -p "$folder"
  small=$(mktemp -d /run/disk-full.XXXXXX)
  mount -t tmpfs -o "size=$(($(du -sk "$folder" | cut -f1) * 2 + 256))k,mode=$(stat -c %a "$folder")" disk-full "$small"
  cp -a "$folder/." "$small/"
  mount --bind "$small" "$folder"
  umount "$small"
  rmdir "$small"
  cat /dev/zero > "$folder/{_FILLER}" 2>/dev/null || true
done
"""

_FREE = f"""
for folder in {" ".join(FOLDERS)}; do
  mountpoint -q "$folder" || continue
  rm -f "$folder/{_FILLER}"
  above=$(mktemp -d /run/disk-free.XXXXXX)
  mount --bind "$(dirname "$folder")" "$above"
  below=$above/$(basename "$folder")
  find "$below" -mindepth 1 -delete
  cp -a "$folder/." "$below/"
  umount "$above"
  rmdir "$above"
  umount -l "$folder"
done
"""


def set_fault(name: str, word: str) -> None:
    """Set or clear a node's fault; raises BoxError for an unknown word and for a node that is down."""
    scripts = {"disk-full": _FILL, "disk-free": _FREE}
    if word not in scripts:
        raise BoxError(f"{word}: a node's faults are {', '.join(scripts)}; see `python -m box fault node --help`")
    node.exec(name, ["bash", "-euc", scripts[word]])
