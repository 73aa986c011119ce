# SPDX-License-Identifier: Apache-2.0
"""Secret registry-questions, key `questions`: what reconcile wants to know of registries and of the proxy."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from d8registry.errors import InvalidObject
from d8registry.model.cluster import ProxyPod
from d8registry.model.endpoint import Credentials, Endpoint, Scheme
from d8registry.model.image import RequiredImage
from d8registry.model.secret import Secret

NAME = "registry-questions"
KEY = "questions"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImagesQuestion:
    """Does the endpoint hold these manifests? `images` are in the order that answers count them in.

    With `every_seconds` a good answer is asked for again after that time: the registry is being watched.
    """

    key: str
    endpoint: Endpoint
    images: tuple[RequiredImage, ...]
    every_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyQuestion:
    """Do these pods serve these generations, and `reference` to each user, with a certificate of `ca`?

    An empty user asks anonymously. `reference` is a digest or tag below the fixed path.
    """

    key: str
    pods: tuple[ProxyPod, ...]
    upstream_generation: str
    users_generation: str
    users: tuple[Credentials, ...]
    reference: str
    ca: str


Question = ImagesQuestion | ProxyQuestion


def build_images_question(
    endpoint: Endpoint, images: Iterable[RequiredImage], nonce: str = "", every_seconds: int = 0
) -> ImagesQuestion:
    """Ask an endpoint for manifests; another `nonce` (annotation `retry`) asks again even after a final answer."""
    ordered = tuple(sorted(images))
    parts = [endpoint.fingerprint, nonce, [[image.repository, image.reference] for image in ordered]]
    return ImagesQuestion(key=f"images:{_hash(parts)}", endpoint=endpoint, images=ordered, every_seconds=every_seconds)


def build_proxy_question(
    pods: Iterable[ProxyPod],
    *,
    upstream_generation: str,
    users_generation: str,
    users: Sequence[Credentials],
    reference: str,
    ca: str,
    nonce: str = "",
) -> ProxyQuestion:
    """Ask the proxy's pods; one without an address yet stays in the question and is answered not-ready."""
    ordered = tuple(
        ProxyPod(name=pod.name, ip=pod.ip, ready=True) for pod in sorted(pods, key=lambda pod: (pod.name, pod.ip))
    )
    parts = [
        [[pod.name, pod.ip] for pod in ordered],
        [upstream_generation, users_generation, reference, ca, nonce],
        [[user.username, user.password.value] for user in users],
    ]
    return ProxyQuestion(
        key=f"proxy:{_hash(parts)}",
        pods=ordered,
        upstream_generation=upstream_generation,
        users_generation=users_generation,
        users=tuple(users),
        reference=reference,
        ca=ca,
    )


def render_questions(questions: Iterable[Question]) -> str:
    """Build the JSON text of key `questions`, sorted by key; an equal key stands once."""
    unique = {question.key: question for question in questions}
    return json.dumps([_render(unique[key]) for key in sorted(unique)], separators=(",", ":"))


def parse_questions(text: str) -> tuple[Question, ...]:
    """Read key `questions`; empty text asks nothing. Raises InvalidObject, which never tells what was in it."""
    try:
        return tuple(_parse(item) for item in json.loads(text or "[]"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidObject(
            f"Secret d8-system/{NAME}: key {KEY} is not what this release writes ({type(error).__name__}); delete the "
            f"Secret, it is written again: kubectl -n d8-system delete secret {NAME}"
        ) from None


def _render(question: Question) -> dict[str, Any]:
    if isinstance(question, ImagesQuestion):
        endpoint = question.endpoint
        return {
            "kind": "images",
            "key": question.key,
            "everySeconds": question.every_seconds,
            "endpoint": {
                "scheme": endpoint.scheme.value,
                "host": endpoint.host,
                "path": endpoint.path,
                "ca": endpoint.ca,
                **_render_user(endpoint.credentials),
            },
            "images": [
                {"reference": image.reference, "repository": image.repository, "owner": image.owner}
                for image in question.images
            ],
        }
    return {
        "kind": "proxy",
        "key": question.key,
        "ca": question.ca,
        "pods": [{"name": pod.name, "ip": pod.ip} for pod in question.pods],
        "upstreamGeneration": question.upstream_generation,
        "usersGeneration": question.users_generation,
        "users": [_render_user(user) for user in question.users],
        "reference": question.reference,
    }


def _parse(item: dict[str, Any]) -> Question:
    if item["kind"] == "images":
        endpoint = item["endpoint"]
        return ImagesQuestion(
            key=item["key"],
            endpoint=Endpoint(
                scheme=Scheme(endpoint["scheme"]),
                host=endpoint["host"],
                path=endpoint["path"],
                ca=endpoint["ca"],
                credentials=_parse_user(endpoint),
            ),
            images=tuple(RequiredImage(**image) for image in item["images"]),
            every_seconds=int(item["everySeconds"]),
        )
    if item["kind"] != "proxy":
        raise ValueError("kind")
    return ProxyQuestion(
        key=item["key"],
        pods=tuple(ProxyPod(name=pod["name"], ip=pod["ip"], ready=True) for pod in item["pods"]),
        upstream_generation=item["upstreamGeneration"],
        users_generation=item["usersGeneration"],
        users=tuple(_parse_user(user) for user in item["users"]),
        reference=item["reference"],
        ca=item["ca"],
    )


def _render_user(credentials: Credentials) -> dict[str, str]:
    return {"username": credentials.username, "password": credentials.password.value}


def _parse_user(item: dict[str, Any]) -> Credentials:
    return Credentials(username=item["username"], password=Secret(item["password"]))


def _hash(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
