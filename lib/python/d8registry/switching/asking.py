# SPDX-License-Identifier: Apache-2.0
"""What the other hooks are to find out for the present stage; each key names all that is asked."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from d8registry.model.endpoint import FIXED_BASE, FIXED_HOST, Credentials
from d8registry.model.image import RequiredImage
from d8registry.model.settings import CheckMode, Mode
from d8registry.model.state import Phase, State, Step, Switch
from d8registry.pki.material import Material
from d8registry.switching.observed import Observed
from d8registry.switching.plans import Proxy, find_plan, find_stage, is_roll_back

if TYPE_CHECKING:  # at rest nothing is asked, and no run pays for them
    from d8registry.checker.question import ImagesQuestion, ProxyQuestion, Question
    from d8registry.evidence.answer import Evidence
    from d8registry.evidence.question import EvidenceQuestion

OLD_SECONDS, NEW_SECONDS = 30, 10
_PROXY_STEPS = (Step.ADD_SOURCE, Step.START_PROXY, Step.SWITCH_ADDRESS, Step.PREFER_NEW, Step.CLEAN_UP)


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """The questions of one stage.

    `images`: does the new registry have all that is required. `old`, `new`: does it answer at all, now. `lacking`:
    which of the images in use does the new registry lack. `proxy`: do its pods serve. `evidence`: what needs the old.
    """

    images: "ImagesQuestion | None" = None
    old: "ImagesQuestion | None" = None
    new: "ImagesQuestion | None" = None
    lacking: "ImagesQuestion | None" = None
    proxy: "ProxyQuestion | None" = None
    evidence: "EvidenceQuestion | None" = None

    def list_checks(self) -> "tuple[Question, ...]":
        """List what the probe hook is to ask."""
        everything: Iterable[Question | None] = (self.images, self.old, self.new, self.lacking, self.proxy)
        return tuple(question for question in everything if question is not None)


def build_questions(
    state: State,
    observed: Observed,
    served: Material | None,
    *,
    upstream_generation: str,
    users: tuple[Credentials, ...],
    users_generation: str,
) -> Questions:
    """Build what is asked now; nothing while nothing is switched."""
    switch, plan = state.switch, find_plan(state)
    if switch is None or plan is None:
        return Questions()
    is_open = plan.is_before_no_return(switch.step, switch.phase)
    evidence = _ask_evidence(state, switch)
    return Questions(
        images=_ask_images(state, switch, observed) if is_open and not is_roll_back(switch) else None,
        old=_ask_old(state, switch, observed),
        new=_ask_new(state, switch, observed),
        lacking=_ask_lacking(switch, observed, evidence),
        proxy=_ask_proxy(state, observed, served, upstream_generation, users, users_generation),
        evidence=evidence,
    )


def find_evidence(question: "EvidenceQuestion | None", observed: Observed) -> "Evidence | None":
    """Find what answers this very question; None where nothing is asked, or the answer is to an earlier one."""
    found = observed.evidence
    return found if question is not None and found is not None and found.key == question.key else None


def _ask_images(state: State, switch: Switch, observed: Observed) -> "ImagesQuestion":
    from d8registry.checker.question import build_images_question

    return build_images_question(switch.candidate.endpoint, observed.required_images, nonce=_find_retry(state))


def _ask_old(state: State, switch: Switch, observed: Observed) -> "ImagesQuestion | None":
    """Ask the old registry for one image, again and again; one that refused its password only after a `retry`."""
    from d8registry.checker.question import build_images_question

    is_other = state.current.endpoint != switch.candidate.endpoint
    # Under another base nothing is put in order by it: only evidence asks whether keeping it helps anybody.
    is_left = _is_evidence(switch) and state.current.mode is Mode.UNMANAGED
    is_asked = state.current.mode is switch.candidate.mode or is_left
    if not (is_other and is_asked) or is_roll_back(switch) or _is_final(switch) or not observed.deckhouse_images:
        return None
    nonce = f"old/{_find_retry(state)}"
    return build_images_question(
        state.current.endpoint, [_pick_image(observed)], nonce=nonce, every_seconds=OLD_SECONDS
    )


def _ask_new(state: State, switch: Switch, observed: Observed) -> "ImagesQuestion | None":
    from d8registry.checker.question import build_images_question

    is_watched = switch.step is Step.PREFER_NEW or _is_evidence(switch)
    if not is_watched or not observed.deckhouse_images:
        return None
    nonce = f"new/{_find_retry(state)}/{switch.candidate.number}"
    # Evidence may be waited for for days: then it is watched as calmly as the old one.
    every = NEW_SECONDS if switch.step is Step.PREFER_NEW else OLD_SECONDS
    return build_images_question(switch.candidate.endpoint, [_pick_image(observed)], nonce=nonce, every_seconds=every)


def _ask_lacking(switch: Switch, observed: Observed, evidence: "EvidenceQuestion | None") -> "ImagesQuestion | None":
    from d8registry.checker.question import build_images_question

    found = find_evidence(evidence, observed)
    if found is None or not found.in_use:
        return None
    # Nothing of the moment may stand in it: whose pods they are changes faster than a registry answers.
    images = [RequiredImage(reference=reference, owner="") for reference in found.seen]
    return build_images_question(switch.candidate.endpoint, images, nonce=f"lacking/{switch.since.isoformat()}")


def _ask_proxy(
    state: State,
    observed: Observed,
    served: Material | None,
    upstream_generation: str,
    users: tuple[Credentials, ...],
    users_generation: str,
) -> "ProxyQuestion | None":
    from d8registry.checker.question import build_proxy_question

    switch, stage = state.switch, find_stage(state)
    if served is None or switch is None or stage.proxy is Proxy.OFF or switch.step not in _PROXY_STEPS:
        return None
    pods = [pod for pod in observed.proxy_pods if pod.ready and pod.ip]
    reference = _pick_proxy_reference(switch, observed)
    if not pods or not reference:
        return None
    return build_proxy_question(
        pods,
        ca=served.ca_pem,
        upstream_generation=upstream_generation,
        users_generation=users_generation,
        users=users,
        reference=reference,
    )


def _ask_evidence(state: State, switch: Switch) -> "EvidenceQuestion | None":
    from d8registry.evidence.question import build_evidence_question

    if not _is_evidence(switch):
        return None
    old, new = state.current, switch.candidate
    # Drawn anew for each stage: an answer that was collected before the address was switched says nothing.
    nonce = switch.since.isoformat()
    if old.mode is new.mode:
        return build_evidence_question("", "", (), nonce=nonce, in_use_base=str(FIXED_BASE))
    if old.mode is Mode.DIRECT:
        return build_evidence_question(str(FIXED_BASE), FIXED_HOST, (), nonce=nonce)
    return build_evidence_question(str(old.endpoint.base), old.endpoint.host, (), nonce=nonce)


def _is_evidence(switch: Switch) -> bool:
    return (switch.step, switch.phase) == (Step.FINALISE_NODES, Phase.EVIDENCE)


def _is_final(switch: Switch) -> bool:
    return switch.step is Step.CLEAN_UP or (switch.step, switch.phase) == (Step.FINALISE_NODES, Phase.ALL)


def _pick_image(observed: Observed) -> RequiredImage:
    return RequiredImage(reference=observed.deckhouse_images[0].lstrip(":@"), owner="Deployment d8-system/deckhouse")


def _pick_proxy_reference(switch: Switch, observed: Observed) -> str:
    """Pick what each proxy pod is asked for: another edition has other digests, but the same tag of deckhouse."""
    if switch.candidate.check_mode is CheckMode.RELAX:
        return observed.deckhouse_images[0].lstrip(":@") if observed.deckhouse_images else ""
    return observed.proxy_images[0] if observed.proxy_images else ""


def _find_retry(state: State) -> str:
    return dict(state.requests).get("retry", "")
