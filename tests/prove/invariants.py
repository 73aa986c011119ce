# SPDX-License-Identifier: Apache-2.0
"""The invariants of design.md section 4, seen from outside: on objects, disks and registries, never on the state.

A violation is a sentence. `find_violations` looks at a world, `find_wrong_moves` at what one move changed in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache

import yaml
from d8registry.kube.cluster import MOUNTED

from tests.prove.agent import USERS_OWN, find_sources, pull_on
from tests.prove.cluster import TENANT_CONFIG
from tests.prove.containerd import FIXED, FIXED_HOST, find_logins, read_folder
from tests.prove.memo import Remembered
from tests.prove.moves import FAULT, NORMAL, Move
from tests.prove.platform import DECKHOUSE, PROXY, base_of, serve
from tests.prove.registries import LOGIN_TENANT, PASSWORDS, WELL, A, Answer, list_registries
from tests.prove.store import Doc, Key, World

# What the module may write. Everything else is somebody's own.
OWN = {
    ("Secret", "d8-system", name)
    for name in (
        "registry-state",
        "registry-node-plan",
        "registry-bashible-config",
        "registry-pki",
        "registry-questions",
        "registry-checks",
        "registry-evidence",
        f"{PROXY}-tls",
        f"{PROXY}-upstream",
        f"{PROXY}-users",
        "deckhouse-registry",
    )
} | {
    ("Deployment", "d8-system", PROXY),
    ("Service", "d8-system", "registry"),
    ("ServiceAccount", "d8-system", PROXY),
    ("PodDisruptionBudget", "d8-system", PROXY),
    *(("Pod", "d8-system", f"{PROXY}-{number}") for number in range(3)),
    *(("Pod", "d8-system", name) for name in DECKHOUSE),
    ("~Operator", "", "operator"),
    ("~Budget", "", "budget"),
    ("~Frozen", "", "operator"),
}
_REGISTRY_KEYS = {"address", "path", "scheme", "ca", ".dockerconfigjson"}
# These take away what a decision rested on, after it was made and before it could be noticed.
EXCUSES_THE_PROXY = ("proxy-", "master-dies", "registry-", "slow-run")
_MASTERS_ONLY = "control-plane"
_ADDRESS, _TEXT = ("Secret", "d8-system", "deckhouse-registry"), ("Secret", "d8-system", "registry-bashible-config")
_WORKLOADS = ("CronJob", "DaemonSet", "Deployment", "Pod")


def find_violations(world: World) -> Iterator[str]:
    """Look at one world."""
    yield from _find_lost_pulls(world)
    yield from _find_unserved_clients(world)
    yield from _find_distrust(world)


def find_wrong_moves(before: World, move: Move) -> Iterator[str]:
    """Look at what a move changed."""
    after = move.after
    for key in move.changed:
        doc = after.docs.get(key)
        if doc is not None:
            yield from _find_shown_secrets(doc)
            if key[0] == "~Disk":
                yield from _find_wrong_folders(doc)
    if move.kind == FAULT:
        return
    if move.writes:
        yield from _find_foreign_writes(before, after, move.changed)
    if _ADDRESS in move.changed:
        yield from _find_early_address(after)
    if _TEXT in move.changed:
        yield from _find_early_text(after)
    if move.kind == NORMAL:
        for key in move.changed:
            if key[0] == "~Disk":
                yield from _find_early_end(before, after, key)


# 1: a working source for every base


@Remembered
def _find_lost_pulls(world: World) -> tuple[str, ...]:
    references = list_references(world)
    disks = [disk for disk in world.kind("~Disk") if not disk.body["emptied"] and not is_away(disk, world)]
    return tuple(text for disk in disks for text in _try_pulls(disk, references))


def is_away(disk: Doc, world: World) -> bool:
    """Tell whether nothing is asked of a node: it is down or lags, or it boots with a text that is not the present one.

    A lagging node catches up on boot. A node that joins has the text that node-manager rendered last until its own
    program runs; the present text must do for it alone.
    """
    body = disk.body
    is_stale = body["step"] != world.text("registry-bashible-config", "config")
    return bool(body["down"] or body["lags"] or (body["joins"] and body["current"] is None and is_stale))


def list_references(world: World) -> tuple[tuple[str, str, str, str], ...]:
    """What may be pulled: (whose, image, pull secret, where)."""
    copy = world.text("deckhouse-registry", ".dockerconfigjson", "d8-monitoring")
    own = world.text("deckhouse-registry", ".dockerconfigjson")
    # While a switch is rolled back the proxy is on its way out, and nothing needs it any more.
    has_proxy = base_of(world) == FIXED
    found = []
    for doc in (doc for kind in _WORKLOADS for doc in world.kind(kind)):
        kind, namespace, name = doc.key
        image = read_image(doc)
        if namespace == "shop":
            found.append((f"{kind} {namespace}/{name}", image, TENANT_CONFIG, ""))
        elif namespace == "d8-monitoring":
            found.append((f"{kind} {namespace}/{name}", image, copy, ""))
        elif name.startswith("deckhouse"):
            found.append((f"{kind} {namespace}/{name}", image, own, _MASTERS_ONLY))
        elif name.startswith(PROXY) and has_proxy:
            found.append((f"{kind} {namespace}/{name}", image, "", _MASTERS_ONLY))
    return tuple(sorted(found))


@cache
def read_image(doc: Doc) -> str:
    """The image of a workload's first container."""
    spec = doc.body["spec"]
    if doc.key[0] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    if doc.key[0] != "Pod":
        spec = spec["template"]["spec"]
    return str(spec["containers"][0]["image"])


