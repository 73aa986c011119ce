# SPDX-License-Identifier: Apache-2.0
"""A node in a scratch folder: the real registry-node, a stand-in API server, and recorded commands around it.

Every command that the program runs goes through a shim that notes its arguments first; `ctr` and `systemctl` are
stand-ins altogether. A shim can also kill the whole process group at its n-th call, as a power cut would.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from d8registry.model.cluster import Witness
from d8registry.nodes import NodePlan, Unreadable, expected_token, parse_witness, render_plan

from tests.support.kubelet_api import KubeletApi

PARTS = Path(__file__).parents[2] / "templates/registry-node/program"
# The commands of the program that only pass through a shim.
PASSED_ON = frozenset(
    (
        *("curl", "flock", "jq", "base64", "mv", "cp", "rm", "rmdir", "mkdir", "chmod", "ln", "sync", "stat"),
        *("readlink", "date", "tee", "sha256sum", "timeout", "uname", "install", "grep"),
    )
)

_SHIM = """#!/bin/bash
printf -v call '%s\\x1f' {name} "$@"
printf '%s\\x1e' "$call" >>{calls}
if [[ -e {fuse} && {name} != systemctl ]]; then
  read -r left <{fuse}
  if ((left <= 1)); then /bin/rm -f {fuse}; kill -9 0; fi
  echo $((left - 1)) >{fuse}
