# SPDX-License-Identifier: Apache-2.0
"""Ask whether anything still needs the old source: what is the platform's holds, what is users' until accepted."""

from dataclasses import replace
from datetime import datetime, timedelta

from d8registry.checker.message import summarise
from d8registry.checker.outcome import Outcome as CheckOutcome
from d8registry.evidence.answer import Evidence
from d8registry.evidence.objects import is_platform
from d8registry.model.state import Standing, State
from d8registry.switching.asking import Questions, find_evidence
from d8registry.switching.guards import name_some
from d8registry.switching.observed import Observed
from d8registry.switching.outcome import Done, Outcome, Waiting
from d8registry.switching.standing import find_result

_KEEP = "do not revoke the old credentials yet"
ACCEPT = 'kubectl annotate --overwrite moduleconfig registry registry.deckhouse.io/finalise="$(date +%s)"'


def confirm_evidence(state: State, observed: Observed, questions: Questions, now: datetime) -> Outcome:
    """Confirm that the old source may go."""
    question, evidence = questions.evidence, find_evidence(questions.evidence, observed)
    if question is None or evidence is None:
        return Waiting(reason="CollectingEvidence", message="looking for what still uses the old source")
    if not evidence.complete:
        return Waiting(reason="CollectingEvidence", message=f"the API did not answer in full: {evidence.message}")
    old = state.current.endpoint.base if question.real_host else f"images of {state.current.endpoint.base}"
    evidence = _leave_out_stuck(state, evidence)
    lacking = _find_lacking(evidence, questions, observed)
    if isinstance(lacking, Waiting):
        return lacking
    held = [*evidence.platform, *evidence.copies, *(name for name in lacking if _is_platforms(name))]
    if held:
        message = f"{_KEEP}: {name_some(held)} still need {old}; deckhouse renders them"
        return Waiting(reason="OldAddressInUse", message=message, progress=f"{len(held)} platform objects")
    users = sorted({*evidence.users, *(name for name in lacking if not _is_platforms(name))})
    until = find_acceptance(state, observed)
    if users and (until is None or now < until):
        message = f"{_KEEP}: {name_some(users)} still need {old} and are not the platform's. "
        message += (
            f"That their next pull may fail is accepted: the old source goes at {until:%H:%M:%S} UTC, when they have "
            "been named here for usersGrace of ModuleConfig registry"
            if until is not None
            else f"Change them, or accept that their next pull may fail: {ACCEPT}"
        )
        progress = f"{len(users)} user objects"
        return Waiting(reason="OldAddressInUseByUsers", message=message, progress=progress, is_timed=until is not None)
    return Done(message=f"nothing needs {old} any more" + (f", but {name_some(users)}, as accepted" if users else ""))


def find_acceptance(state: State, observed: Observed) -> datetime | None:
    """Find from when on what holds this stage is accepted (annotation `finalise`); None where it is not.

    Not at once: whoever accepts has had the time to read the names, and what is only slow has had the time to follow.
    """
    if state.switch is None or "finalise" not in observed.find_new_requests(state.requests):
        return None
    return state.switch.since + timedelta(seconds=observed.module_settings.users_grace)


def list_needing(state: State, questions: Questions, observed: Observed) -> tuple[str, ...]:
    """List everything that is known to need the old source, for people."""
    evidence = find_evidence(questions.evidence, observed)
    if evidence is None:
        return ()
    evidence = _leave_out_stuck(state, evidence)
    lacking = _find_lacking(evidence, questions, observed)
    more = () if isinstance(lacking, Waiting) else lacking
    return tuple(sorted({*evidence.platform, *evidence.copies, *evidence.users, *more}))


def _leave_out_stuck(state: State, evidence: Evidence) -> Evidence:
    """Leave out Jobs made from an old template where the old registry does not answer.

    Nobody can change their template, and keeping a dead source does not help them: a CronJob that forbids two Jobs at
    once would hold the switch for ever.
    """
    if state.switch is None or state.switch.old not in (Standing.SILENT, Standing.REFUSED):
        return evidence
    platform, users = (
        tuple(name for name in names if not name.startswith("Job ")) for names in (evidence.platform, evidence.users)
    )
    return replace(evidence, platform=platform, users=users)


def _find_lacking(evidence: Evidence, questions: Questions, observed: Observed) -> tuple[str, ...] | Waiting:
    """Find the objects whose image the new registry does not have."""
    if not evidence.in_use:
        return ()
    result = find_result(questions.lacking, observed)
    if result is None or not result.done:
        message = "asking the new registry for every image that is in use"
        return Waiting(reason="CheckingImagesInUse", message=message, progress=f"{result.found if result else 0} found")
    missing = {
        problem.reference.rpartition("@" if "@" in problem.reference else ":")[2]
        for problem in result.problems
        if problem.outcome in (CheckOutcome.MISSING, CheckOutcome.CORRUPT)
    }
    if not result.ok and any(
        problem.outcome not in (CheckOutcome.MISSING, CheckOutcome.CORRUPT) for problem in result.problems
    ):
        return Waiting(reason="CheckingImagesInUse", message=summarise(result), progress=f"{result.found} found")
    return tuple(sorted({owner for reference, owner in evidence.in_use if reference in missing}))


def _is_platforms(name: str) -> bool:
    """Tell whose an object `Kind namespace/name` is."""
    return is_platform(name.partition(" ")[2].partition("/")[0])