@cache
def _try_pulls(disk: Doc, references: tuple[tuple[str, str, str, str], ...]) -> tuple[str, ...]:
    node, wrong = disk.key[2], []
    for whose, image, config, where in references:
        if where == _MASTERS_ONLY and not disk.body["master"]:
            continue
        found = pull_on(disk, image, config, WELL)
        if not found.ok:
            wrong.append(f"1: {whose} cannot be pulled on {node} ({image}: {found.answer})")
        if config == TENANT_CONFIG:
            host = image.partition("/")[0]
            wrong += [
                f"5: the tenant's {whose} on {node} asked {asked} as {login[0] if login else 'nobody'}"
                for asked, _, login in found.asked
                if asked != host or login != LOGIN_TENANT
            ]
    return tuple(wrong)


# 2: the address


def _find_early_address(world: World) -> Iterator[str]:
    """The address was just changed: nodes, masters and the proxy must be ready for it."""
    config, reference = world.text("deckhouse-registry", ".dockerconfigjson"), f"{base_of(world)}:v1.72.0"
    for disk in world.kind("~Disk"):
        body = disk.body
        if body["master"] and reference not in body["pins"]:
            yield f"2: deckhouse-registry was changed, but {disk.key[2]} has not pulled {reference} ahead"
        if body["emptied"] or is_away(disk, world):
            continue
        if not pull_on(disk, reference, config, WELL).ok:
            yield f"2: deckhouse-registry was changed, but {disk.key[2]} cannot pull {reference}"
    if base_of(world) == FIXED and not _is_excused(world) and not _is_served(world):
        yield "2: deckhouse-registry was changed, but the proxy does not serve its credentials"


@Remembered
def _find_unserved_clients(world: World) -> tuple[str, ...]:
    """While the platform names the fixed address, its components ask the proxy with what their copies hold."""
    if base_of(world) == FIXED and not _is_excused(world) and not _is_served(world):
        return ("2: the platform names the fixed address, but the proxy does not serve every copy of the credentials",)
    return ()


def _is_served(world: World) -> bool:
    own, copy = (
        world.text("deckhouse-registry", ".dockerconfigjson", space) for space in ("d8-system", "d8-monitoring")
    )
    # A copy that has not followed has no entry for the fixed address: nothing is rendered there before it has.
    configs = (own, copy) if FIXED_HOST in copy else (own,)
    logins = {login for config in configs for login in find_logins(config, FIXED_HOST, "system/deckhouse")}
    return all(serve(world, login, WELL) is Answer.OK for login in logins)


@Remembered
def _find_distrust(world: World) -> tuple[str, ...]:
    """The platform's components trust what deckhouse took over; the proxy serves by an authority among that."""
    taken, proxies = world.get("~Platform", "platform"), world.kind("~Proxy")
    if taken is None or taken.body["taken"]["address"] != FIXED_HOST:
        return ()
    if all(proxy.body["authority"].strip() in taken.body["taken"]["ca"] for proxy in proxies):
        return ()
    return ("2: the proxy serves by an authority that the platform's components do not trust",)


def _is_excused(world: World) -> bool:
    fault = str(world.need("~Budget", "budget").body["fault"])
    return fault.startswith(EXCUSES_THE_PROXY)


# 3: the old source goes on evidence only


def _find_early_end(before: World, after: World, key: Key) -> Iterator[str]:
    """A node lost the credentials of a real host: nothing of the platform may need them any more.

    An older text of the platform's step (decision record 50) may take them for the second that the node's own program
    needs to put them back: that is judged by whether pulls work.
    """
    step = after.docs[key].body["step"]
    was = before.docs[key].body
    if step != was["step"] and step != after.text("registry-bashible-config", "config"):
        return
    if was["lags"] or (was["joins"] and was["current"] is None):
        return  # what it had is of another time
    lost = _list_logins(before.docs[key]) - _list_logins(after.docs[key])
    for host in sorted({host for host, _, _ in lost}):
        if host == FIXED_HOST:
            continue
        for whose, image, config, _ in list_references(after):
            if config == TENANT_CONFIG:
                continue
            if image.startswith(f"{host}/"):
                yield f"3: {key[2]} lost the credentials of {host}, which {whose} still names"
            elif whose.endswith("d8-monitoring/grafana") and FIXED_HOST not in config and base_of(after) == FIXED:
                yield f"3: {key[2]} lost the credentials of {host} before the copy of the pull secret followed"