fi
exec {real} "$@"
"""

_CTR = """#!/bin/bash
root={root}
[[ "$1 $2 $3" == "--debug --namespace k8s.io" ]] || exit 64
while [[ $# -gt 0 && $1 != --hosts-dir ]]; do command+=" $1"; shift; done
if [[ -e $root/wait ]]; then touch $root/waiting; while [[ -e $root/wait ]]; do sleep 0.02; done; fi
if [[ $# -gt 0 ]]; then
  [[ -s $2/registry.d8-system.svc:5001/hosts.toml ]] || {{ echo "no staged hosts.toml" >&2; exit 65; }}
  shift 2
fi
if [[ -e $root/status ]]; then cat $root/error >&2; exit "$(<$root/status)"; fi
if [[ -e $root/die ]]; then read -r _ _ _ _ _ session _ </proc/$$/stat; kill -9 -- -$session 0; fi
if [[ -s $root/error ]]; then cat $root/error >&2; exit 1; fi
case $command in
  *fetch-object) exec cat "$root/content/${{1##*@}}" ;;
  *fetch-blob) exec cat "$root/content/$2" ;;
esac
"""

# bash itself counts: every command of the program, also in functions and subshells.
_CUT = """cut_after=$1
set -o functrace
trap '((--cut_after > 0)) || kill -9 0' DEBUG
source "$0" run
"""

_SYSTEMCTL = """#!/bin/bash
[[ $1 != show ]] || cat {root}/main-pid
"""


def read_program() -> str:
    """Put the program together from its parts, in the order of their names, as the node step does."""
    return "\n".join(path.read_text() for path in sorted(PARTS.glob("_*.sh.tpl")))


@dataclass
class ScratchNode:
    """One scratch node; `folder` holds the root, the shims and the API's files."""

    folder: Path
    api: KubeletApi = field(init=False)

    def __post_init__(self) -> None:
        self.root = self.folder / "root"
        self.live = self.root / "etc/containerd/registry.d"
        self.keep = self.root / "var/lib/registry-node"
        self.fuse = self.folder / "fuse"
        self.calls_file = self.folder / "calls"
        self.ctr = self.folder / "ctr"
        self.program = self.folder / "registry-node"
        self.program.write_text(read_program())
        (self.ctr / "content").mkdir(parents=True)
        (self.folder / "main-pid").write_text("0\n")
        self._make_shims(self.folder / "bin")
        self.api = KubeletApi(folder=self.folder)
        self.api.start()
        kubeconfig = self.root / "etc/kubernetes/kubelet.conf"
        kubeconfig.parent.mkdir(parents=True)
        kubeconfig.write_text(self.api.render_kubeconfig())
        self.manifest = self.add_manifest({"layers": [self.add_layer(b"big" * 99), self.add_layer(b"small")]})

    def close(self) -> None:
        """Stop the API."""
        self.api.stop()

    def add_layer(self, content: bytes) -> dict[str, object]:
        """Put a blob into the stand-in registry; returns its descriptor."""
        return {"digest": self._add(content), "size": len(content)}

    def add_manifest(self, document: object, *, indent: int | None = None) -> str:
        """Put a manifest or an index into the stand-in registry; returns its digest."""
        return self._add(json.dumps(document, indent=indent).encode())

    def publish(self, plan: NodePlan) -> str:
        """Put a plan into the Secret; returns the token that this node is to report."""
        self.api.publish(render_plan(plan))
        return expected_token(plan, self.api.node)

    def use_ctr(self, program: Path) -> None:
        """Let the program meet a real ctr instead of the stand-in."""
        (self.folder / "bin/real-ctr").unlink()
        (self.folder / "bin/real-ctr").symlink_to(program)

    def keep_shims(self, names: set[str]) -> None:
        """Take every shim away that is not needed for `names` (the stand-ins stay): a run is faster then."""
        for path in (self.folder / "bin").iterdir():
            if path.name in PASSED_ON and path.name not in names:
                path.unlink()

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        """Run the program once, in a process group of its own, with `given` on its standard input."""
        with self.start(*arguments) as process:
            out, err = process.communicate(given, timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the program and leave it running."""
        return self._start([str(self.program), *(arguments or ("run",))])

    def run_until(self, command: int) -> subprocess.CompletedProcess[str]:
        """Run one round, and cut its power (the whole process group) before its n-th command."""
        with self._start(["-c", _CUT, str(self.program), str(command)]) as process:
            out, err = process.communicate(timeout=120)
        return subprocess.CompletedProcess((), process.returncode, out, err)

    def _start(self, words: list[str]) -> subprocess.Popen[str]:
        environment = {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "REGISTRY_NODE_ROOT": str(self.root)}
        return subprocess.Popen(
            ["bash", *words],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def read_calls(self) -> list[list[str]]:
        """Return the commands that ran since the last look, each with its arguments."""
        if not self.calls_file.exists():
            return []
        text = self.calls_file.read_text()
        self.calls_file.unlink()
        return [call.split("\x1f")[:-1] for call in text.split("\x1e") if call]

    def read_live(self) -> dict[str, str]:
        """Return the files below registry.d as `folder/name` -> text."""
        if not self.live.exists():
            return {}
        return {
            str(path.relative_to(self.live)): path.read_text()
            for path in sorted(self.live.rglob("*"))
            if path.is_file() and ".registry-node" not in path.parts
        }

    def read_witness(self) -> Witness | Unreadable | None:
        """Return what the Node's annotation says."""
        return parse_witness(self.api.annotations.get("registry.deckhouse.io/node-report"))

    def _add(self, content: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        (self.ctr / "content" / digest).write_bytes(content)
        return digest

    def _make_shims(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "real-ctr").write_text(_CTR.format(root=self.ctr))
        (folder / "real-systemctl").write_text(_SYSTEMCTL.format(root=self.folder))
        real = {name: shutil.which(name) for name in PASSED_ON}
        real |= {name: str(folder / f"real-{name}") for name in ("ctr", "systemctl")}
        for name, path in real.items():
            text = _SHIM.format(name=name, real=path, calls=self.calls_file, fuse=self.fuse)
            (folder / name).write_text(text)
        for shim in folder.iterdir():
            shim.chmod(0o755)


class running:
    """A process that stands in for containerd, so that /proc tells a start time."""

    def __init__(self, node: ScratchNode) -> None:
        self.node = node

    def __enter__(self) -> None:
        self.process = subprocess.Popen(["sleep", "600"])
        (self.node.folder / "main-pid").write_text(f"{self.process.pid}\n")

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def end_group(process: subprocess.Popen[str]) -> None:
    """End a program and everything it started, by its own process group."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
