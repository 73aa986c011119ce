# SPDX-License-Identifier: Apache-2.0
"""The API server away and back, and objects that somebody deletes or edits."""

import argparse

from box.commands import Commands
from box.errors import BoxError
from box.report import Report

ORDER = 36


def add(commands: Commands) -> None:
    """Register the group `api`."""
    group = commands.group(
        "api",
        "the API server away and back; objects deleted or edited by somebody",
        about=(
            "Kill the API server, or start it again; delete or edit an object behind its owner's back. Both want\n"
            "an object that is there. For anything else there is `box kubectl`."
        ),
        examples=(
            "python -m box api down",
            "python -m box api delete secret registry-node-plan",
            "python -m box api edit secret registry-state '{data: {state: null}}'",
            "python -m box api edit moduleconfig deckhouse '{spec: {settings: {registry: null}}}'",
        ),
    )
    group.command("down", "kill the API server", _down)
    group.command("up", "start it again", _up)
    _name(group.command("delete", "delete an object, as somebody by mistake", _delete))
    command = group.command(
        "edit",
        "merge a patch into an object, as somebody by mistake",
        _edit,
        about="Merge a patch into an object; null takes a key away. What would change nothing is an error.",
        examples=(
            "python -m box api edit secret registry-state '{data: {state: bm90IEpTT04=}}'",
            "python -m box api edit deployment registry-incluster-proxy '{spec: {replicas: 0}}'",
        ),
    )
    _name(command)
    command.add_argument("patch", metavar="PATCH", help="YAML or JSON, merged into the object")


def _name(command: argparse.ArgumentParser) -> None:
    from box.objects import NAMESPACE

    command.add_argument("kind", metavar="KIND", help="as kubectl takes it: secret, deploy, moduleconfig …")
    command.add_argument("name", metavar="NAME", help="the object's name")
    command.add_argument("-n", "--namespace", default=NAMESPACE, help=f"of a namespaced kind (default {NAMESPACE})")


def _down(_options: argparse.Namespace, report: Report) -> int:
    from box import apifaults

    apifaults.stop_api()
    report.line("the API server is down; start it again: python -m box api up")
    return 0


def _up(_options: argparse.Namespace, report: Report) -> int:
    from box import apifaults
    from box.build import build_all

    with report.stage("API server, controller-manager and scheduler"):
        apifaults.start_api(build_all(report))
    return 0


def _delete(options: argparse.Namespace, report: Report) -> int:
    from box import objects

    report.line(f"{objects.delete(options.kind, options.name, options.namespace)} is deleted")
    return 0


def _edit(options: argparse.Namespace, report: Report) -> int:
    import yaml

    from box import objects

    try:
        patch = yaml.safe_load(options.patch)
    except yaml.YAMLError as error:
        raise BoxError(f"the patch is no YAML: {error}") from error
    if not isinstance(patch, dict):
        raise BoxError(f"the patch must be a mapping, such as '{{data: {{key: null}}}}', not: {options.patch}")
    report.line(f"{objects.edit(options.kind, options.name, patch, options.namespace)} is edited")
    return 0
