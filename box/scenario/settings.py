# SPDX-License-Identifier: Apache-2.0
"""From registries of the box to the section that a user writes, and from a section to what it means. Pure."""

from collections.abc import Mapping
from typing import Any

from box.judge.allowance import Settings
from box.load.bases import FIXED_BASE, Base
from box.registries.accounts import Account
from box.registries.catalogue import REGISTRIES, Registry

DIRECT = "Direct"
UNMANAGED = "Unmanaged"
RELAX = "Relax"
_SECTIONS = {DIRECT: "direct", UNMANAGED: "unmanaged"}


def build_section(
    mode: str, registry: Registry, login: Account, ca: str, *, path: str = "", check_mode: str = ""
) -> dict[str, Any]:
    """The registry section for a registry of the box, the password in it; `path` is its first one unless given."""
    fields = {
        "imagesRepo": f"{registry.authority}/{path or registry.paths[0]}",
        "scheme": registry.scheme.upper(),
        "username": login.user,
        "password": login.password,
        "ca": ca if registry.scheme == "https" else "",
        "checkMode": check_mode,
    }
    return {"mode": mode, _SECTIONS[mode]: {key: value for key, value in fields.items() if value}}


def read_settings(section: Mapping[str, Any], present: Settings) -> Settings:
    """What a section means; without parameters Unmanaged keeps the registry that the cluster pulls from now."""
    mode = str(section.get("mode") or UNMANAGED)
    fields = section.get(_SECTIONS.get(mode, "")) or {}
    if not fields:
        return Settings(
            mode=mode,
            registry=present.registry,
            path=present.path,
            user=present.user,
            password=present.password,
            relax=present.relax,
        )
    host, _, path = str(fields["imagesRepo"]).strip().rstrip("/").partition("/")
    licence = str(fields.get("license") or "")
    return Settings(
        mode=mode,
        registry=find_name(host),
        path=path,
        user=str(fields.get("username") or ("license-token" if licence else "")),
        password=str(fields.get("password") or licence),
        relax=fields.get("checkMode") == RELAX,
    )


def find_name(host: str) -> str:
    """The box's name of a registry by how references name it; the host itself where the box has none such."""
    return next((one.name for one in REGISTRIES if one.authority == host or one.host == host), host)


def find_base(settings: Settings) -> Base:
    """The prefix of the platform's references in a mode at rest."""
    if settings.mode == DIRECT:
        return FIXED_BASE
    known = {one.name: one.authority for one in REGISTRIES}
    return Base(host=known.get(settings.registry, settings.registry), path=f"/{settings.path}")
