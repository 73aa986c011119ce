# SPDX-License-Identifier: Apache-2.0
"""Ten bugs thought up from design.md alone, before a line of the search was written.

The bugs are the same since; where the code moved, their text moved with it.
"""

from tests.prove.mutants.mutant import Mutant

BLIND = (
    Mutant(
        name="one-witness-is-enough",
        bug="a step is taken for confirmed as soon as any node has answered",
        file="switching/fleet.py",
        old="    if len(applied) == len(nodes):",
        new="    if applied:",
        search="unmanaged-a-to-direct-b-config-path-off",
    ),
    Mutant(
        name="any-token-counts",
        bug="a report about an older plan is taken for an answer to the present one",
        file="switching/fleet.py",
        old="elif witness is None or witness.token != token:",
        new="elif witness is None or not token:",
    ),
    Mutant(
        name="old-entry-leaves-the-pull-secret-at-once",
        bug="during the switch the pull secret holds the new base alone: CronJobs of the old base lose their login",
        file="switching/address.py",
        old="    if word is Address.BOTH:",
        new="    if word is Address.NEW:",
        search="direct-a-to-a-new-password",
    ),
    Mutant(
        name="late-copies-do-not-count",
        bug="the old source goes although copies of the pull secret have not followed",
        file="switching/confirm_evidence.py",
        old="    held = [*evidence.platform, *evidence.copies,",
        new="    held = [*evidence.platform,",
        search="unmanaged-a-to-direct-b",
        fault="copy-is-written-late",
        in_all_orders=True,
    ),
    Mutant(
        name="stale-evidence-is-acted-on",
        bug="evidence that answers an earlier question lets the old source go",
        file="switching/asking.py",
        old="question is not None and found is not None and found.key == question.key else None",
        new="question is not None and found is not None else None",
        search="direct-b-to-unmanaged",
        fault="platform-is-slower-than-the-soak",
    ),
    Mutant(
        name="platform-text-names-the-new-source-too-early",
        bug="the platform's own step would bring an unproven source to nodes during AddSource",
        file="switching/plans.py",
        old="        Stage(step=Step.ADD_SOURCE, condition=_TRANSITION, nodes=_BOTH, bashible=_OLD),",
        new="        Stage(step=Step.ADD_SOURCE, condition=_TRANSITION, nodes=_BOTH, bashible=_BOTH),",
    ),
    Mutant(
        name="old-source-goes-without-evidence",
        bug="nodes lose the old source while the evidence is still being collected",
        file="switching/plans.py",
        old="phase=Phase.EVIDENCE, condition=_FINAL, proxy=Proxy.MOVED),",
        new="phase=Phase.EVIDENCE, condition=_FINAL, proxy=Proxy.MOVED, nodes=_NEW),",
    ),
    Mutant(
        name="rollback-after-the-point-of-no-return",
        bug="a deadline in SwitchAddress drops the new source from nodes while deckhouse-registry names it",
        file="switching/plans.py",
        old="        return not ends or self.find(step, phase) < ends[0]",
        new="        return not ends or self.find(step, phase) <= ends[0]",
        search="unmanaged-a-to-direct-b-config-path-off",
        fault="half-an-hour-without-progress",
    ),
    Mutant(
        name="tenant-folder-is-rewritten",
        bug="the new registry is put into the real host's folder, from which users pull their own images",
        file="switching/layouts.py",
        old="        source = _build_source(generation)\n        hosts",
        new="        newest = state.switch.candidate if state.switch else state.current\n"
        "        source = replace(_build_source(generation), endpoint=newest.endpoint)\n        hosts",
    ),
    Mutant(
        name="masters-do-not-pull-ahead",
        bug="no master has the image that deckhouse restarts with before the address is switched",
        file="switching/layouts.py",
        old="            master_pulls=[source.base.build_reference(image) for image in images],",
        new="            master_pulls=[source.base.build_reference(image) for image in images[:0]],",
    ),
)
