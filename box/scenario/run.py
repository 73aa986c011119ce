# SPDX-License-Identifier: Apache-2.0
"""A scenario on a box that is up.

with Scenario() as run:                      # waits for rest, starts load and watcher
    run.edit(run.direct("registry-b"))       # what an administrator writes; starts the registry if need be
    run.wait_ready(timeout=300)              # BoxError where it holds, is given up, or takes longer
    run.fault("registry-a", "down")
    verdict = run.judge()                    # stops the load, gathers all facts
assert verdict.is_good, verdict.describe()
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from box import apifaults, nodelife
from box.build import Tools, build_all
from box.errors import BoxError
from box.inventory import read_nodes
from box.judge.allowance import NOTHING, Allowance, Settings, compute_allowance
from box.judge.facts import Excuse, Facts, PowerCut, Switch
from box.judge.leaks import find_leaks, list_key_marks
from box.judge.verdict import Verdict, reach_verdict
from box.layout import Node, cache_folder
from box.load.bases import FIXED_BASE
from box.load.imagery import read_load_images
from box.load.load import Load
from box.load.puller import NAMESPACES, Bases, Puller
from box.load.pulls import Role
from box.load.tenants import Tenant, install_tenants, read_tenant, run_workload
from box.registries import running
from box.registries.catalogue import REGISTRY_A, Registry, get_registry
from box.registries.start import Programs
from box.report import Report
from box.scenario import gathering
from box.scenario.apply import apply_registry
from box.scenario.module_config import request_of_module
from box.scenario.rest import await_rest, find_proof_blobs, find_reloaded_blobs, list_images_in_use, read_present
from box.scenario.settings import DIRECT, UNMANAGED, build_section, find_base, read_settings
from box.scenario.tenancy import trust_as_user
from box.scenario.texts import collect_keys, collect_texts
from box.scenario.watcher import Watcher
from box.watch.api import Api
from box.watch.follow import Ending, Moment, fetch_moment, follow

_POLL_SECONDS = 0.5


class Scenario:
    """Edits, faults and waits; the load pulls all through it, and a judge speaks at the end."""

    def __init__(
        self,
        *,
        tools: Tools | None = None,
        tenants: tuple[str, ...] = (REGISTRY_A.name,),
        load: bool = True,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._tools = tools
        self.switches: list[Switch] = []
        self._say = say
        self._with_load = load
        self._tenant_names = tenants
        self._excuses: list[Excuse] = []
        self._power_cuts: list[PowerCut] = []
        self._restores: list[datetime] = []
        self._until_followed: list[tuple[Excuse, datetime]] = []
        self._broken_since: dict[str, datetime] = {}
        self._revoked_since: dict[str, datetime] = {}
        self._goals: list[Settings] = []
        self._saved: dict[str, Settings] = {}
        self._above = -1
        self._tenants: list[Tenant] = []
        self._verdict: Verdict | None = None

    def __enter__(self) -> "Scenario":
        self.tools = self._tools or build_all(Report())
        self.api = Api()
        try:
            await_rest(self.api)
            self._begin()
        except BaseException:
            self.api.close()
            raise
        return self

    def _begin(self) -> None:
        images = self.tools.images
        self.present: Settings = read_present(self.api)
        self._first = frozenset({self.present.registry})
        base = find_base(self.present)
        files = running.get_files(REGISTRY_A.name)
        self.load_images = read_load_images(images.load_images, files.storage, list_images_in_use(self.api))
        self.puller = Puller(self.api, Bases(old=base, new=base, target=self.present.mode))
        self.load = Load(self.puller, read_nodes(), self.load_images)
        self._watcher = Watcher(self.api, running.list_secrets())
        for name in self._tenant_names:
            self.add_tenant(name)
        self._watcher.start()
        self.began = datetime.now(UTC)
        if self._with_load:
            self.load.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._stop()
        finally:
            self.api.close()

    def _stop(self) -> None:
        self.load.stop()
        if not self._watcher.is_over:
            self._watcher.stop()

    # What an administrator writes.

    def direct(self, name: str, *, path: str = "", check_mode: str = "") -> dict[str, Any]:
        """The section for mode Direct to a registry of the box, which is started if need be."""
        return self._build(DIRECT, name, path, check_mode)

    def unmanaged(self, name: str = "", *, path: str = "") -> dict[str, Any]:
        """The section for mode Unmanaged; without a registry, the one without parameters."""
        return self._build(UNMANAGED, name, path, "") if name else {"mode": UNMANAGED}

    def _build(self, mode: str, name: str, path: str, check_mode: str) -> dict[str, Any]:
        registry = self.start_registry(name)
        ca = running.get_files(registry.name).ca.read_text(encoding="utf-8")
        login = running.find_login(registry.name)
        return build_section(mode, registry, login, ca, path=path, check_mode=check_mode)

    def edit(self, section: Mapping[str, Any], *, name: str = "") -> Switch:
        """Apply ModuleConfig `deckhouse` with this registry section; the load follows the switch that it starts."""
        goal = read_settings(section, self.present)
        ready = fetch_moment(self.api, ()).view.find("Ready")
        self._above = ready.generation if ready is not None and goal != self.present else -1
        self._goals.append(goal)
        self._watcher.learn([goal.password])
        before = {self.present.registry}
        if self.switches and self.switches[-1].ended is None:
            # Changed in mid-switch: until it ends, whatever either of them may ask may be asked.
            before |= self.switches[-1].before | self.switches[-1].after
        self.puller.aim(Bases(old=find_base(self.present), new=find_base(goal), target=goal.mode))
        title = name or f"{self.present.mode}({self.present.registry}) -> {goal.mode}({goal.registry})"
        began = apply_registry(self.api, section, self._say)
        switch = Switch(
            name=title,
            started=began,
            before=frozenset(before),
            after=frozenset({goal.registry}),
            allowance=compute_allowance(self.present, goal),
        )
        self.switches.append(switch)
        self._excuse_dead_source(began)
        return switch

    def request(self, name: str, allowance: Allowance = NOTHING) -> None:
        """Ask something of the module by annotation; from here on `allowance` is what may restart."""
        kept = frozenset({self.present.registry})
        began = datetime.now(UTC)
        request_of_module(name)
        self._say(f"request: {name}")
        self.switches.append(Switch(name=name, started=began, before=kept, after=kept, allowance=allowance))

    def _excuse_dead_source(self, began: datetime) -> None:
        """Pulls that a dead old registry made fail before the edit may fail until their pull secret's copy follows.

        Where the base itself is the dead registry's name, nothing can ever make them good.
        """
        revoked = self._revoked_since.pop(self.present.registry, None)
        since = self._broken_since.get(self.present.registry, revoked)
        if since is None:
            return
        base = find_base(self.present)
        excuse = Excuse(why=f"{self.present.registry} was dead before", started=since, base=f"{base.host}{base.path}")
        if base != FIXED_BASE:
            self._excuses.append(excuse)
            return
        self._until_followed += [(replace(excuse, namespace=name), began) for name in NAMESPACES]

    # What happens meanwhile.

    def wait_ready(self, timeout: float = 300.0, show: Callable[[Moment], None] = lambda _: None) -> Ending:
        """Wait until the last edit's switch has ended well; raises BoxError with what it waits for."""
        ending = self.follow(timeout, show)
        if ending.ready is None:
            raise BoxError(f"{self.switches[-1].name}: {ending.stopped}")
        return ending

    def follow(self, timeout: float = 300.0, show: Callable[[Moment], None] = lambda _: None) -> Ending:
        """The same, and the reason is in the answer."""
        ending = follow(self.api, self._goals[-1].mode, self.switches[-1].started, show, timeout, self._above)
        if ending.ready is not None:
            self.switches[-1] = replace(self.switches[-1], ended=ending.ready)
            self.present = self._goals[-1]
        return ending

    def wait_for(self, what: str, condition: Callable[[Moment], bool], timeout: float = 120.0) -> Moment:
        """Wait for anything that shows in state, nodes and conditions; raises BoxError with what was there instead."""
        deadline = time.monotonic() + timeout
        while not condition(moment := fetch_moment(self.api, ())):
            if time.monotonic() > deadline:
                view = moment.view
                told = "; ".join(f"{one.type} {one.status} {one.reason}: {one.message}" for one in view.conditions)
                raise BoxError(f"not within {timeout:.0f} s: {what}; step {view.step or 'none'}; {told}")
            time.sleep(_POLL_SECONDS)
        return moment

    def wait_step(self, step: str, timeout: float = 180.0) -> Moment:
        """Wait until the switch is in a step."""
        return self.wait_for(f"step {step}", lambda moment: moment.view.step == step, timeout)

    def give_up(self) -> None:
        """Say that the last switch was refused or rolled back: what was before is what counts again."""
        last = self.switches[-1]
        self.switches[-1] = replace(last, before=last.before | last.after, after=last.before, ended=datetime.now(UTC))
        base = find_base(self.present)
        self.puller.aim(Bases(old=base, new=base, target=self.present.mode))

    def start_registry(self, name: str) -> Registry:
        """Start a registry of the box, if it does not run."""
        programs = Programs(cache=cache_folder(), image_set=self.tools.images, distribution=self.tools.distribution)
        started = running.start_in_box(name, programs, self._say)
        self._watcher.learn(running.list_secrets())
        return started

    def fault(self, name: str, *words: str) -> None:
        """Give a registry faults, or take them away (`clear`); its own tenants do not pull while they cannot."""
        registry = get_registry(name).name
        at = datetime.now(UTC)
        self._say(f"fault: {registry} {' '.join(words)}")
        self.load.pause_tenants(self.load.paused | {registry})
        running.set_fault(registry, *words)
        self._watcher.learn(running.list_secrets())
        faults = running.fetch_faults(registry)
        if faults:
            self._broken_since.setdefault(registry, at)
            # A tenant's pull that was under way when its own registry broke is nobody's fault but the scenario's.
            self.excuse(Excuse(why=f"{registry} was broken", started=at, role=Role.TENANT, registry=registry))
        else:
            self._broken_since.pop(registry, None)
        if set(faults) <= {running.PASSWORD}:
            self._end_excuses(registry)
            self.load.pause_tenants(self.load.paused - {registry})

    def _end_excuses(self, registry: str) -> None:
        now = datetime.now(UTC)
        self._excuses = [
            replace(one, ended=now) if one.registry == registry and one.ended is None else one for one in self._excuses
        ]

    def cut_power(self, name: str) -> None:
        """Cut a node's power; what it was pulling just then is nobody's fault but the scenario's."""
        self._say(f"power cut: {name}")
        self.load.rest_node(name)
        now = datetime.now(UTC)
        self.excuse(Excuse(why=f"{name} had no power", started=now, node=name))
        self._power_cuts.append(PowerCut(node=name, started=now))
        nodelife.cut_power(name)

    def restore_power(self, name: str, then: Callable[[], object] = lambda: None) -> None:
        """Boot the node again and wait until it is Ready; the load goes on there once `then` has returned."""
        self._say(f"power back: {name}")
        nodelife.restore_power(name)
        then()
        now = datetime.now(UTC)
        self._excuses = [
            replace(one, ended=now) if one.node == name and one.ended is None else one for one in self._excuses
        ]
        self.load.resume_node(name)

    def join_node(self, name: str) -> Node:
        """Have a new machine join, wait until it is Ready, and pull on it as on the others."""
        self._say(f"joins: {name}")
        joined = nodelife.add_node(name, self.tools, self.tools.containerd)
        if self._with_load:
            self.load.add_node(joined)
        return joined

    def save_cluster(self, name: str) -> None:
        """Save the whole cluster's state (etcd), to be put back later."""
        self._say(f"snapshot: {name}")
        apifaults.save_snapshot(name)
        self._saved[name] = self.present

    def restore_cluster(self, name: str) -> None:
        """Put the cluster back to a snapshot; nobody pulls while there is no API."""
        self._say(f"the cluster is put back to snapshot {name}")
        names = [node.name for node in read_nodes()]
        for each in names:
            self.load.rest_node(each)
        self.load.await_idle()
        self._restores.append(datetime.now(UTC))
        with self._watcher.paused():
            apifaults.restore_snapshot(name, self.tools)
            self.api.close()  # kept connections are to the API server that was
            nodelife.await_ready(read_nodes())
        self.present = self._saved[name]
        for each in names:
            self.load.resume_node(each)

    def new_password(self, name: str, *, keep_old: bool = False) -> None:
        """Give the platform's account at a registry another password; the next `direct` takes it.

        Without `keep_old` the registry is dead to whoever has the old one, until the next edit's password follows.
        """
        if not keep_old:
            self._revoked_since.setdefault(get_registry(name).name, datetime.now(UTC))
        running.change_password(name, keep_old=keep_old)
        self._watcher.learn(running.list_secrets())

    def add_tenant(self, name: str) -> None:
        """Have a tenant's images of a registry pulled; other registries than A are trusted by a user's own folder."""
        registry = self.start_registry(name)
        files = running.get_files(registry.name)
        if registry != REGISTRY_A:
            for node in read_nodes():
                trust_as_user(node, registry, files)
        tenant = read_tenant(registry, files)
        self._tenants.append(tenant)
        install_tenants(
            self.api, [(get_registry(one.registry), running.get_files(one.registry)) for one in self._tenants]
        )
        run_workload(self.api, tenant)
        self.load.add_tenant(tenant)

    def excuse(self, excuse: Excuse) -> None:
        """Name failed pulls that could not go well."""
        self._excuses.append(excuse)

    # The end.

    def judge(self) -> Verdict:
        """Stop the load, gather all facts, and reach the verdict; the same one when asked again."""
        if self._verdict is None:
            self._stop()
            time.sleep(gathering.JOURNAL_SECONDS)
            self._verdict = reach_verdict(self.gather())
        return self._verdict

    def gather(self) -> Facts:
        """All facts of the run so far."""
        texts = collect_texts(self.api)
        secrets = (*running.list_secrets(), *(goal.password for goal in self._goals))
        marks = list_key_marks(collect_keys(self.api))
        followed = (
            replace(one, ended=self._watcher.find_follow_time(one.namespace, since))
            for one, since in self._until_followed
        )
        return Facts(
            nodes={node.name: node.address for node in read_nodes()},
            began=self.began,
            ended=datetime.now(UTC),
            at_first=self._first,
            switches=tuple(self.switches),
            pulls=self.load.fetch_pulls(),
            broken=(*self.load.fetch_broken(), *self._watcher.trouble),
            entries=running.read_journal(),
            logins=gathering.list_logins([self.present, *self._goals]),
            tenants_content=gathering.list_tenants_content(self._tenants),
            reloaded=find_reloaded_blobs(self.tools.images, self.load_images),
            proof_blobs=find_proof_blobs(self.tools.images),
            restarts=self._watcher.list_restarts(),
            leaks=(*find_leaks(texts, (*secrets, *marks)), *self._watcher.list_shown()),
            excuses=(*self._excuses, *followed),
            power_cuts=tuple(self._power_cuts),
            restores=tuple(self._restores),
        )