@cache
def _list_logins(disk: Doc) -> frozenset[tuple[str, str, tuple[str, str]]]:
    return frozenset(
        (host, source.host, source.login)
        for host in {*disk.body["live"], *(() if disk.body["configPath"] else (A,))}
        for source in find_sources(disk, host)
        if source.login is not None
    )


# 5, 7: folders


@cache
def _find_wrong_folders(disk: Doc) -> tuple[str, ...]:
    node, live, wrong = disk.key[2], disk.body["live"], []
    if live.get(USERS_OWN, {}).get("by") != "user":
        wrong.append(f"7: the user's folder {USERS_OWN} on {node} was touched")
    for host in live:
        if host == USERS_OWN or not disk.body["configPath"]:
            continue
        for source in find_sources(disk, host):
            name = source.host.removesuffix(":443")
            if host != FIXED_HOST and name != host:
                wrong.append(f"5: folder {host} on {node}, which tenants use too, names {name}")
            registry = list_registries().get(name)
            if source.login is not None and (registry is None or source.login not in registry.logins):
                wrong.append(f"5: folder {host} on {node} sends {name} a login that it did not issue")
    return tuple(wrong)


# 6: the platform's text


def _find_early_text(world: World) -> Iterator[str]:
    """The platform's step may run at once with this text: it may name what every node has proven, and no more."""
    hosts = (yaml.safe_load(world.text("registry-bashible-config", "config")) or {}).get("hosts", {})
    for disk in world.kind("~Disk"):
        body = disk.body
        # A switch waits for masters even if they are down, and for one that has just joined from its first report on;
        # for one that lagged from its first round after the boot on (decision record 51).
        is_left_out = (
            (body["down"] and not body["master"]) or (body["joins"] and body["current"] is None) or body["lags"]
        )
        if is_left_out or FIXED_HOST not in hosts:
            continue
        folders = body["current"]["folders"] if body["current"] else {}
        proven = _list_sources({"files": folders[FIXED_HOST]}) if FIXED_HOST in folders else frozenset()
        for host, login in sorted(_list_sources({"mirrors": hosts[FIXED_HOST]["mirrors"]}) - proven, key=str):
            name = f"{host} as {login[0] if login else 'nobody'}"
            yield f"6: registry-bashible-config names {name}, which {disk.key[2]} has not proven"


def _list_sources(folder: Mapping[str, object]) -> frozenset[tuple[str, tuple[str, str] | None]]:
    found = read_folder(FIXED_HOST, json.dumps(folder, sort_keys=True))
    return frozenset((source.host, source.login) for source in found if source.host != FIXED_HOST)


# 7: one writer


def _find_foreign_writes(before: World, after: World, changed: tuple[Key, ...]) -> Iterator[str]:
    for key in changed:
        if key not in OWN:
            yield f"7: the module wrote {key[0]} {key[1]}/{key[2]}"
        elif key[0] == "Pod" and not _may_touch(before.docs.get(key), after.docs.get(key)):
            yield f"7: the module changed more of Pod {key[1]}/{key[2]} than the mark that its Secrets have changed"
    old, new = before.secret("deckhouse-registry"), after.secret("deckhouse-registry")
    if old is not None and new is None:
        yield "7: the module removed deckhouse-registry"
    elif old is not None and new is not None:
        for name in sorted(set(old.texts) - _REGISTRY_KEYS):
            if old.texts[name] != new.texts.get(name):
                yield f"7: the module changed key {name} of deckhouse-registry, which is not of the contract"


def _may_touch(before: Doc | None, after: Doc | None) -> bool:
    """A pod of the proxy is marked, one of deckhouse is deleted, and nothing else."""
    if before is None:
        return False
    if before.key[2] in DECKHOUSE:
        return after is None
    return after is not None and _without_mark(before) == _without_mark(after)


def _without_mark(pod: Doc) -> object:
    metadata = pod.body["metadata"]
    notes = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != MOUNTED}
    return {**pod.body, "metadata": {**metadata, "annotations": notes}}


# 8: no credential where people look


@cache
def _find_shown_secrets(doc: Doc) -> tuple[str, ...]:
    kind, _, name = doc.key
    shown = json.dumps(doc.body["metadata"])
    if kind == "Secret" and name == "registry-state":
        shown += doc.texts.get("conditions", "") + doc.texts.get("hash", "")
    if kind == "~Operator":
        shown += json.dumps(doc.body["values"])
    if any(password in shown for password in PASSWORDS) or "PRIVATE KEY" in shown:
        return (f"8: {kind} {name} shows a credential",)
    return ()
