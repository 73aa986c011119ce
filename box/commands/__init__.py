# SPDX-License-Identifier: Apache-2.0
"""Commands of the box: each module of this package registers a few that belong together.

A module has `add(commands)`, called once with a `Commands`. To add a command, write a module with

    def add(commands: Commands) -> None:
        group = commands.group("fault", "break something on purpose", about="...", examples=(...))
        command = group.command("hang", "registry accepts and then says nothing", _hang, examples=("... hang b",))
        command.add_argument("name", help="registry, as `box status` names it")

    def _hang(options: argparse.Namespace, report: Report) -> int: ...

What a command needs beyond argparse it imports in its own function: `--help` stays fast. A command returns its exit
status, and raises BoxError with what went wrong and the next command.
"""

import argparse
import importlib
import pkgutil
import re
from collections.abc import Callable, Sequence
from typing import NoReturn

from box.errors import suggest
from box.report import Report

Run = Callable[[argparse.Namespace, Report], int]


class Parser(argparse.ArgumentParser):
    """A parser whose complaint about an unknown word names the nearest known ones and the command for help."""

    def error(self, message: str) -> NoReturn:
        """Print the complaint on standard error and exit with status 2."""
        unknown = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if unknown:
            known = [word.strip(" '") for word in unknown[2].split(",")]
            message = f"there is no `{unknown[1]}` here{suggest(unknown[1], known)}"
        self.exit(2, f"box: {message}\nmore: {self.prog} --help\n")


class Commands:
    """Where commands are registered: the box's own level, or a group such as `box main`."""

    def __init__(self, parser: argparse.ArgumentParser) -> None:
        self._actions = parser.add_subparsers(required=True, metavar="COMMAND", title="commands", parser_class=Parser)

    def command(
        self,
        name: str,
        summary: str,
        run: Run,
        *,
        about: str = "",
        examples: Sequence[str] = (),
        options: bool = True,
        needs_box: bool = True,
    ) -> argparse.ArgumentParser:
        """Register a command and return its parser, for arguments; without `options` it has none, not even --help.

        One that `needs_box` is refused while none was started.
        """
        parser = self._add(name, summary, about, examples, options)
        parser.set_defaults(run=run, needs_box=needs_box)
        return parser

    def group(self, name: str, summary: str, *, about: str = "", examples: Sequence[str] = ()) -> "Commands":
        """Register a word that has commands of its own, and return the place for them."""
        return Commands(self._add(name, summary, about, examples, True))

    def _add(
        self, name: str, summary: str, about: str, examples: Sequence[str], options: bool
    ) -> argparse.ArgumentParser:
        return self._actions.add_parser(
            name,
            help=summary,
            description=about.strip() or summary[:1].upper() + summary[1:] + ".",
            epilog=show_examples(examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            add_help=options,
        )


def show_examples(examples: Sequence[str]) -> str | None:
    """Return examples as `--help` ends with them: one a line, a comment after two blanks lined up."""
    if not examples:
        return None
    pairs = [re.split(" {2,}# ?", each, maxsplit=1) for each in examples]
    width = max(len(pair[0]) for pair in pairs)
    lines = [f"  {pair[0]:<{width}}  {pair[1]}" if len(pair) > 1 else f"  {pair[0]}" for pair in pairs]
    return "\n".join(["examples:", *lines])


def add_all(commands: Commands) -> None:
    """Register the commands of every module of this package, in the order of the modules' `ORDER`, then by name."""
    modules = [importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)]
    for module in sorted(modules, key=lambda module: (getattr(module, "ORDER", 50), module.__name__)):
        module.add(commands)
