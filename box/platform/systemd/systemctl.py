# SPDX-License-Identifier: Apache-2.0
"""`systemctl` of a box node: parses the command line and asks the init process."""

import os
import sys
from pathlib import Path

from box.platform.systemd.control import call_init
from box.platform.systemd.verbs import Request

_SUFFIXES = (".service", ".timer", ".path", ".target")
_IGNORED = {"--no-pager", "--system", "--full", "-l", "--no-legend", "--plain", "--all", "-a", "--force", "-f"}


def parse_arguments(words: list[str]) -> tuple[Request, bool]:
    """Read a command line into a request and whether output is wanted; ValueError names a wrong word."""
    flags = {"--now": False, "--no-block": False, "--quiet": False, "--value": False}
    short = {"-q": "--quiet"}
    properties: list[str] = []
    plain: list[str] = []
    number = "SIGTERM"
    words = list(words)
    while words:
        word = words.pop(0)
        name, equals, value = word.partition("=")
        if word in _IGNORED:
            continue
        if short.get(word, word) in flags:
            flags[short.get(word, word)] = True
        elif name in {"-p", "--property", "-s", "--signal", "-n", "--lines", "-o", "--output"}:
            if not equals and not words:
                raise ValueError(f"option {word} needs a value")
            value = value if equals else words.pop(0)
            if name in {"-p", "--property"}:
                properties.extend(value.split(","))
            elif name in {"-s", "--signal"}:
                number = value if value.startswith("SIG") else f"SIG{value}"
        elif word.startswith("-"):
            raise ValueError(f"option {word} is not known to the stand-in for systemctl")
        else:
            plain.append(word)
    if not plain:
        raise ValueError("no verb given: systemctl start|stop|restart|enable|is-active|status|show … UNIT")
    units = tuple(unit if unit.endswith(_SUFFIXES) else f"{unit}.service" for unit in plain[1:])
    request = Request(
        verb=plain[0],
        units=units,
        properties=tuple(properties),
        value_only=flags["--value"],
        now=flags["--now"],
        no_block=flags["--no-block"],
        signal=number,
    )
    return request, not flags["--quiet"]


def main() -> int:
    """Run systemctl; returns its exit status."""
    try:
        request, speak = parse_arguments(sys.argv[1:])
        answer = call_init(Path(os.environ.get("BOX_SYSTEMD_ROOT", "/")), request)
    except ValueError as error:
        print(f"systemctl: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Failed to connect to the init process of this node: {error}", file=sys.stderr)
        return 1
    if answer.out and speak:
        print(answer.out)
    if answer.err:
        print(answer.err, file=sys.stderr)
    return answer.status


if __name__ == "__main__":
    sys.exit(main())
