# SPDX-License-Identifier: Apache-2.0
"""What the box runs and how it is built: Go programs from box/tools, Debian packages unpacked, the image set."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from box import images
from box.artifact import Artifact, building_lock, hash_inputs, publish, run_logged
from box.errors import BoxError
from box.goclock import write_overlay
from box.images.debian import fetch_packages
from box.layout import REPOSITORY, cache_folder
from box.registries.distribution import fetch_debian
from box.report import Report

NODE_PACKAGES = ("containernetworking-plugins", "libfaketime", "libseccomp2", "runc")
"""Debian packages that are only unpacked into the cache and seen by nodes."""

KUBERNETES_PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl")
CONTAINERD_PROGRAMS = ("containerd", "containerd-shim-runc-v2", "ctr")
_TOOLS = REPOSITORY / "box" / "tools"
_RECIPE = "1"  # raise it when the way of building changes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Containerd:
    """A generation of containerd: its folder in box/tools, its Go module and where that keeps hosts.toml's parser."""

    tool: str
    version: str
    module: str
    parser: str

    @property
    def remotes(self) -> str:
        """The package that talks to registries."""
        return f"{self.module}/{Path(self.parser).parent}"


_CONTAINERD_2 = _Containerd(
    tool="containerd",
    version="2.2.3",
    module="github.com/containerd/containerd/v2",
    parser="core/remotes/docker/config",
)
_CONTAINERD_17 = _Containerd(
    tool="containerd17",
    version="1.7.35",
    module="github.com/containerd/containerd",
    parser="remotes/docker/config",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """Where the built programs lie; all but `etcd`, `coredns`, `helm` and `distribution` are folders.

    `containerd` is of generation 2.x, `containerd17` of 1.7.
    """

    kubernetes: Path
    containerd: Path
    containerd17: Path
    debian: Path
    etcd: Path
    coredns: Path
    helm: Path
    distribution: Path
    images: images.ImageSet


def build_all(report: Report, cache: Path | None = None) -> Tools:
    """Build what the cache does not hold yet and return where everything lies; nothing is built on a warm cache."""
    cache = cache or cache_folder()
    artifacts = list_artifacts(cache)
    missing = [artifact for artifact in artifacts if not artifact.folder(cache).is_dir()]
    if missing:
        _build_missing(artifacts, cache, report)
    fetch_debian(cache, report.line)  # of registry A: `up` must not need the mirror
    made = {artifact.name: artifact.folder(cache) for artifact in artifacts}
    return Tools(
        kubernetes=made["kubernetes"],
        containerd=made["containerd"],
        containerd17=made["containerd17"],
        debian=fetch_packages(cache, NODE_PACKAGES, report.line) / "root",
        etcd=made["etcd"] / "etcd",
        coredns=made["coredns"] / "coredns",
        helm=made["helm"] / "helm",
        distribution=made["distribution"] / "registry",
        images=images.build(cache, report.line),
    )


def _build_missing(artifacts: list[Artifact], cache: Path, report: Report) -> None:
    with building_lock(cache, lambda: report.line(f"waiting for another build in {cache}")):
        missing = [artifact for artifact in artifacts if not artifact.folder(cache).is_dir()]
        seconds = sum(artifact.cold_seconds for artifact in missing)
        if missing:
            report.line(f"{len(missing)} of {len(artifacts)} programs to build into {cache}, up to {seconds} s in all")
        for number, artifact in enumerate(missing, start=1):
            title = f"[{number}/{len(missing)}] building {artifact.name} {artifact.version}"
            with report.stage(f"{title} (up to {artifact.cold_seconds} s cold)"):
                publish(artifact, cache)


def list_artifacts(cache: Path) -> list[Artifact]:
    """Return every Go program of the box, each keyed by its sources and by the Go version."""
    try:
        go = subprocess.run(["go", "version"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise BoxError(f"go, which builds the box, does not run ({error}); install Go 1.26 or newer") from error

    def artifact(
        name: str, version: str, cold_seconds: int, build: Callable[[Path, Path], None], *, tools: tuple[str, ...] = ()
    ) -> Artifact:
        sources = [path for tool in tools or (name,) for path in (_TOOLS / tool).iterdir() if path.is_file()]
        log = cache / "logs" / f"{name}.log"
        key = hash_inputs((_RECIPE, version, go), sources)
        return Artifact(name=name, version=version, key=key, cold_seconds=cold_seconds, build=partial(build, log))

    return [
        artifact("etcd", "3.6.5", 40, partial(_build_program, "etcd", "go.etcd.io/etcd/server/v3", "etcd")),
        artifact("coredns", "1.15.0", 60, partial(_build_program, "coredns", ".", "coredns")),
        *(
            artifact(
                source.tool,
                source.version,
                130,
                partial(_build_containerd, source),
                tools=(source.tool, "clock"),
            )
            for source in (_CONTAINERD_2, _CONTAINERD_17)
        ),
        *(
            artifact(
                f"read-hosts-{source.tool}",
                source.version,
                15,
                partial(_build_read_hosts, source),
                tools=(source.tool, "read-hosts"),
            )
            for source in (_CONTAINERD_2, _CONTAINERD_17)
        ),
        artifact("cripull", "0.34.4", 10, partial(_build_program, "cripull", ".", "cripull")),
        artifact("helm", "3.19.5", 90, partial(_build_program, "helm", "helm.sh/helm/v3/cmd/helm", "helm")),
        artifact("distribution", "3.1.0", 60, _build_distribution),
        artifact("kubernetes", "1.34.4", 520, _build_kubernetes),
    ]


def _go_build(
    log: Path,
    module: Path,
    output: Path,
    packages: list[str],
    *,
    link: str = "",
    tags: str = "",
    overlay: Path | None = None,
) -> None:
    command = ["go", "build", "-trimpath", "-ldflags", f"-s -w {link}".strip(), "-o", str(output)]
    command += ["-tags", tags] if tags else []
    command += ["-overlay", str(overlay)] if overlay else []
    run_logged([*command, *packages], module, log, {"CGO_ENABLED": "0", "GOFLAGS": ""})


def _build_program(name: str, package: str, program: str, log: Path, target: Path) -> None:
    _go_build(log, _TOOLS / name, target / program, [package])


def _build_distribution(log: Path, target: Path) -> None:
    module = "github.com/distribution/distribution/v3"
    link = f"-X {module}/version.version=v3.1.0"
    _go_build(log, _TOOLS / "distribution", target / "registry", [f"{module}/cmd/registry"], link=link)


def _build_kubernetes(log: Path, target: Path) -> None:
    version = "-X k8s.io/component-base/version.gitVersion=v1.34.4"
    _go_build(log, _TOOLS / "kubernetes", target / "hyperkube", ["."], link=version)
    for program in KUBERNETES_PROGRAMS:
        (target / program).symlink_to("hyperkube")


def _build_containerd(source: _Containerd, log: Path, target: Path) -> None:
    """Build containerd from a copy of its module with our patch, after the patch has passed its test.

    Its clock can be put wrong while it runs.
    """
    module = target / "module"
    _patch_containerd(source, log, module)
    run_logged(["go", "test", f"{source.module}/{source.parser}"], module, log, {"CGO_ENABLED": "0"})
    version = f"-X {source.module}/version.Version=v{source.version}+registry-box"
    packages = [f"{source.module}/cmd/{program}" for program in CONTAINERD_PROGRAMS]
    clock = target / "clock"
    clock.mkdir()
    tags = "no_btrfs,no_devmapper,no_zfs,no_aufs"
    _go_build(log, module, target, packages, link=version, tags=tags, overlay=write_overlay(clock))
    shutil.rmtree(module)
    shutil.rmtree(clock)


def _build_read_hosts(source: _Containerd, log: Path, target: Path) -> None:
    """Build the program that shows what this generation's own parser makes of a hosts.toml."""
    module = target / "module"
    _patch_containerd(source, log, module)
    text = (_TOOLS / "read-hosts" / "main.go").read_text(encoding="utf-8")
    # Inside containerd's module, so that what it needs is what containerd needs.
    program = module / "containerd" / "cmd" / "read-hosts"
    program.mkdir()
    (program / "main.go").write_text(text.replace(_CONTAINERD_2.remotes, source.remotes), encoding="utf-8")
    _go_build(log, module, target, [f"{source.module}/cmd/read-hosts"])
    shutil.rmtree(module)


def _patch_containerd(source: _Containerd, log: Path, module: Path) -> None:
    folder = _TOOLS / source.tool
    run_logged(["go", "mod", "download", source.module], folder, log)
    listed = subprocess.run(
        ["go", "list", "-m", "-f", "{{.Dir}}", source.module], cwd=folder, capture_output=True, text=True, check=True
    )
    patched = module / "containerd"
    shutil.copytree(listed.stdout.strip(), patched, ignore=shutil.ignore_patterns("*_test.go"))
    for path in (patched, *patched.rglob("*")):  # files of the module cache are read-only
        path.chmod(path.stat().st_mode | 0o200)
    for name in ("go.mod", "go.sum"):
        shutil.copyfile(folder / name, module / name)
    run_logged(["patch", "-p1", "-i", str(folder / "hosts-auth-rewrite.patch")], patched, log)
    shutil.copy(folder / "hosts_auth_rewrite_test.go", patched / source.parser)
    run_logged(["go", "mod", "edit", f"-replace={source.module}=./containerd"], module, log)


def find_containerd(folder: Path) -> Path:
    """Return a folder given by the user after seeing that it holds the programs of containerd; else BoxError."""
    missing = [name for name in CONTAINERD_PROGRAMS if not os.access(folder / name, os.X_OK)]
    if missing:
        raise BoxError(f"--containerd-dir {folder} lacks {', '.join(missing)}; it must hold the built programs")
    return folder.resolve()
