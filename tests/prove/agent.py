# SPDX-License-Identifier: Apache-2.0
"""A node's disk, and what `registry-node` and the platform's own step do to it (docs/internal/INTERFACES.md).

A disk is a document: `live` folders of registry.d by host, the layout that is `current`, the `candidate` with its
`trial`, `passed` proofs, `pins`, the folders that are `owned` by the program and `listed` by the platform's step,
whether somebody `emptied` the folders a moment ago, whether the node `joins` while a switch is under way, and whether
it `lags`: it was away for longer than a switch waits.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import yaml

from tests.prove.containerd import Pull, Source, pull, read_folder
from tests.prove.registries import LOGIN_A, A, Answer, Health, issue_ca
from tests.prove.store import Doc, change, hidden

JSON = Any
CLASSES = {
    Answer.REFUSED: "tcp",
    Answer.UNTRUSTED: "tls",
    Answer.UNAUTHENTICATED: "auth",
    Answer.MISSING: "not-found",
    Answer.HANG: "timeout",
}
USERS_OWN = "quay.example.net"
BEFORE = "from deckhouse-registry"


def build_disk(name: str, *, is_master: bool, config_path: bool, joins: bool = False) -> Doc:
    """A node that has pulled from registry A so far; a user's own folder lies beside."""
    live: dict[str, JSON] = {USERS_OWN: {"by": "user", "files": {"hosts.toml": f'server = "https://{USERS_OWN}"\n'}}}
    if config_path:
        login = {"username": LOGIN_A[0], "password": LOGIN_A[1], "auth": ""}
        live[A] = {"by": "platform", "mirrors": [{"host": A, "scheme": "https", "ca": issue_ca(A), "auth": login}]}
    return hidden(
        "Disk",
        name,
        live=live,
        current=None,
        candidate=None,
        trial="",
        passed=[],
        pins=[],
        owned=[],
        listed=[A] if config_path else [],
        step=BEFORE,
        configPath=config_path,
        master=is_master,
        restored="",
        down=False,
        emptied=False,
        joins=joins,
        lags=False,
    )


@cache
def find_sources(disk: Doc, host: str) -> tuple[Source, ...]:
    """What containerd on this node asks for a host."""
    if not disk.body["configPath"]:
        # Without config_path the platform keeps the registry in containerd's own configuration.
        return (Source("https", host, LOGIN_A, issue_ca(A)) if host == A else Source("https", host),)
    found = disk.body["live"].get(host)
    return read_folder(host, json.dumps(found, sort_keys=True)) if found else (Source("https", host),)


@cache
def pull_on(disk: Doc, reference: str, docker_config: str, health: Health) -> Pull:
    """Pull an image on this node."""
    return pull(find_sources(disk, reference.partition("/")[0]), reference, docker_config, health)


@cache
def sync(disk: Doc, plan: Doc | None, health: Health) -> Doc:
    """Run the program once, up to the report."""
    body: dict[str, JSON] = dict(disk.body)
    body["lags"] = body["lags"] and not body["configPath"]
    _put_back(body)
    layout = _choose_layout(plan, disk.key[2]) if plan is not None else None
    if layout is not None:
        _take_plan(body, layout)
        if body["candidate"] is not None:
            _try_candidate(body, health)
    return change(disk, **body)


@cache
def build_report(disk: Doc) -> str:
    """What the Node's annotation says of this disk; empty before there is anything to say."""
    body = disk.body
    token, result, failure = "", "applied", ""
    if body["restored"]:
        token, result = body["restored"], "restored"
    elif body["candidate"] is not None and body["trial"]:
        token, result, failure = body["candidate"]["token"], "failing", body["trial"]
    elif body["current"] is not None:
        token = body["current"]["token"]
    if not token:
        return ""
    report = {
        "schema": 1,
        "program": "1",
        "token": token,
        "result": result,
        "class": failure,
        "message": f"registry-node: {failure}" if failure else "",
        "configPath": body["configPath"],
        "customConfig": False,
        "dialMilliseconds": 3,
        "bootID": "b",
    }
    return json.dumps(report, separators=(",", ":"))


