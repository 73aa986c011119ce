# SPDX-License-Identifier: Apache-2.0
"""Read the registry section of ModuleConfig `deckhouse`, and the settings of ModuleConfig `registry`."""

import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Any, TypeVar

from d8registry.errors import InvalidSettings
from d8registry.model.endpoint import Credentials, Endpoint, Scheme, normalise_ca
from d8registry.model.secret import Secret
from d8registry.model.settings import CheckMode, Mode, ModuleSettings, OnFailure, Settings

OWNER = "ModuleConfig deckhouse, spec.settings.registry"
LICENSE_USER = "license-token"

_REPO = re.compile(r"[0-9a-zA-Z.\-]+(:[0-9]{1,5})?(/[0-9a-zA-Z.\-_]+)*")
_TTL = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_SECTIONS = {"direct": Mode.DIRECT, "unmanaged": Mode.UNMANAGED, "proxy": Mode.PROXY}
_FIELDS = {"imagesRepo", "scheme", "ca", "license", "username", "password", "checkMode"}

Problem = tuple[str, str]
_Choice = TypeVar("_Choice", bound=StrEnum)


class _Scheme(StrEnum):
    """Scheme as ModuleConfig spells it."""

    HTTP = "HTTP"
    HTTPS = "HTTPS"


def parse_settings(section: Any, is_certificates: Callable[[str], bool]) -> Settings:
    """Parse `spec.settings.registry` (None: the default, Unmanaged).

    `is_certificates` tells whether a text is one or more PEM certificates. Raises InvalidSettings with every broken
    rule, each naming its field, never a value that may be secret.
    """
    if section is None:
        return Settings()
    if not isinstance(section, Mapping):
        raise InvalidSettings(OWNER, (("registry", "must be an object"),))
    problems: list[Problem] = [(name, "unknown field") for name in sorted(set(section) - {"mode", *_SECTIONS}, key=str)]
    mode = _parse_choice(section, "mode", Mode, Mode.UNMANAGED, problems)
    if mode is None:
        raise InvalidSettings(OWNER, tuple(problems))
    problems += [
        (name, f"is allowed only with mode {owner}, and mode is {mode}")
        for name, owner in _SECTIONS.items()
        if section.get(name) is not None and owner is not mode
    ]
    name = next((name for name, owner in _SECTIONS.items() if owner is mode), None)
    body = section.get(name) if name else None
    endpoint, check_mode = None, CheckMode.DEFAULT
    if body is not None and name is not None:
        endpoint, check_mode = _parse_body(body, name, is_certificates, problems)
    elif mode in (Mode.DIRECT, Mode.PROXY):
        problems.append((str(name), f"is required with mode {mode}"))
    if problems:
        raise InvalidSettings(OWNER, tuple(problems))
    return Settings(mode=mode, endpoint=endpoint, check_mode=check_mode)


def parse_module_settings(values: Mapping[str, Any]) -> ModuleSettings:
    """Read our own settings from values, whose defaults and types openapi/config-values.yaml has settled."""
    default = ModuleSettings()
    return ModuleSettings(
        step_deadline=_seconds(values.get("stepDeadline"), default.step_deadline),
        on_failure=OnFailure(values.get("onFailure", default.on_failure)),
        unreachable_grace=_seconds(values.get("unreachableGrace"), default.unreachable_grace),
        users_grace=_seconds(values.get("usersGrace"), default.users_grace),
        soak=_seconds(values.get("soak"), default.soak),
    )


def _parse_body(
    body: Any, name: str, is_certificates: Callable[[str], bool], problems: list[Problem]
) -> tuple[Endpoint | None, CheckMode]:
    if not isinstance(body, Mapping):
        problems.append((name, "must be an object"))
        return None, CheckMode.DEFAULT
    before = len(problems)
    known = _FIELDS | ({"ttl"} if name == "proxy" else set())
    problems += [(f"{name}.{field}", "unknown field") for field in sorted(set(body) - known, key=str)]
    texts = {field: _parse_text(body, name, field, problems) for field in (*sorted(_FIELDS), "ttl")}
    scheme = _parse_choice(body, "scheme", _Scheme, _Scheme.HTTPS, problems, name)
    check_mode = _parse_choice(body, "checkMode", CheckMode, CheckMode.DEFAULT, problems, name)
    problems += [(f"{name}.{field}", rule) for field, rule in _check_body(texts, scheme, is_certificates)]
    if len(problems) > before or scheme is None or check_mode is None:
        return None, CheckMode.DEFAULT
    host, _, path = _trim(texts["imagesRepo"]).partition("/")
    user, password = texts["username"], texts["password"]
    if texts["license"]:
        user, password = LICENSE_USER, texts["license"]
    endpoint = Endpoint(
        host=host,
        path=f"/{path}",
        scheme=Scheme(scheme.lower()),
        ca=normalise_ca(texts["ca"]),
        credentials=Credentials(username=user, password=Secret(password)),
    )
    return endpoint, check_mode


def _check_body(
    texts: Mapping[str, str], scheme: str | None, is_certificates: Callable[[str], bool]
) -> Iterable[Problem]:
    repo = _trim(texts["imagesRepo"])
    if not repo:
        yield "imagesRepo", "is required"
    elif not _REPO.fullmatch(repo):
        yield "imagesRepo", f"must match ^{_REPO.pattern}$"
    elif "/" not in repo:
        yield "imagesRepo", "must name a path behind the host, as in registry.example.com/deckhouse/ee"
    elif ":" in repo and not 1 <= int(repo.partition("/")[0].rpartition(":")[2]) <= 65535:
        yield "imagesRepo", "the port must be within 1 and 65535"
    if texts["ca"].strip():
        if scheme == "HTTP":
            yield "ca", "is not allowed with scheme HTTP"
        elif not is_certificates(texts["ca"]):
            yield "ca", "must be one or more PEM certificates"
    if texts["license"] and (texts["username"] or texts["password"]):
        yield "license", "excludes username and password"
    elif bool(texts["username"]) != bool(texts["password"]):
        yield ("password" if texts["username"] else "username"), "username and password must be given together"
    if ":" in texts["username"]:
        yield "username", "must not contain a colon (HTTP Basic authentication, RFC 7617)"
    if texts["ttl"]:
        yield from _check_ttl(texts["ttl"])


def _check_ttl(ttl: str) -> Iterable[Problem]:
    match = _TTL.fullmatch(ttl)
    if not match:
        yield "ttl", f"must match ^{_TTL.pattern}$"
        return
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    if hours * 3600 + minutes * 60 + seconds < 300:
        yield "ttl", "must be at least 5m"


def _trim(repo: str) -> str:
    return repo.strip().rstrip("/")


def _parse_text(body: Mapping[str, Any], name: str, field: str, problems: list[Problem]) -> str:
    value = body.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        problems.append((f"{name}.{field}", "must be a string"))
        return ""
    return value


def _parse_choice(
    body: Mapping[str, Any],
    field: str,
    choices: type[_Choice],
    default: _Choice,
    problems: list[Problem],
    prefix: str = "",
) -> _Choice | None:
    try:
        return choices(body.get(field) or default)
    except ValueError:
        problems.append((f"{prefix}.{field}".lstrip("."), f"must be one of {', '.join(choices)}"))
        return None


def _seconds(text: Any, default: int) -> int:
    match = _TTL.fullmatch(text) if isinstance(text, str) else None
    if not match or not text:
        return default
    hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds
