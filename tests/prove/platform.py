# SPDX-License-Identifier: Apache-2.0
"""What the platform, Kubernetes and the module's own pods do around the module, one small move each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any, cast

from d8registry.adapters.cluster_api import ClusterApi
from d8registry.adapters.evidence_collector import WORKLOADS, collect_evidence
from d8registry.checker.asking import Ask, build_parts, fold_answers, plan_asks
from d8registry.checker.outcome import Answer as Found
from d8registry.checker.outcome import Outcome
from d8registry.checker.question import ImagesQuestion, ProxyQuestion, parse_questions
from d8registry.checker.result import parse_results, render_results
from d8registry.evidence.answer import parse_evidence, remember_seen, render_evidence
from d8registry.evidence.question import parse_question
from d8registry.kube.operations import apply_secret, read_revision
from d8registry.kube.platform import hash_content

from tests.prove.agent import pull_on
from tests.prove.canonical import START
from tests.prove.containerd import FIXED
from tests.prove.operator import DIGESTS, memory_of, restart
from tests.prove.patching import apply_operation
from tests.prove.registries import Answer, Health, answer
from tests.prove.store import Doc, World, build_secret, change, hidden, intern

PROXY = "registry-incluster-proxy"
MOUNTED = (f"{PROXY}-tls", f"{PROXY}-upstream", f"{PROXY}-users")
OUTCOMES = {
    Answer.OK: Outcome.OK,
    Answer.REFUSED: Outcome.REFUSED,
    Answer.UNTRUSTED: Outcome.UNTRUSTED,
    Answer.UNAUTHENTICATED: Outcome.UNAUTHENTICATED,
    Answer.MISSING: Outcome.MISSING,
    Answer.HANG: Outcome.TIMEOUT,
}
_OF_REGISTRY = (Outcome.REFUSED, Outcome.UNTRUSTED, Outcome.UNAUTHENTICATED, Outcome.TIMEOUT)
LATER = timedelta(minutes=10)
DECKHOUSE = ("deckhouse-0", "deckhouse-1")
PROXY_IMAGE = f"{FIXED}@{DIGESTS['registry']['inclusterProxy']}"


@cache
def read_health(doc: Doc) -> Health:
    """The health of registries as a value."""
    troubles = tuple((host, Answer(name)) for host, name in doc.body["troubles"])
    return Health(troubles, tuple((user, password) for user, password in doc.body["revoked"]))


def health_of(world: World) -> Health:
    """What is wrong with registries now."""
    return read_health(world.need("~Health", "health"))


# The platform


def base_of(world: World) -> str:
    """The base that the platform renders references with."""
    return world.text("deckhouse-registry", "address") + world.text("deckhouse-registry", "path")


def checksum_of(world: World) -> str:
    """What deckhouse's pod is annotated with once it has taken the present Secret over."""
    found = world.secret("deckhouse-registry")
    return hash_content(found.texts) if found else ""


def has_taken_over(world: World) -> bool:
    """Tell whether deckhouse runs with the present content of its Secret."""
    pod = find_deckhouse(world)
    return pod is not None and _checksum(pod) == checksum_of(world) and _is_ready(pod)


def find_deckhouse(world: World) -> Doc | None:
    """The pod of Deployment deckhouse; one that was deleted is made anew under another name."""
    return next((pod for pod in (world.get("Pod", name, "d8-system") for name in DECKHOUSE) if pod is not None), None)


def take_over(world: World) -> World:
    """Deckhouse restarts with the present Secret (Recreate: the operator dies first), pulled on a master."""
    pod, wanted = find_deckhouse(world), checksum_of(world)
    if not wanted or pod is None or (_checksum(pod) == wanted and _is_ready(pod)):
        return world
    if _checksum(pod) != wanted:
        # The checksum alone would not tell, among states, whether the Secret was changed since.
        taken = world.need("Secret", "deckhouse-registry", "d8-system").texts
        world = restart(world).put(hidden("Platform", "platform", taken=taken, pod=pod.key[2]))
    return _start_deckhouse(world, pod.key[2], wanted)