@cache
def run_platform_step(disk: Doc, text: str) -> Doc:
    """Run the platform's step with a text of registry-bashible-config, the present or an older one; empty for none."""
    body: dict[str, JSON] = dict(disk.body)
    hosts = (yaml.safe_load(text) or {}).get("hosts", {}) if text else {}
    live = {name: folder for name, folder in body["live"].items() if name in hosts or name not in body["listed"]}
    live.update({name: {"by": "platform", "mirrors": item["mirrors"]} for name, item in hosts.items()})
    return change(disk, live=live, listed=sorted(hosts), configPath=bool(text), step=text)


def _put_back(body: dict[str, JSON]) -> None:
    """Make registry.d equal to `current`, whoever changed it; only folders of ours."""
    if body["current"] is None:
        return
    wanted = body["current"]["folders"]
    live = {name: folder for name, folder in body["live"].items() if name in wanted or name not in body["owned"]}
    live.update({name: {"by": "agent", "files": files} for name, files in wanted.items()})
    body["emptied"] = False
    body["live"], body["owned"] = live, sorted(wanted)


@cache
def _choose_layout(plan: Doc, node: str) -> Mapping[str, JSON] | None:
    """This node's part of the plan; None for what it does not understand."""
    try:
        document = json.loads(plan.texts["plan"])
        canaries = document["canaries"]
        name = canaries["layout"] if canaries and node in canaries["nodes"] else document["default"]
        layout = document["layouts"][name]
    except (KeyError, ValueError, TypeError):
        return None
    every = [proof for item in document["layouts"].values() for proof in item["proofs"]]
    return {
        "counter": document["counter"],
        "token": layout["token"],
        "folders": {
            item["name"]: {file["name"]: file["content"] for file in item["files"]} for item in layout["folders"]
        },
        "proofs": layout["proofs"],
        "known": [proof["id"] for proof in every],
        "keep": [reference for proof in every for reference in proof["masterPulls"]],
    }


def _take_plan(body: dict[str, JSON], layout: Mapping[str, JSON]) -> None:
    current, candidate = body["current"], body["candidate"]
    if current is not None and layout["counter"] < current["counter"]:
        body["restored"] = layout["token"]
        return
    body["restored"] = ""
    body["passed"] = [entry for entry in body["passed"] if entry.partition(" ")[0] in layout["known"]]
    body["pins"] = [reference for reference in body["pins"] if reference in layout["keep"]]
    if current is not None and current["token"] == layout["token"]:
        body["candidate"], body["trial"] = None, ""
        return
    if candidate is None or candidate["token"] != layout["token"]:
        body["trial"] = ""
    body["candidate"] = {key: layout[key] for key in ("counter", "token", "folders", "proofs")}


def _try_candidate(body: dict[str, JSON], health: Health) -> None:
    candidate = body["candidate"]
    if body["trial"] == "auth":
        return  # a refused password is not tried again with the same plan: registries lock accounts
    if not all(_is_free(name, body) for name in candidate["folders"]):
        body["trial"] = "other"
        return
    for proof in candidate["proofs"]:
        failure = _prove(body, proof, health)
        if failure:
            body["trial"] = failure
            return
    body["current"] = {key: candidate[key] for key in ("counter", "token", "folders")}
    body["candidate"], body["trial"] = None, ""
    _put_back(body)


def _is_free(name: str, body: Mapping[str, JSON]) -> bool:
    found = body["live"].get(name)
    return found is None or name in body["owned"] or name in body["listed"] or found["by"] != "user"


def _prove(body: dict[str, JSON], proof: Mapping[str, JSON], health: Health) -> str:
    """Prove one source with its own credentials; masters also pull and pin. The class of the failure, or nothing."""
    entry = f"{proof['id']} {'master' if proof['masterPulls'] and body['master'] else 'node'}"
    if entry in body["passed"]:
        return ""
    folder = json.dumps({"files": {file["name"]: file["content"] for file in proof["files"]}}, sort_keys=True)
    sources = read_folder(proof["host"], folder)
    pulls = proof["masterPulls"] if body["master"] else []
    for reference in (proof["reference"], *pulls):
        found = pull(sources, reference, "", health).answer
        if found is not Answer.OK:
            return CLASSES[found]
    body["pins"] = sorted({*body["pins"], *pulls})
    body["passed"] = sorted({*body["passed"], entry})
    return ""
