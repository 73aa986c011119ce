# SPDX-License-Identifier: Apache-2.0
"""A node's disk is full where the module writes: `/var/lib/registry-node` and containerd's registry folder.

Each of the two becomes a small file system with its content and a file that takes the rest; the machine's own disk is
not filled. When the disk is free again what was written meanwhile goes to the node's disk before the small file system
leaves, so that no reader ever sees a folder without its files. A power cut ends the fault, with the files from before.
"""

from pathlib import Path

from box import node
from box.layout import Node

FOLDERS = ("/var/lib/registry-node", "/etc/containerd/registry.d")
_DEVICE = "disk-full"
_FILLER = ".disk-full"

_FILL = f"""
for folder in {" ".join(FOLDERS)}; do
  mountpoint -q "$folder" && continue
  mkdir -p "$folder"
  small=$(mktemp -d /run/disk-full.XXXXXX)
  mount -t tmpfs -o "size=$(($(du -sk "$folder" | cut -f1) * 2 + 256))k,mode=$(stat -c %a "$folder")" {_DEVICE} "$small"
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


def fill(name: str) -> None:
    """Leave no byte free on a node; nothing to do when there is none. Raises BoxError when the node is down."""
    node.exec(name, ["bash", "-euc", _FILL])


def free(name: str) -> None:
    """Give the room back; nothing to do when there is some. Raises BoxError when the node is down."""
    node.exec(name, ["bash", "-euc", _FREE])


def is_full(each: Node) -> bool:
    """Say whether a node's disk is full; that of one that is down is not."""
    if not node.is_running(each):
        return False
    mounts = Path(f"/proc/{node.find_init(each).pid}/mounts").read_text(encoding="utf-8")
    return any(line.startswith(f"{_DEVICE} ") for line in mounts.splitlines())
