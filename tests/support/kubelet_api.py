# SPDX-License-Identifier: Apache-2.0
"""A strict stand-in for the three requests that registry-node sends to an API server, on loopback, with real TLS.

It answers what a kubelet may ask, and refuses everything else as an error that the test sees: another path, another
media type, a client without a certificate. Each request is kept for the test to look at.
"""

import base64
import datetime
import http.server
import ipaddress
import json
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SECRET_PATH = "/api/v1/namespaces/d8-system/secrets/registry-node-plan"
METADATA_TYPE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
Key = ec.EllipticCurvePrivateKey


@dataclass
class KubeletApi:
    """The server's state: what the Secret and the Node hold, and what was asked."""

    folder: Path
    node: str = "worker-0"
    plan: str | None = None
    secret_version: int = 1
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)
    port: int = 0
    clock: float = 0.0
    """Seconds by which this server's clock (header Date) is ahead of the node's."""
    cached: tuple[str, int] | None = None
    """A plan and its version that a cache which lags behind still shows to who asks with resourceVersion=0."""
    before_answer: Callable[[], object] = lambda: None

    def start(self) -> None:
        """Issue certificates, write kubelet.conf's parts into `folder`, listen on a free port."""
        if not (self.folder / "ca.pem").exists():
            self._issue_certificates()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.folder / "server.pem")
        context.load_verify_locations(self.folder / "ca.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        # Started again after `stop`, it listens where the kubeconfig says.
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), self._build_handler())
        self.server.daemon_threads = True
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def _issue_certificates(self) -> None:
        authority, authority_key = _issue("box CA", None, None)
        _write_pair(self.folder / "server.pem", *_issue("127.0.0.1", authority, authority_key))
        _write_pair(self.folder / "kubelet.pem", *_issue(f"system:node:{self.node}", authority, authority_key))
        (self.folder / "ca.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))

    def stop(self) -> None:
        """Close the port."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def render_kubeconfig(self) -> str:
        """Render kubelet.conf as kubeadm and the platform lay it out: CA inline, certificate as a file."""
        authority = base64.b64encode((self.folder / "ca.pem").read_bytes()).decode()
        pair = self.folder / "kubelet.pem"
        return (
            "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n"
            f"    certificate-authority-data: {authority}\n    server: https://127.0.0.1:{self.port}\n"
            "  name: cluster\ncontexts:\n- context:\n    cluster: cluster\n    user: kubelet\n  name: kubelet\n"
            "current-context: kubelet\nusers:\n- name: kubelet\n  user:\n"
            f"    client-certificate: {pair}\n    client-key: {pair}\n"
        )

    def publish(self, plan: str | None) -> None:
        """Put a plan into the Secret, or take the Secret away."""
        self.plan = plan
        self.secret_version += 1

    def answer(self, method: str, path: str, accept: str, content_type: str, body: bytes) -> tuple[int, Any]:
        """Answer one request as an API server would, or note it as a surprise."""
        bare = path.partition("?")[0]
        self.before_answer()
        self.requests.append((method, path, accept))
        if (method, bare) == ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews"):
            return 201, {"status": {"userInfo": {"username": f"system:node:{self.node}", "groups": ["system:nodes"]}}}
        if (method, bare) == ("GET", SECRET_PATH):
            if self.plan is None:
                return 404, {"kind": "Status", "code": 404}
            plan, version = self.plan, self.secret_version
            if self.cached is not None and path.endswith("?resourceVersion=0"):
                plan, version = self.cached
            data = {"plan": base64.b64encode(plan.encode()).decode()}
            return 200, {"kind": "Secret", "metadata": self._build_identity(version), "data": data}
        if (method, bare) == ("GET", f"/api/v1/nodes/{self.node}") and accept == METADATA_TYPE:
            return 200, self._build_node()
        if (method, bare) == ("PATCH", f"/api/v1/nodes/{self.node}"):
            if content_type != "application/strategic-merge-patch+json":
                self.surprises.append(f"PATCH with {content_type}")
                return 415, {}
            patch = json.loads(body)["metadata"]
            _merge(self.labels, patch.get("labels", {}))
            _merge(self.annotations, patch.get("annotations", {}))
            return 200, self._build_node()
        self.surprises.append(f"{method} {path} ({accept})")
        return 403, {"kind": "Status", "code": 403}

    def _build_node(self) -> dict[str, Any]:
        return {"metadata": {"name": self.node, "labels": self.labels, "annotations": self.annotations}}

    def _build_identity(self, version: int) -> dict[str, str]:
        uid = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
        return {"name": "registry-node-plan", "uid": uid, "resourceVersion": str(version)}

    def _build_handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                accept, kind = self.headers.get("Accept", ""), self.headers.get("Content-Type", "")
                status, document = api.answer(self.command, self.path, accept, kind, body)
                text = json.dumps(document, separators=(",", ":")).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _serve

            def date_time_string(self, timestamp: float | None = None) -> str:
                return super().date_time_string((timestamp or time.time()) + api.clock)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _merge(target: dict[str, str], patch: dict[str, str | None]) -> None:
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        else:
            target[key] = value


def _issue(name: str, authority: x509.Certificate | None, authority_key: Key | None) -> tuple[x509.Certificate, Key]:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if authority is None else authority.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority is None, path_length=None), critical=True)
    )
    if name == "127.0.0.1":
        address = x509.IPAddress(ipaddress.ip_address(name))
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
    return builder.sign(authority_key or key, hashes.SHA256()), key


def _write_pair(path: Path, certificate: x509.Certificate, key: Key) -> None:
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
