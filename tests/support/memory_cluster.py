# SPDX-License-Identifier: Apache-2.0
"""A cluster in memory around the production code of the reconcile hook.

Bindings are evaluated by the runner's own code (jq, selectors), kube operations are applied by the runner's own code to
an API server in memory; nodes, the probe, deckhouse and the evidence hook are played by methods that do one thing each,
so that a test decides in which order the world moves.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml
from d8registry.adapters.idle import is_idle
from d8registry.adapters.leaving import leave
from d8registry.adapters.reconcile import reconcile
from d8registry.adapters.runtime import Outputs, Run
from d8registry.checker.asking import fold_answers, plan_asks
from d8registry.checker.outcome import Answer, Outcome
from d8registry.checker.question import ImagesQuestion, Question, parse_questions
from d8registry.checker.result import parse_results, render_results
from d8registry.evidence.answer import Evidence, parse_evidence, remember_seen, render_evidence
from d8registry.evidence.question import parse_question
from d8registry.kube.platform import hash_content
from d8registry.nodes.plan import NodePlan, expected_token
from d8registry.nodes.wire import parse_plan
from d8registry.switching.bindings import build_hook_config

from box.runner.config import KubernetesBinding, parse_hook_config
from box.runner.kubeapi import Resource, Selection
from box.runner.kubeoperations import parse_kube_operations
from box.runner.kubepatch import apply_kube_operations
from box.runner.snapshot import BindingSnapshot, build_filter
from tests.support.fake_kube import FakeKube

_KINDS = (
    ("v1", "Secret", "secrets", True),
    ("v1", "Pod", "pods", True),
    ("v1", "Node", "nodes", False),
    ("v1", "Service", "services", True),
    ("v1", "ServiceAccount", "serviceaccounts", True),
    ("apps/v1", "Deployment", "deployments", True),
    ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", True),
    ("deckhouse.io/v1alpha1", "ModuleConfig", "moduleconfigs", False),
    ("deckhouse.io/v1alpha1", "Module", "modules", False),
    ("deckhouse.io/v1", "NodeGroup", "nodegroups", False),
    ("deckhouse.io/v1alpha1", "NodeGroupConfiguration", "nodegroupconfigurations", False),
)
HOST, PATH = "registry.example.com", "/deckhouse/ee"
DIGESTS = {
    "prometheus": {"grafana": "sha256:" + "1" * 64},
    "registry": {"inclusterProxy": "sha256:" + "2" * 64, "inclusterProxyAuth": "sha256:" + "3" * 64},
}
PASSWORD = "pass-4e1f0c"
_DEFAULTS = {"internal": {"proxy": {"enabled": False, "replicas": 0}}}
_CONFIG = parse_hook_config(json.dumps(build_hook_config()))
_FILTERS = {binding.name: build_filter(binding) for binding in _CONFIG.kubernetes}


class _Kube(FakeKube):
    def resolve(self, api_version: str, kind: str) -> Resource:
        for version, name, plural, namespaced in _KINDS:
            if name.lower() == kind.lower() and api_version in ("", version):
                return Resource(api_version=version, kind=name, plural=plural, namespaced=namespaced)
        return super().resolve(api_version, kind)

    def find(self, kind: str, name: str, namespace: str = "d8-system") -> dict[str, Any] | None:
        found = self._objects.get((kind, namespace, name))
        return json.loads(json.dumps(found)) if found is not None else None

    def names(self, kind: str) -> set[str]:
        return {name for found, _, name in self._objects if found == kind}


class MemoryCluster:
    """Three nodes, Unmanaged, pulling from registry.example.com/deckhouse/ee."""

    def __init__(self, digests: Mapping[str, Mapping[str, str]] = DIGESTS) -> None:
        self.kube = _Kube()
        self.digests = digests
        self.operations_done: int | None = None
        # Registries that do not answer: a host or `user:password`, and whether they refuse the login by name.
        self.dead: dict[str, bool] = {}
        # Host -> digests that it does not have.
        self.lacking: dict[str, set[str]] = {}
        self._restarts = 0
        self.now = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
        self.values: dict[str, Any] = json.loads(json.dumps(_DEFAULTS))
        for name, group in (("master-0", "master"), ("worker-0", "worker"), ("worker-1", "worker")):
            self.kube.put(_node(name, group))
        for group in ("master", "worker"):
            self._put("deckhouse.io/v1", "NodeGroup", group, spec={"cri": {"type": "ContainerdV2"}})
        for module in ("prometheus", "registry"):
            self._put("deckhouse.io/v1alpha1", "Module", module, properties={"source": "Embedded"})
        self._put("deckhouse.io/v1alpha1", "NodeGroupConfiguration", "registry-node.sh")
        self._put("deckhouse.io/v1alpha1", "ModuleConfig", "deckhouse", spec={"version": 1, "settings": {}})
        self._put("deckhouse.io/v1alpha1", "ModuleConfig", "registry", spec={"enabled": True})
        container = {"name": "deckhouse", "image": f"{HOST}{PATH}:v1.72.0"}
        spec = {"template": {"spec": {"containers": [container]}}}
        self._put("apps/v1", "Deployment", "deckhouse", namespace="d8-system", spec=spec)
        auth = {"auths": {HOST: {"username": "u", "password": PASSWORD}}}
        self.put_secret(
            "deckhouse-registry",
            {"address": HOST, "path": PATH, "scheme": "https", "ca": "", ".dockerconfigjson": json.dumps(auth)},
        )
        self.take_over()
        self.follow_copies()

    def run(self, *, bindings: Iterable[str] = ("main",)) -> Outputs:
        """Run the reconcile hook once on the objects of the moment and apply what it wrote."""
        run = self.read(bindings)
        outputs = Outputs() if is_idle(run) else reconcile(run)
        self.apply(outputs)
        return outputs

    def read(self, bindings: Iterable[str] = ("main",)) -> Run:
        """Read the snapshots of the moment."""
        snapshots = {}
        for binding in _CONFIG.kubernetes:
            snapshot = BindingSnapshot(binding, _FILTERS[binding.name])
            snapshot.fill(self._list(binding))
            snapshots[binding.name] = tuple(
                item["filterResult"] if "filterResult" in item else item["object"] for item in snapshot.items()
            )
        return Run(
            snapshots=json.loads(json.dumps(snapshots)),
            values=json.loads(json.dumps(self.values)),
            global_values={"clusterIsBootstrapped": True, "modulesImages": {"digests": self.digests}},
            config_values={},
            now=self.now,
            bindings=frozenset(bindings),
        )

    def apply(self, outputs: Outputs) -> None:
        """Do what the operator does with a run's files; with `operations_done` it dies after that many operations."""
        text = "\n".join(json.dumps(operation) for operation in outputs.operations[: self.operations_done])
        apply_kube_operations(self.kube, parse_kube_operations(text))
        self.values["internal"].update(json.loads(json.dumps(dict(outputs.internal or {}))))
        is_on = self.values["internal"]["proxy"]["enabled"]
        if is_on and "registry-incluster-proxy-0" not in self.kube.names("Pod"):
            self.kube.put(
                _pod("registry-incluster-proxy-0", {"component": "registry-service", "type": "incluster-proxy"})
            )
            self._put("apps/v1", "Deployment", "registry-incluster-proxy", namespace="d8-system", spec={})

    def disable(self) -> tuple[Outputs, Outputs]:
        """Disable the module as the operator does: before, the release goes (and keeps its objects), after."""
        before = leave(self.read(["beforeDeleteHelm"]))
        self.apply(before)
        after = leave(self.read(["afterDeleteHelm"]), lambda name: self.kube.find("Secret", name))
        self.apply(after)
        self.values = json.loads(json.dumps(_DEFAULTS))
        return before, after

    def settle(self, limit: int = 30) -> int:
        """Run until a run has nothing to do; the number of runs it took. Fails where that never happens."""
        for count in range(limit):
            before = json.dumps(self.values, sort_keys=True)
            if not self.run().operations and json.dumps(self.values, sort_keys=True) == before:
                return count + 1
        raise AssertionError(f"still busy after {limit} runs: {self.condition('Ready')}")

    def world(self) -> None:
        """Let everything around the module move by one step, successfully."""
        self.collect_garbage()
        self.report()
        self.answer()
        self.take_over()
        self.follow_copies()
        self.collect()

    # What the world does

    def edit(self, section: Mapping[str, Any] | None) -> None:
        """Edit the registry section of ModuleConfig deckhouse."""
        found = self.kube.find("ModuleConfig", "deckhouse", "")
        assert found is not None
        found["spec"]["settings"] = {"registry": dict(section)} if section is not None else {}
        self.kube.put(found)

    def join(self, name: str, group: str = "worker", *, away: bool = False) -> None:
        """Let a node join that has reported nothing yet."""
        node = _node(name, group)
        if away:
            node["metadata"]["annotations"] = {"registry.deckhouse.io/away": ""}
        self.kube.put(node)

    def leave_failed_proxy_pod(self) -> None:
        """Leave the object of a pod that was evicted and has been replaced."""
        pod = _pod("registry-incluster-proxy-gone", {"component": "registry-service", "type": "incluster-proxy"})
        pod["status"] = {"phase": "Failed", "reason": "Evicted"}
        self.kube.put(pod)

    def leave_proxy_deployment(self) -> None:
        """Let a Helm run that began earlier render the proxy's Deployment once more."""
        labels = {"app": "registry-incluster-proxy"}
        self._put("apps/v1", "Deployment", "registry-incluster-proxy", namespace="d8-system", spec={})
        found = self.kube.find("Deployment", "registry-incluster-proxy")
        assert found is not None
        found["metadata"]["labels"] = labels
        self.kube.put(found)

    def annotate(self, name: str, value: str | None) -> None:
        """Annotate ModuleConfig registry; None takes the annotation away."""
        found = self.kube.find("ModuleConfig", "registry", "")
        assert found is not None
        annotations = found["metadata"].setdefault("annotations", {})
        annotations[f"registry.deckhouse.io/{name}"] = value
        found["metadata"]["annotations"] = {key: text for key, text in annotations.items() if text is not None}
        self.kube.put(found)

    def lose(self, name: str) -> None:
        """Let a node be not Ready from now on."""
        self._change_node(name, ready={"type": "Ready", "status": "Unknown", "lastTransitionTime": self._time()})

    def come_back(self, name: str) -> None:
        """Let a node be Ready again."""
        self._change_node(name, ready={"type": "Ready", "status": "True", "lastTransitionTime": self._time()})

    def mark_away(self, name: str) -> None:
        """Annotate a Node as one that is not to be waited for."""
        node = self.kube.find("Node", name, "")
        assert node is not None
        node["metadata"].setdefault("annotations", {})["registry.deckhouse.io/away"] = ""
        self.kube.put(node)

    def _change_node(self, name: str, *, ready: dict[str, str]) -> None:
        node = self.kube.find("Node", name, "")
        assert node is not None
        node["status"] = {"conditions": [ready]}
        self.kube.put(node)

    def _time(self) -> str:
        return self.now.strftime("%Y-%m-%dT%H:%M:%SZ")

    def report(self, names: Iterable[str] | None = None, **fields: Any) -> None:
        """Let nodes answer to the plan of the moment; `fields` replace fields of the report."""
        plan = self.plan()
        for name in names if names is not None else sorted(self.kube.names("Node")):
            node = self.kube.find("Node", name, "")
            assert node is not None
            report = {"schema": 1, "token": expected_token(plan, name), "result": "applied", "configPath": True}
            annotations = node["metadata"].setdefault("annotations", {})
            annotations["registry.deckhouse.io/node-report"] = json.dumps({**report, **fields})
            self.kube.put(node)

    def answer(self, *, outcome: Outcome = Outcome.OK, final: bool = False) -> None:
        """Let the probe hook answer what is due; registries that are dead, and images that they lack, answer so."""
        questions = parse_questions(self.text("registry-questions", "questions"))
        results = parse_results(self.text("registry-checks", "checks"))
        for ask in plan_asks(questions, results, self.now):
            of_registry = self._answer_for_registry(ask.question, Outcome.UNAUTHENTICATED if final else outcome)
            answers = {index: self._answer_for_part(ask.question, index) for index in ask.indexes}
            found = {} if of_registry is not None else answers
            results[ask.question.key] = fold_answers(ask, found, of_registry, self.now)
        present = [results[question.key] for question in questions if question.key in results]
        self.put_secret("registry-checks", {"checks": render_results(present)})

    def _answer_for_registry(self, question: Question, outcome: Outcome) -> Answer | None:
        if isinstance(question, ImagesQuestion):
            login = question.endpoint.credentials
            for name in (question.endpoint.host, f"{login.username}:{login.password.value}"):
                if name in self.dead:
                    outcome = Outcome.UNAUTHENTICATED if self.dead[name] else Outcome.TIMEOUT
        return None if outcome is Outcome.OK else Answer(outcome=outcome, message="as the test says")

    def _answer_for_part(self, question: Question, index: int) -> Answer:
        if isinstance(question, ImagesQuestion):
            missing = self.lacking.get(question.endpoint.host, set())
            if question.images[index].reference in missing:
                return Answer(outcome=Outcome.MISSING, message="as the test says")
        return Answer(outcome=Outcome.OK)

    def collect_garbage(self) -> None:
        """Let the proxy's pods follow their Deployment out of the cluster."""
        if "registry-incluster-proxy" not in self.kube.names("Deployment"):
            for name in sorted(pod for pod in self.kube.names("Pod") if pod.startswith("registry-incluster-proxy-")):
                self.kube.delete(self.kube.resolve("v1", "Pod"), "d8-system", name, "Background")

    def take_over(self, name: str = "") -> None:
        """Let deckhouse-controller run with the present content of deckhouse-registry, in a pod of that name."""
        found = sorted(pod for pod in self.kube.names("Pod") if pod.startswith("deckhouse-"))
        self._restarts += not found
        pod = _pod(name or (found[0] if found else f"deckhouse-{self._restarts - 1}"), {"app": "deckhouse"})
        pod["metadata"]["annotations"] = {"checksum/registry-version": hash_content(self.data("deckhouse-registry"))}
        self.kube.put(pod)

    def follow_copies(self) -> None:
        """Let the platform render the copy of the pull secret."""
        config = self.data("deckhouse-registry")[".dockerconfigjson"]
        self.put_secret("deckhouse-registry", {".dockerconfigjson": config}, namespace="d8-monitoring")

    def collect(self, **fields: Any) -> None:
        """Let the evidence hook answer, if it is asked; `fields` replace the empty lists."""
        question = parse_question(self.text("registry-questions", "evidence"))
        if question is not None:
            found = replace(Evidence(key=question.key, at=self.now, complete=True), **fields)
            before = parse_evidence(self.text("registry-evidence", "evidence"))
            self.put_secret("registry-evidence", {"evidence": render_evidence(remember_seen(found, before))})

    def wait(self, seconds: int) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    # What can be seen

    def condition(self, kind: str) -> dict[str, Any]:
        """One documented condition; {} where there is none."""
        entries = yaml.safe_load(self.text("registry-state", "conditions") or "[]")
        return next((entry for entry in entries if entry["type"] == kind), {})

    def step(self) -> str:
        """The step of the state; empty when nothing is being switched."""
        found = yaml.safe_load(self.text("registry-state", "state") or "{}")
        return f"{found['step']}/{found['switch']['phase']}" if found and found["switch"] else ""

    def plan(self) -> NodePlan:
        """The node plan as nodes read it."""
        return parse_plan(self.text("registry-node-plan", "plan"))

    def folders(self, node: str) -> dict[str, str]:
        """Folder -> hosts.toml that `node` is to have."""
        plan = self.plan()
        canaries = plan.canaries
        name = canaries.layout if canaries and node in canaries.nodes else plan.default
        return {folder.name: folder.files[0].content for folder in plan.get_layout(name).folders}

    def data(self, name: str, namespace: str = "d8-system") -> dict[str, str]:
        """A Secret's decoded data; {} where it is absent."""
        found = self.kube.find("Secret", name, namespace) or {}
        return {key: base64.b64decode(value).decode() for key, value in (found.get("data") or {}).items()}

    def text(self, name: str, key: str) -> str:
        """One key of a Secret in d8-system; empty where it is absent."""
        return self.data(name).get(key, "")

    def put_secret(self, name: str, data: Mapping[str, str], namespace: str = "d8-system") -> None:
        """Write a Secret as another client would."""
        found = self.kube.find("Secret", name, namespace) or _object("v1", "Secret", name, namespace)
        found["data"] = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
        self.kube.put(found)

    def _list(self, binding: KubernetesBinding) -> list[dict[str, Any]]:
        resource = self.kube.resolve(binding.api_version, binding.kind)
        selection = Selection(
            namespace=binding.namespaces[0] if binding.namespaces else "", labels=binding.label_selector, fields=""
        )
        items = self.kube.list_objects(resource, selection).items
        return [dict(item) for item in items if not binding.names or item["metadata"]["name"] in binding.names]

    def _put(self, version: str, kind: str, name: str, namespace: str = "", **fields: Any) -> None:
        self.kube.put({**_object(version, kind, name, namespace), **fields})


