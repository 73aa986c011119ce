# SPDX-License-Identifier: Apache-2.0
"""The node plan as JSON text, exactly as docs/internal/INTERFACES.md has it."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from d8registry.errors import InvalidObject
from d8registry.model.hosts import FileEntry, HostsFolder
from d8registry.nodes.plan import Canaries, Layout, NodePlan, Proof, build_plan

SCHEMA = 1
_WHERE = "Secret d8-system/registry-node-plan"
_FOLDER = re.compile(r"[0-9A-Za-z][0-9A-Za-z.-]*(:[0-9]{1,5})?")
_FILE = re.compile(r"hosts\.toml|ca-[0-9a-f]{12}\.crt")


def render_plan(plan: NodePlan) -> str:
    """Render the plan; equal plans give equal bytes."""
    canaries = plan.canaries
    document: dict[str, object] = {
        "schema": SCHEMA,
        "counter": plan.counter,
        "epoch": plan.epoch,
        "salt": plan.salt,
        "intervalSeconds": plan.interval_seconds,
        "default": plan.default,
        "canaries": None if canaries is None else {"layout": canaries.layout, "nodes": list(canaries.nodes)},
        "layouts": {
            name: {
                "token": plan.build_token(name),
                "folders": [_render_folder(folder) for folder in layout.folders],
                "proofs": [_render_proof(proof) for proof in layout.proofs],
            }
            for name, layout in plan.layouts
        },
    }
    if plan.uninstall:
        document["uninstall"] = True
    return json.dumps(document, sort_keys=True, separators=(",", ":")) + "\n"


def parse_plan(text: str) -> NodePlan:
    """Read a rendered plan back; raises InvalidObject for another schema, broken text or a token that does not fit."""
    try:
        document = json.loads(text)
        if document["schema"] != SCHEMA:
            raise InvalidObject(f"{_WHERE}: schema {document['schema']} is not {SCHEMA}: another release wrote it")
        plan = _parse_document(document)
        tokens = {name: layout["token"] for name, layout in document["layouts"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # The text may hold a password, so the cause is named by its kind alone.
        raise InvalidObject(f"{_WHERE}: not a node plan ({type(error).__name__})") from None
    for name, token in tokens.items():
        if token != plan.build_token(name):
            raise InvalidObject(f"{_WHERE}: the token of layout {name} does not fit its content")
    return plan


def _parse_document(document: Mapping[str, Any]) -> NodePlan:
    canaries = document["canaries"]
    plan = build_plan(
        counter=int(document["counter"]),
        epoch=str(document["epoch"]),
        salt=str(document["salt"]),
        interval_seconds=int(document["intervalSeconds"]),
        default=document["default"],
        layouts={
            name: Layout(
                folders=tuple(_parse_folder(item["name"], item["files"]) for item in layout["folders"]),
                proofs=tuple(_parse_proof(item) for item in layout["proofs"]),
            )
            for name, layout in document["layouts"].items()
        },
        canaries=None if canaries is None else Canaries(layout=canaries["layout"], nodes=tuple(canaries["nodes"])),
    )
    return replace(plan, uninstall=document.get("uninstall") is True)


def _render_folder(folder: HostsFolder) -> dict[str, object]:
    _refuse_names(folder)
    files = [{"name": entry.name, "mode": entry.mode, "content": entry.content} for entry in folder.files]
    return {"name": folder.name, "files": files}


def _render_proof(proof: Proof) -> dict[str, object]:
    folder = _render_folder(proof.folder)
    return {
        "id": proof.id,
        "host": folder["name"],
        "files": folder["files"],
        "reference": proof.reference,
        "address": proof.address,
        "deadlineSeconds": proof.deadline_seconds,
        "masterPulls": list(proof.master_pulls),
    }


def _parse_folder(name: str, files: list[Mapping[str, str]]) -> HostsFolder:
    entries = tuple(FileEntry(name=item["name"], mode=item["mode"], content=item["content"]) for item in files)
    folder = HostsFolder(name=name, files=entries)
    _refuse_names(folder)
    return folder


def _parse_proof(item: Mapping[str, Any]) -> Proof:
    return Proof(
        folder=_parse_folder(item["host"], item["files"]),
        reference=item["reference"],
        address=item["address"],
        deadline_seconds=int(item["deadlineSeconds"]),
        master_pulls=tuple(item["masterPulls"]),
    )


def _refuse_names(folder: HostsFolder) -> None:
    """Refuse what the program on the node would refuse: a name that could lead out of its folder."""
    if not _FOLDER.fullmatch(folder.name):
        raise InvalidObject(f"node plan: {folder.name!r} is not a host name with an optional port")
    for entry in folder.files:
        if not _FILE.fullmatch(entry.name) or entry.mode not in {"0600", "0644"}:
            raise InvalidObject(f"node plan: {folder.name}/{entry.name} ({entry.mode}) is not a file of a hosts folder")
