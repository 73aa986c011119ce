# SPDX-License-Identifier: Apache-2.0
"""Registries of the box: start and stop them, give them other passwords, read who asked them for what."""

import argparse
import time

from box.commands import Commands
from box.report import Report

ORDER = 40
_WATCH_SECONDS = 0.5


def add(commands: Commands) -> None:
    """Register the group `registry`."""
    group = commands.group(
        "registry",
        "registries: start, stop, list, accounts, who asked for what",
        about=(
            "Registry A runs always; the others are started when you want them. Each has its own CA, accounts and\n"
            "journal. Their faults are set by `box fault registry`."
        ),
        examples=(
            "python -m box registry list",
            "python -m box registry start b  # tokens, another CA, another path",
            "python -m box registry section b  # what to write into ModuleConfig deckhouse to switch to it",
            "python -m box registry journal b -f  # who asks it for what, as it happens",
        ),
    )
    group.command("list", "all registries: where, how they are, faults", _list, needs_box=False)
    _name(group.command("start", "start a registry; nothing to do when it runs", _start))
    _name(group.command("stop", "end a registry; accounts and content stay for the next start", _stop))
    command = group.command(
        "section",
        "print the registry section of ModuleConfig deckhouse that switches to a registry",
        _section,
        about="Print the registry section of ModuleConfig `deckhouse` that switches to a registry, the password in it.",
    )
    _name(command)
    command.add_argument("--mode", choices=("Direct", "Unmanaged"), default="Direct", help="the mode of the section")
    command.add_argument("--path", default="", help="another of its repositories, such as archive/d8/ee")
    command = group.command("password", "give the platform's account a new password", _password)
    _name(command)
    command.add_argument("--keep-old", action="store_true", help="let the old one in as well (registries with tokens)")
    command = group.command("journal", "who asked for what, with which account; passwords are never in it", _journal)
    command.add_argument("names", nargs="*", metavar="NAME", help="registries; all that ran unless given")
    command.add_argument("-f", "--follow", action="store_true", help="go on as requests come")


def _name(command: argparse.ArgumentParser) -> None:
    command.add_argument("name", metavar="NAME", help="a registry, as `box registry list` names it, or its last word")


def _list(_options: argparse.Namespace, _report: Report) -> int:
    from box.registries import running
    from box.registries.catalogue import REGISTRIES

    rows = [("registry", "repository", "state", "faults")]
    for one in REGISTRIES:
        runs = running.is_running(one.name)
        faults = " ".join(running.fetch_faults(one.name)) if runs else ""
        rows.append((one.name, f"{one.authority}/{one.paths[0]}", "running" if runs else "not started", faults))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row, about in zip(rows, ("", *(one.about for one in REGISTRIES)), strict=True):
        print("  ".join([*(word.ljust(width) for word, width in zip(row, widths, strict=False)), row[3]]).rstrip())
        if about:
            print(f"    {about}")
    return 0


def _start(options: argparse.Namespace, report: Report) -> int:
    from box.build import build_all
    from box.layout import cache_folder
    from box.registries import running
    from box.registries.start import Programs

    running.require_box()
    tools = build_all(report)
    programs = Programs(cache=cache_folder(), image_set=tools.images, distribution=tools.distribution)
    registry = running.start_in_box(options.name, programs, report.line)
    files = running.get_files(registry.name)
    report.line(f"{registry.name} serves {registry.authority}/{registry.paths[0]}; CA {files.ca}, log {files.log}")
    report.line(f"to switch to it: python -m box registry section {options.name}")
    return 0


def _stop(options: argparse.Namespace, report: Report) -> int:
    from box.registries import running

    running.stop_in_box(options.name)
    report.line(f"{options.name} is stopped; start it again: python -m box registry start {options.name}")
    return 0


def _section(options: argparse.Namespace, _report: Report) -> int:
    from box.registries import running
    from box.registries.catalogue import get_registry
    from box.scenario.edit import render_yaml
    from box.scenario.settings import build_section

    registry = get_registry(options.name)
    running.require_started(registry.name)
    ca = running.get_files(registry.name).ca.read_text(encoding="utf-8")
    section = build_section(options.mode, registry, running.find_login(registry.name), ca, path=options.path)
    print(render_yaml({"registry": section}), end="")
    return 0


def _password(options: argparse.Namespace, report: Report) -> int:
    from box.registries import running

    running.require_started(options.name)
    made = running.change_password(options.name, keep_old=options.keep_old)
    report.line(f"{made} has a new password; see it: python -m box registry section {options.name}")
    return 0


def _journal(options: argparse.Namespace, _report: Report) -> int:
    from box.registries import running

    count = 0
    while True:
        entries = running.read_journal(*options.names)
        for one in entries[count:]:
            print(one.describe() + (f" (fault {one.fault})" if one.fault else ""), flush=True)
        count = len(entries)
        if not options.follow:
            return 0
        time.sleep(_WATCH_SECONDS)
