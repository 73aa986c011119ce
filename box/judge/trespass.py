# SPDX-License-Identifier: Apache-2.0
"""Rules about who meets whom: a tenant its own registry only, a platform's login the sources of the switch only."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from box.judge.facts import Facts, Login, Violation
from box.registries.accounts import Owner
from box.registries.catalogue import TENANT_REPOSITORY
from box.registries.journal import Entry

GRACE = timedelta(seconds=5)
"""What was under way when a switch ended may still arrive."""


def find_tenants_abroad(facts: Facts) -> Iterator[Violation]:
    """A tenant's request, content or login at a registry that is not the tenant's.

    A tenant's image with the platform's login at the registry that issued it is no trespass of the switch: a node
    pulls so whenever the kubelet has not got the pull secret, because the platform itself gives nodes its login.
    """
    for entry in _list_run(facts):
        login = facts.logins.get(entry.credential)
        home = facts.tenants_content.get(entry.reference, "")
        if login and login.owner is Owner.TENANT and login.registry != _name(entry):
            yield _say("tenant abroad", entry, f"the login of {_describe(login)}")
        elif home not in ("", _name(entry)):
            yield _say("tenant abroad", entry, f"an image that only {home} has")


def find_platform_abroad(facts: Facts) -> Iterator[Violation]:
    """A platform's login at a registry that is no source of the switch, and logins that nobody has issued.

    A login issued by another registry is met only while a switch between the two runs: a pull secret with both entries
    causes that.
    """
    for entry in _list_run(facts):
        if not entry.credential:
            continue
        login = facts.logins.get(entry.credential)
        if login is None:
            yield _say("platform abroad", entry, f"a login as {entry.account} that nobody has issued")
        elif login.owner is Owner.PLATFORM:
            allowed = list_sources(facts, entry.time)
            if not {_name(entry), login.registry} <= allowed:
                known = ", ".join(sorted(allowed)) or "none"
                yield _say("platform abroad", entry, f"the login of {_describe(login)}; sources then: {known}")


def find_strays(facts: Facts) -> Iterator[Violation]:
    """Requests without a login at a registry that is neither a source nor a tenant's: names leak by these."""
    for entry in _list_run(facts):
        if entry.credential or _is_tenants(entry, facts):
            continue
        if _name(entry) not in list_sources(facts, entry.time) and entry.repository:
            yield _say("stray request", entry, "a registry that is no source")


def list_sources(facts: Facts, moment: datetime) -> frozenset[str]:
    """Registries that the platform may ask at a moment."""
    allowed = facts.at_first
    for switch in facts.switches:
        if moment < switch.started:
            break
        over = switch.ended is not None and moment > switch.ended + GRACE
        allowed = switch.after if over else switch.before | switch.after
    return allowed


def _list_run(facts: Facts) -> Iterator[Entry]:
    return (one for one in facts.entries if one.time >= facts.began)


def _is_tenants(entry: Entry, facts: Facts) -> bool:
    return TENANT_REPOSITORY in entry.repository or entry.reference in facts.tenants_content


def _name(entry: Entry) -> str:
    """The registry's name; an object store belongs to its registry."""
    return entry.registry.removesuffix("-store")


def _describe(login: Login) -> str:
    return f"{login.owner} {login.user} of {login.registry}"


def _say(rule: str, entry: Entry, what: str) -> Violation:
    return Violation(rule=rule, text=f"{what}: {entry.describe()}")
