# SPDX-License-Identifier: Apache-2.0
"""Enabling and disabling units: the symlinks that `[Install]` asks for."""

from pathlib import Path

from box.platform.systemd.unit_file import UnitFile, load_unit_file

FOLDER = "etc/systemd/system"
BOOT_TARGETS = (
    "sysinit.target",
    "basic.target",
    "paths.target",
    "sockets.target",
    "timers.target",
    "multi-user.target",
    "default.target",
)
"""Targets whose wants a node starts at boot, in this order."""


def plan_links(root: Path, unit: UnitFile) -> tuple[Path, ...]:
    """Return the symlinks that enable a unit, below `root`."""
    links = [
        root / FOLDER / f"{target}.{kind}" / unit.name
        for key, kind in (("WantedBy", "wants"), ("RequiredBy", "requires"))
        for target in unit.words("Install", key)
    ]
    return tuple(links)


def enable_unit(root: Path, name: str) -> tuple[Path, ...]:
    """Make the unit's symlinks, those of `Also=` too; returns the new ones; UnitNotFoundError when it is absent."""
    unit = load_unit_file(root, name)
    made: list[Path] = []
    for link in plan_links(root, unit):
        if not link.is_symlink():
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(Path("/") / unit.fragment.relative_to(root))
            made.append(link)
    for other in unit.words("Install", "Also"):
        made.extend(enable_unit(root, other))
    return tuple(made)


def find_links(root: Path, name: str) -> tuple[Path, ...]:
    """Find every symlink that enables a unit; where it points to does not matter."""
    folders = sorted((root / FOLDER).glob("*.wants")) + sorted((root / FOLDER).glob("*.requires"))
    return tuple(link for folder in folders for link in folder.iterdir() if link.name == name)


def disable_unit(root: Path, name: str) -> tuple[Path, ...]:
    """Remove every symlink that enables the unit, whatever its text says now; returns the removed ones."""
    links = find_links(root, name)
    for link in links:
        link.unlink()
    return links


def is_enabled(root: Path, name: str) -> bool:
    """Whether some target wants the unit."""
    return bool(find_links(root, name))


def find_boot_units(root: Path) -> tuple[str, ...]:
    """Names of the units that a boot starts, in the order of the targets."""
    names: dict[str, None] = {}
    for target in BOOT_TARGETS:
        for kind in ("wants", "requires"):
            for link in sorted((root / FOLDER / f"{target}.{kind}").glob("*")):
                names[link.name] = None
    return tuple(names)
