# SPDX-License-Identifier: Apache-2.0
"""Registries: start, stop, break, look into."""

import argparse

from box.commands import Commands
from box.report import Report, open_console

ORDER = 26
_NAME = "a registry, as `box registry list` names it"


def add(commands: Commands) -> None:
    """Register the group `registry`."""
    group = commands.group(
        "registry",
        "start, stop or break a registry, see what it was asked",
        about=(
            "The registries of the box. registry-a is there from the start; each of the others is unlike it in a way\n"
            "that registries are (tokens, redirects to an object store, 401 for what is missing, plain HTTP)."
        ),
        examples=(
            "python -m box registry list",
            "python -m box registry start registry-b",
            "python -m box registry fault registry-b hang  # accepts connections and never answers",
            "python -m box registry fault registry-b clear",
            "python -m box registry journal registry-a -n 20",
        ),
    )
    group.command("list", "every registry, what is special about it, whether it runs, its faults", _list)
    for word, summary, run in (
        ("start", "start it, with the platform's images and new accounts", _start),
        ("stop", "end it; accounts and content stay for the next start", _stop),
        ("login", "print the platform's account: user and password on a line each", _login),
    ):
        group.command(word, summary, run).add_argument("name", metavar="NAME", help=_NAME)
    command = group.command(
        "fault",
        "let it do something wrong from now on",
        _fault,
        about=(
            "Add faults to a running registry; each is in effect when the command returns. `password` gives the\n"
            "platform's account another password, `clear` takes everything back. Without a word: what is set now.\n"
            "The words: python -m box registry fault registry-a help"
        ),
        examples=(
            "python -m box registry fault registry-a 429=10",
            "python -m box registry fault registry-a slow=10000 layer-missing",
        ),
    )
    command.add_argument("name", metavar="NAME", help=_NAME)
    command.add_argument("words", metavar="FAULT", nargs="*", help="down, hang, slow, 401, 429, wrong-ca, … or clear")
    command = group.command("journal", "what it was asked, by whom, and how it answered", _journal)
    command.add_argument("name", metavar="NAME", help=_NAME)
    command.add_argument("-n", "--lines", type=int, default=30, metavar="N", help="the last requests (default 30)")


def _list(_options: argparse.Namespace, _report: Report) -> int:
    from rich.table import Table
    from rich.text import Text

    from box.registries import running
    from box.registries.catalogue import REGISTRIES

    table = Table(box=None, pad_edge=False)
    for title in ("registry", "host", "state", "faults", "about"):
        table.add_column(title)
    for each in REGISTRIES:
        runs = running.is_running(each.name)
        faults = " ".join(running.fetch_faults(each.name)) if runs else ""
        words = (each.name, each.authority, "running" if runs else "-", faults, each.about)
        table.add_row(*map(Text, words))
    open_console().print(table)
    return 0


def _start(options: argparse.Namespace, report: Report) -> int:
    from box.build import build_all
    from box.layout import cache_folder
    from box.registries import running
    from box.registries.start import Programs

    tools = build_all(report)
    programs = Programs(cache=cache_folder(), image_set=tools.images, distribution=tools.distribution)
    started = running.start_in_box(options.name, programs, report.line)
    report.line(f"{started.name} answers at {started.scheme}://{started.authority}, repository {started.paths[0]}")
    return 0


def _stop(options: argparse.Namespace, report: Report) -> int:
    from box.registries import running

    running.stop_in_box(options.name)
    report.line(f"{options.name} has ended; start it again: python -m box registry start {options.name}")
    return 0


def _login(options: argparse.Namespace, _report: Report) -> int:
    from box.errors import BoxError
    from box.registries import running

    try:
        account = running.find_login(options.name)
    except (LookupError, FileNotFoundError) as error:
        start = f"python -m box registry start {options.name}"
        raise BoxError(f"{options.name} has no account that it lets in; start it: {start}") from error
    print(account.user, account.password, sep="\n")
    return 0


def _fault(options: argparse.Namespace, report: Report) -> int:
    from box.registries import running

    if options.words == ["help"]:
        from box.registries.faults import WORDS

        print(*(f"{word:<30}{about}" for word, about in WORDS.items()), sep="\n")
        return 0
    if options.words:
        running.set_fault(options.name, *options.words)
    faults = running.fetch_faults(options.name)
    report.line(f"{options.name}: {', '.join(faults) if faults else 'no faults'}")
    return 0


def _journal(options: argparse.Namespace, _report: Report) -> int:
    from box.registries import running

    for entry in running.read_journal(options.name)[-options.lines :]:
        who = f"{entry.account or 'nobody'}{' (refused)' if entry.refused else ''}"
        fault = f" [{entry.fault}]" if entry.fault else ""
        print(f"{entry.time:%H:%M:%S} {entry.remote:<15} {who:<24} {entry.status} {entry.method} {entry.uri}{fault}")
    return 0
