# SPDX-License-Identifier: Apache-2.0
"""Exec lines of services: prefixes, quoting, specifiers and variables (systemd.service(5), "Command lines")."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

_BRACED = re.compile(r"\$\{(\w+)\}|\$\$")
_SPECIFIER = re.compile(r"%(.)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecLine:
    """One command of a service; with `ignore_failure` (prefix `-`) its exit status does not count."""

    words: tuple[str, ...]
    ignore_failure: bool = False


def expand_specifiers(text: str, unit_name: str, hostname: str) -> str:
    """Replace `%n %N %p %i %H %%`; ValueError for a specifier that is not known here."""
    stem = unit_name.rpartition(".")[0]
    prefix, _, instance = stem.partition("@")
    known = {"n": unit_name, "N": stem, "p": prefix, "i": instance, "H": hostname, "%": "%"}

    def replace(match: re.Match[str]) -> str:
        if match.group(1) not in known:
            raise ValueError(f"specifier %{match.group(1)} is not known to the stand-in for systemd")
        return known[match.group(1)]

    return _SPECIFIER.sub(replace, text)


def parse_exec_line(text: str, unit_name: str, hostname: str) -> ExecLine:
    """Split an exec line into words; ValueError when it is empty, unbalanced, or not an absolute program."""
    ignore_failure = False
    while text[:1] in {"-", "+", "!", ":"}:
        if text[0] == ":":
            raise ValueError(f"{text!r}: prefix ':' is not known to the stand-in for systemd")
        ignore_failure = ignore_failure or text[0] == "-"
        text = text[1:]
    words = [expand_specifiers(word, unit_name, hostname) for word in shlex.split(text)]
    if not words or ";" in words:
        raise ValueError(f"{text!r} is not one command")
    return ExecLine(words=tuple(words), ignore_failure=ignore_failure)


def expand_variables(words: tuple[str, ...], environment: Mapping[str, str]) -> list[str]:
    """Put variables in: `${NAME}` inside a word, and `$NAME` alone split at blanks; unset ones are empty."""
    expanded: list[str] = []
    for word in words:
        alone = re.fullmatch(r"\$(\w+)", word)
        if alone:
            expanded.extend(environment.get(alone.group(1), "").split())
        else:
            expanded.append(_BRACED.sub(lambda m: environment.get(m.group(1), "") if m.group(1) else "$", word))
    return expanded


def parse_environment(values: tuple[str, ...]) -> dict[str, str]:
    """Read `Environment=` values: quoted NAME=VALUE words; ValueError for a word without `=`."""
    environment: dict[str, str] = {}
    for value in values:
        for word in shlex.split(value):
            name, equals, content = word.partition("=")
            if not equals:
                raise ValueError(f"{word!r} is not NAME=VALUE")
            environment[name] = content
    return environment


def parse_environment_file(text: str) -> dict[str, str]:
    """Read an `EnvironmentFile=`: one assignment a line, quotes removed, comments and empty lines skipped."""
    environment: dict[str, str] = {}
    for raw in text.splitlines():
        line = raw.strip()
        if not line or line.startswith(("#", ";")) or "=" not in line:
            continue
        name, _, content = line.partition("=")
        environment[name.strip()] = "".join(shlex.split(content)) if content[:1] in "\"'" else content.strip()
    return environment