def renew_deckhouse(world: World) -> World:
    """The module deleted deckhouse's pod: with it the operator dies, and another pod comes with what was taken over."""
    found = world.get("~Platform", "platform")
    if found is None or find_deckhouse(world) is not None:
        return world
    name = next(name for name in DECKHOUSE if name != found.body["pod"])
    world = restart(world).put(change(found, pod=name))
    return _start_deckhouse(world, name, hash_content(found.body["taken"]))


def _start_deckhouse(world: World, name: str, checksum: str) -> World:
    image = f"{base_of(world)}:v1.72.0"
    config = world.text("deckhouse-registry", ".dockerconfigjson")
    ready = any(
        pull_on(disk, image, config, health_of(world)).ok
        for disk in world.kind("~Disk")
        if disk.body["master"] and not disk.body["down"]
    )
    deployment = world.need("Deployment", "deckhouse", "d8-system")
    world = world.put(change(deployment, spec=_template(image, name="deckhouse")))
    return world.put(build_pod(name, "d8-system", image, app="deckhouse", checksum=checksum, ready=ready))


def follow_copies(world: World) -> World:
    """The platform renders the copy of the pull secret."""
    if not has_taken_over(world) or world.need("~Health", "health").body["copies"] == "stay":
        return world
    config = world.text("deckhouse-registry", ".dockerconfigjson")
    return world.put(build_secret("deckhouse-registry", {".dockerconfigjson": config}, "d8-monitoring"))


def render(world: World, kind: str, name: str) -> World:
    """The platform renders one workload with the base of now; its copy of the pull secret has come before."""
    copy = world.text("deckhouse-registry", ".dockerconfigjson", "d8-monitoring")
    if not has_taken_over(world) or copy != world.text("deckhouse-registry", ".dockerconfigjson"):
        return world
    return world.put(build_workload(kind, name, base_of(world)))


def recreate(world: World) -> World:
    """Somebody deletes the pod of the OnDelete DaemonSet: it comes with the template of now."""
    template = world.need("DaemonSet", "agent", "d8-monitoring").body["spec"]["template"]["spec"]["containers"][0]
    return world.put(build_pod("agent-0", "d8-monitoring", template["image"], app="agent"))


def render_bundle(world: World) -> World:
    """Node-manager renders the nodes' step from the Secret of now; the text of before may still be on its way."""
    bundle = world.need("~Bundle", "bundle")
    text = world.text("registry-bashible-config", "config")
    if not text or text == bundle.body["text"]:
        # A Secret that is gone is back before this is done: the hook is woken at once, this takes its time.
        return world
    return world.put(change(bundle, text=text, before=bundle.body["text"]))


# Helm and the proxy


