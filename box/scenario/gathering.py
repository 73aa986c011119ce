# SPDX-License-Identifier: Apache-2.0
"""Facts for the judge that lie in the folders of registries."""

from collections.abc import Iterable

from box.judge.allowance import Settings
from box.judge.facts import Login
from box.load.tenants import Tenant
from box.registries import running
from box.registries.accounts import Owner, read_salt
from box.registries.catalogue import REGISTRY_A
from box.registries.journal import compute_credential

JOURNAL_SECONDS = 1.0
"""What a registry may take to write a line."""


def list_logins(goals: Iterable[Settings]) -> dict[str, Login]:
    """Owners of credentials: every account there ever was, and what the scenario's edits have named besides."""
    salt = read_salt(running.get_files(REGISTRY_A.name))
    found = {
        compute_credential(salt, goal.user, goal.password): Login(
            registry=goal.registry, owner=Owner.PLATFORM, user=goal.user
        )
        for goal in goals
        if goal.user
    }
    issued = {
        credential: Login(registry=registry, owner=account.owner, user=account.user)
        for credential, (registry, account) in running.list_credentials().items()
    }
    return {**found, **issued}


def list_tenants_content(tenants: Iterable[Tenant]) -> dict[str, str]:
    """The registry of every digest that is a tenant's alone."""
    content: dict[str, str] = {}
    for tenant in tenants:
        for image in tenant.images:
            content |= dict.fromkeys((image.digest, *image.configs, *image.blobs), tenant.registry)
        content[tenant.own] = tenant.registry
    return content
