# SPDX-License-Identifier: Apache-2.0
"""Unit files and their drop-ins: text to sections of keys with values."""

from dataclasses import dataclass
from pathlib import Path

from box.platform.systemd.directives import find_directive_problem

UNIT_FOLDERS = ("etc/systemd/system", "run/systemd/system")
"""Where units and drop-ins are looked for below the root of a node, the first winning."""


class UnitNotFoundError(Exception):
    """No unit file of that name lies in any unit folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitFile:
    """One unit with its drop-ins merged in.

    `sections` maps section to key to the values in order; an empty assignment clears what came before it.
    `problems` are one line each, for the journal.
    """

    name: str
    fragment: Path
    sections: dict[str, dict[str, tuple[str, ...]]]
    problems: tuple[str, ...]

    def values(self, section: str, key: str) -> tuple[str, ...]:
        """Every value of a key, in order."""
        return self.sections.get(section, {}).get(key, ())

    def value(self, section: str, key: str, default: str = "") -> str:
        """Return the last value of a key, as systemd takes it for keys that are no lists."""
        found = self.values(section, key)
        return found[-1] if found else default

    def words(self, section: str, key: str) -> tuple[str, ...]:
        """Every blank-separated word of a key's values, in order."""
        return tuple(word for value in self.values(section, key) for word in value.split())

    def flag(self, section: str, key: str) -> bool:
        """Whether a boolean key is on; absent means off."""
        return self.value(section, key, "no").lower() in {"1", "yes", "true", "on"}


def parse_assignments(text: str) -> list[tuple[str, str, str]]:
    """Turn unit file text into (section, key, value) in order; ValueError names the line that is neither."""
    assignments: list[tuple[str, str, str]] = []
    section = ""
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if line.startswith(("#", ";")) or (not line and not pending):
            continue
        start = start if pending else number
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        line, pending = pending + line, ""
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1]
            continue
        key, equals, value = line.partition("=")
        if not equals or not section:
            raise ValueError(f"line {start}: {line!r} is neither a section nor an assignment inside one")
        assignments.append((section, key.strip(), value.strip()))
    return assignments


def find_fragment(root: Path, name: str) -> Path:
    """Find the unit file called `name` below `root`; UnitNotFoundError when there is none."""
    for folder in UNIT_FOLDERS:
        candidate = root / folder / name
        if candidate.is_file():
            return candidate
    raise UnitNotFoundError(f"Unit {name} not found.")


def find_drop_ins(root: Path, name: str) -> list[Path]:
    """Drop-ins of a unit in the order they apply; one in /etc hides one of the same file name in /run."""
    found: dict[str, Path] = {}
    for folder in reversed(UNIT_FOLDERS):
        for path in (root / folder / f"{name}.d").glob("*.conf"):
            found[path.name] = path
    return [found[key] for key in sorted(found)]


def load_unit_file(root: Path, name: str) -> UnitFile:
    """Read a unit and its drop-ins; UnitNotFoundError when it is absent, other troubles become `problems`."""
    fragment = find_fragment(root, name)
    sections: dict[str, dict[str, tuple[str, ...]]] = {}
    problems: list[str] = []
    for path in (fragment, *find_drop_ins(root, name)):
        try:
            assignments = parse_assignments(path.read_text(encoding="utf-8"))
        except (ValueError, OSError) as error:
            problems.append(f"{path}: {error}")
            continue
        for section, key, value in assignments:
            problem = find_directive_problem(section, key)
            if problem is not None:
                problems.append(f"{path}: {problem}")
                continue
            keys = sections.setdefault(section, {})
            keys[key] = (*keys.get(key, ()), value) if value else ()
    return UnitFile(name=name, fragment=fragment, sections=sections, problems=tuple(problems))
