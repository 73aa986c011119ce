# SPDX-License-Identifier: Apache-2.0
"""Whether a node's registry.d holds one source under the fixed address and no credential elsewhere."""

import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from box.judge.leaks import list_forms
from box.load.bases import FIXED_HOST


def judge_folders(
    folders: Mapping[str, Mapping[str, str]], real_host: str, known: Iterable[str], secrets: Iterable[str]
) -> tuple[str, ...]:
    """List what is wrong with one node's registry.d after a finished switch to Direct.

    `folders` maps folder names to file names and texts (files beside the folders are in folder ``); `known` are
    folders of the platform or of users, which may stay; `secrets` are texts that only the fixed host's hosts.toml
    may hold.
    """
    problems = _judge_fixed(folders.get(FIXED_HOST), real_host)
    allowed = {FIXED_HOST, real_host, "", *known}
    problems += [f"folder {name} is left over" for name in sorted(folders) if name not in allowed]
    problems += _judge_real(folders.get(real_host) or {}, real_host)
    for folder, files in sorted(folders.items()):
        for name, text in sorted(files.items()):
            at_home = folder == FIXED_HOST and name == "hosts.toml"
            if not at_home and any(form in text for secret in secrets for form in list_forms(secret)):
                problems.append(f"{folder or '.'}/{name} holds a registry credential")
    return tuple(problems)


def list_sources(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The URLs that a hosts.toml tries, in their order: `[host]` entries, then `server`."""
    server = document.get("server")
    hosts = tuple(document.get("host") or {})
    return (*hosts, server) if server and server not in hosts else hosts


def _judge_fixed(files: Mapping[str, str] | None, real_host: str) -> list[str]:
    if files is None or "hosts.toml" not in files:
        return [f"{FIXED_HOST}/hosts.toml is missing"]
    try:
        document = tomllib.loads(files["hosts.toml"])
    except tomllib.TOMLDecodeError as error:
        return [f"{FIXED_HOST}/hosts.toml is not TOML: {error}"]
    listed = [*(document.get("host") or {}), *([document["server"]] if "server" in document else [])]
    urls = sorted({url.rstrip("/") for url in listed})
    if len(urls) != 1 or len(listed) > 2:
        return [f"{FIXED_HOST}/hosts.toml has {len(listed)} sources, not one: {', '.join(listed)}"]
    if urls[0] not in (f"https://{real_host}", f"https://{real_host}/v2", f"http://{real_host}"):
        return [f"{FIXED_HOST}/hosts.toml leads to {urls[0]}, not to {real_host}"]
    twins = document.get("host", {}).get(document.get("server", ""), {})
    if "auth" in document and "auth" in twins:
        return [f"{FIXED_HOST}/hosts.toml names {urls[0]} twice, with two credentials"]
    return []


def _judge_real(files: Mapping[str, str], real_host: str) -> list[str]:
    text = files.get("hosts.toml", "")
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return [f"{real_host}/hosts.toml is not TOML: {error}"]
    if "auth" in document or any("auth" in one for one in (document.get("host") or {}).values()):
        return [f"{real_host}/hosts.toml still holds credentials"]
    return []