def run_helm(world: World) -> World:
    """Helm renders what the values switch on; what they switch off it keeps."""
    memory = memory_of(world).body
    if memory["fresh"] or not memory["values"]["internal"]["proxy"]["enabled"]:
        return world
    made = [
        intern(
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _system(PROXY), "spec": _template(PROXY_IMAGE)}
        )
    ]
    made += [intern({"apiVersion": "v1", "kind": "Service", "metadata": _system("registry"), "spec": {}})]
    made += [intern({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _system(PROXY)})]
    made += [intern({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": _system(PROXY)})]
    return world.put(*(doc for doc in made if world.look(doc.key) is None))


def start_proxy(master: str, world: World) -> World:
    """The proxy's pod starts on a master that can pull it, once what it mounts is there; or it goes."""
    name = name_proxy(master)
    if world.get("Deployment", PROXY, "d8-system") is None:
        return world.drop(("Pod", "d8-system", name), ("~Proxy", "", name))
    if world.get("~Proxy", name) is not None or any(world.secret(mounted) is None for mounted in MOUNTED):
        return world
    disk = world.need("~Disk", master)
    if disk.body["down"] or not pull_on(disk, PROXY_IMAGE, "", health_of(world)).ok:
        return world
    pod = build_pod(name, "d8-system", PROXY_IMAGE, app=PROXY)
    labels = {"app": PROXY, "component": "registry-service", "type": "incluster-proxy", **_OWN}
    pod = intern({**pod.body, "metadata": {**pod.body["metadata"], "labels": labels}})
    return load_proxy(master, world.put(pod, hidden("Proxy", name, upstream="", users="", authority="")))


def name_proxy(master: str) -> str:
    """Name the proxy's pod on a master."""
    return f"{PROXY}-{master.rpartition('-')[2]}"


def load_proxy(master: str, world: World) -> World:
    """The kubelet has brought the Secrets, and the sidecar reloads; it keeps what it has where one is missing."""
    found = world.get("~Proxy", name_proxy(master))
    if found is None or any(world.secret(name) is None for name in MOUNTED):
        return world
    upstream, users = (
        world.text(name, key) for name, key in zip(MOUNTED[1:], ("upstream.json", "users.json"), strict=True)
    )
    authority = world.text(MOUNTED[0], "ca.crt")
    return world.put(change(found, upstream=upstream, users=users, authority=authority))


def serve(world: World, login: tuple[str, str] | None, health: Health) -> Answer:
    """What a client is answered by the Service, behind which is every pod: the worst of it."""
    answers = [_serve(proxy, login, health) for proxy in world.kind("~Proxy")]
    return next((found for found in answers if found is not Answer.OK), Answer.OK if answers else Answer.REFUSED)


def _serve(proxy: Doc, login: tuple[str, str] | None, health: Health) -> Answer:
    if not proxy.body["upstream"]:
        return Answer.REFUSED
    upstream, users = json.loads(proxy.body["upstream"]), json.loads(proxy.body["users"])
    known = {(user["username"], user["password"]) for user in users["users"]}
    if login not in known and not (login is None and users["anonymous"]):
        return Answer.UNAUTHENTICATED
    own = (upstream["username"], upstream["password"]) if upstream["username"] else None
    path = upstream["path"].strip("/")
    got = answer(health, upstream["scheme"], upstream["host"], path, own, upstream["ca"])
    # The fault is that of our credentials, not the client's (502).
    return Answer.REFUSED if got is Answer.UNAUTHENTICATED else got


# The other two hooks: the production code decides what to ask and what answers mean, the world answers


def probe(world: World) -> World:
    """The probe hook asks what is due; pauses between tries are over."""
    asked, answered = world.secret("registry-questions"), world.secret("registry-checks")
    text = asked.texts.get("questions", "") if asked else ""
    if asked is None or text in ("", "[]"):
        return world
    now = START + timedelta(seconds=world.clock())
    questions = parse_questions(text)
    results = parse_results(answered.texts.get("checks", "") if answered else "")
    asks = plan_asks(questions, results, now + LATER)
    if not asks:
        return world
    for ask in asks:
        found, of_registry = _answer(world, ask)
        results[ask.question.key] = fold_answers(ask, found, of_registry, now)
    present = [results[question.key] for question in questions if question.key in results]
    written = apply_secret(
        "registry-checks",
        {"checks": render_results(present)},
        answered.body if answered else None,
        read_revision(asked.body),
    )
    for operation in written:
        world = apply_operation(world, operation)
    return world


def collect(world: World) -> World:
    """The evidence hook looks at all workloads while it is asked."""
    asked, answered = world.secret("registry-questions"), world.secret("registry-evidence")
    question = parse_question(asked.texts.get("evidence", "")) if asked else None
    if asked is None or question is None:
        return world
    before = parse_evidence(answered.texts.get("evidence", "") if answered else "")
    found = collect_evidence(question, START + timedelta(seconds=world.clock()), cast(ClusterApi, _Api(world)))
    evidence = remember_seen(found, before)
    if before is not None and replace(before, at=evidence.at) == evidence:
        return world
    data = {"evidence": render_evidence(evidence)}
    for operation in apply_secret(
        "registry-evidence", data, answered.body if answered else None, read_revision(asked.body)
    ):
        world = apply_operation(world, operation)
    return world


class _Api:
    """The API as the evidence hook pages through it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def fetch_list(self, path: str, **parameters: str) -> Iterator[dict[str, Any]]:
        kind = next((kind for kind, listed, _ in WORKLOADS if listed == path), "")
        if kind:
            return (doc.body for doc in self._world.kind(kind))
        found = [self._world.secret("deckhouse-registry", namespace) for namespace in ("d8-monitoring", "d8-system")]
        return (doc.body for doc in found if doc is not None)


def _answer(world: World, ask: Ask) -> tuple[dict[int, Found], Found | None]:
    question, health = ask.question, health_of(world)
    if isinstance(question, ImagesQuestion):
        endpoint = question.endpoint
        login = (endpoint.credentials.username, endpoint.credentials.password.value) if endpoint.credentials else None
        got = answer(health, endpoint.scheme.value, endpoint.host, endpoint.repository, login, endpoint.ca)
        outcome = OUTCOMES[got]
        if outcome in _OF_REGISTRY:
            return {}, Found(outcome=outcome, message="as the registry answers")
        return {index: Found(outcome=outcome, message="as the registry answers") for index in ask.indexes}, None
    return _answer_proxy(world, question, ask.indexes), None


def _answer_proxy(world: World, question: ProxyQuestion, indexes: Iterable[int]) -> dict[int, Found]:
    width = 1 + len(question.users)
    found = {}
    for index in indexes:
        number, part = divmod(index, width)
        loaded = world.get("~Proxy", question.pods[number].name)
        upstream = json.loads((loaded.body["upstream"] if loaded else "") or "{}").get("generation", "")
        users = json.loads((loaded.body["users"] if loaded else "") or "{}").get("generation", "")
        is_current = (upstream, users) == (question.upstream_generation, question.users_generation)
        if loaded is None:
            found[index] = Found(outcome=Outcome.NOT_READY, message="no such pod any more")
        elif loaded.body["authority"].strip() not in question.ca:
            found[index] = Found(outcome=Outcome.UNTRUSTED, message="another authority")
        elif not is_current:
            found[index] = Found(outcome=Outcome.NOT_READY, message="another generation")
        elif part == 0:
            found[index] = Found(outcome=Outcome.OK)
        else:
            user = question.users[part - 1]
            login = (user.username, user.password.value) if user else None
            found[index] = Found(
                outcome=OUTCOMES[_serve(loaded, login, health_of(world))], message="as the proxy answers"
            )
    assert max(indexes, default=0) < len(build_parts(question))
    return found


# Objects


def build_workload(kind: str, name: str, base: str, namespace: str = "d8-monitoring") -> Doc:
    """A workload whose pods are pulled below a base."""
    spec = _template(f"{base}@{DIGESTS['prometheus']['grafana']}")
    if kind == "CronJob":
        spec = {"jobTemplate": {"spec": spec}}
    version = "batch/v1" if kind == "CronJob" else "apps/v1"
    return intern(
        {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}
    )


def build_pod(name: str, namespace: str, image: str, *, app: str, checksum: str = "", ready: bool = True) -> Doc:
    """A running pod."""
    metadata: dict[str, object] = {"name": name, "namespace": namespace, "labels": {"app": app}}
    if checksum:
        metadata["annotations"] = {"checksum/registry-version": checksum}
    status = {
        "phase": "Running",
        "podIP": "10.112.0.5",
        "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
    }
    spec = {"containers": [{"name": app, "image": image}]}
    return intern({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status})


def _template(image: str, name: str = "main") -> dict[str, object]:
    return {"template": {"spec": {"containers": [{"name": name, "image": image}]}}}


def _system(name: str) -> dict[str, object]:
    return {"name": name, "namespace": "d8-system", "labels": _OWN}


_OWN = {"heritage": "deckhouse", "module": "registry"}


def _checksum(pod: Doc) -> str:
    return str((pod.body["metadata"].get("annotations") or {}).get("checksum/registry-version", ""))


def _is_ready(pod: Doc) -> bool:
    return bool(pod.body["status"]["conditions"][0]["status"] == "True")
