# SPDX-License-Identifier: Apache-2.0
"""Page through the API for what still refers to the old registry."""

from datetime import datetime

from d8registry.adapters.cluster_api import ClusterApi, connect_cluster
from d8registry.errors import ExchangeFailed
from d8registry.evidence.answer import Evidence, limit_names
from d8registry.evidence.objects import PULL_SECRET, Finding, find_stale_copies, limit_owners, read_workload
from d8registry.evidence.question import EvidenceQuestion

UNFINISHED = "status.phase!=Succeeded,status.phase!=Failed"
WORKLOADS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("Deployment", "/apis/apps/v1/deployments", {}),
    ("StatefulSet", "/apis/apps/v1/statefulsets", {}),
    ("DaemonSet", "/apis/apps/v1/daemonsets", {}),
    ("CronJob", "/apis/batch/v1/cronjobs", {}),
    ("Job", "/apis/batch/v1/jobs", {}),
    ("Pod", "/api/v1/pods", {"fieldSelector": UNFINISHED}),
)


def collect_evidence(question: EvidenceQuestion, now: datetime, api: ClusterApi | None = None) -> Evidence:
    """Look at everything that may pull; trouble with the API is an incomplete answer, not an error.

    Templates come before pods: a pod made from an old template during the walk is then still seen, or its template
    was. `api` is connected to by the process's environment unless given.
    """
    findings: dict[str, Finding] = {}
    platform_copies: list[str] = []
    user_copies: list[str] = []
    message = ""
    try:
        api = api or connect_cluster()
        for kind, path, selectors in WORKLOADS:
            for item in api.fetch_list(path, **selectors):
                finding = read_workload(kind, item, question)
                if finding is not None:
                    findings[finding.name] = finding
        secrets = list(api.fetch_list("/api/v1/secrets", fieldSelector=f"metadata.name={PULL_SECRET}"))
        platform_copies, user_copies = find_stale_copies(secrets, question)
    except ExchangeFailed as error:
        message = str(error)
    users_base = [finding.name for finding in findings.values() if finding.uses_base and not finding.is_platform]
    in_use = limit_owners([(reference, found) for found in findings.values() for reference in found.in_use])
    return Evidence(
        key=question.key,
        at=now,
        complete=not message,
        message=message,
        platform=limit_names(name for name, found in findings.items() if found.uses_base and found.is_platform),
        users=limit_names([*users_base, *user_copies]),
        copies=limit_names(platform_copies),
        real_host=limit_names(name for name, found in findings.items() if found.uses_host),
        in_use=in_use,
    )