def direct(**fields: Any) -> dict[str, Any]:
    """A registry section for Direct to the registry that the cluster already uses; `fields` replace its fields."""
    body = {"imagesRepo": f"{HOST}{PATH}", "scheme": "HTTPS", "username": "u", "password": PASSWORD, **fields}
    return {"mode": "Direct", "direct": {key: value for key, value in body.items() if value is not None}}


def _object(version: str, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
    metadata = {"name": name, "resourceVersion": "1", **({"namespace": namespace} if namespace else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


def _node(name: str, group: str) -> dict[str, Any]:
    node = _object("v1", "Node", name)
    labels = {"node.deckhouse.io/group": group, "node.deckhouse.io/containerd-config-registry": "default"}
    if group == "master":
        labels["node-role.kubernetes.io/control-plane"] = ""
    node["metadata"]["labels"] = labels
    node["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
    return node


def _pod(name: str, labels: Mapping[str, str]) -> dict[str, Any]:
    pod = _object("v1", "Pod", name, "d8-system")
    pod["metadata"]["labels"] = dict(labels)
    pod["spec"] = {"containers": [{"name": "main", "image": "x"}]}
    pod["status"] = {"podIP": "10.112.0.5", "conditions": [{"type": "Ready", "status": "True"}]}
    return pod
