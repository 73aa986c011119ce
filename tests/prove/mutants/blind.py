# SPDX-License-Identifier: Apache-2.0
"""Ten bugs thought up from design.md alone, before a line of the search was written."""

from tests.prove.mutants.mutant import Mutant

BLIND = (
    Mutant(
        name="one-witness-is-enough",
        bug="a step is taken for confirmed as soon as any node has answered",
        file="switching/fleet.py",
        old="    if len(applied) == len(nodes):",
        new="    if applied:",
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
        file="switching/realise.py",
        old="    if stage.address is Address.BOTH and state.switch is not None:",
        new="    if stage.address is Address.NEW and state.switch is not None:",
    ),
    Mutant(
        name="late-copies-do-not-count",
        bug="the old source goes although copies of the pull secret have not followed",
        file="switching/confirm.py",
        old="    held = [*evidence.platform, *evidence.copies]",
        new="    held = [*evidence.platform]",
    ),
    Mutant(
        name="stale-evidence-is-acted-on",
        bug="evidence that answers an earlier question lets the old source go",
        file="switching/confirm.py",
        old="if question is None or evidence is None or evidence.key != question.key:",
        new="if question is None or evidence is None:",
    ),
    Mutant(
        name="platform-text-names-the-new-source-too-early",
        bug="the platform's own step would bring an unproven source to nodes during AddSource",
        file="switching/plans.py",
        old="Stage(step=Step.ADD_SOURCE, condition=ConditionType.TRANSITION, nodes=_BOTH, bashible=_OLD),",
        new="Stage(step=Step.ADD_SOURCE, condition=ConditionType.TRANSITION, nodes=_BOTH, bashible=_BOTH),",
    ),
    Mutant(
        name="old-source-goes-without-evidence",
        bug="nodes lose the old source while the evidence is still being collected",
        file="switching/plans.py",
        old="_serving(step=Step.FINALISE_NODES, phase=Phase.EVIDENCE, condition=ConditionType.FINAL),",
        new="_serving(step=Step.FINALISE_NODES, phase=Phase.EVIDENCE, condition=ConditionType.FINAL, nodes=_NEW),",
    ),
    Mutant(
        name="rollback-after-the-point-of-no-return",
        bug="a deadline in SwitchAddress drops the new source from nodes while deckhouse-registry names it",
        file="switching/plans.py",
        old="return steps.index(step) < steps.index(self.no_return)",
        new="return steps.index(step) <= steps.index(self.no_return)",
    ),
    Mutant(
        name="tenant-folder-is-rewritten",
        bug="the new registry is put into the real host's folder, from which users pull their own images",
        file="switching/layouts.py",
        old="            hosts[endpoint.host] = (Source(base=endpoint.base, endpoint=endpoint),)",
        new="            hosts[endpoint.host] = (Source(base=endpoint.base, endpoint=new.endpoint),)",
    ),
    Mutant(
        name="masters-do-not-pull-ahead",
        bug="no master has the image that deckhouse restarts with before the address is switched",
        file="switching/layouts.py",
        old="master_pulls=[FIXED_BASE.build_reference(image) for image in (*deckhouse_images, *proxy_images)],",
        new="master_pulls=[],",
    ),
)
