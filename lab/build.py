"""Makes what a lab boots from, once, in the cache: system images, kernels, container images."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab import host, recipes
from lab.plan import LabError
from lab.recipes import Container


@dataclass(frozen=True)
class Kernel:
    """kind: fast or ready. libraries: a folder that must stand in for the host's, if any;
    preload: a library that the program must be started with, if any."""

    kind: str
    program: Path
    modules: Path
    libraries: Path | None = None
    preload: Path | None = None


def _made(target: Path, what: str, make: Callable[[Path], None]) -> Path:
    """Make `target` through a neighbour that gets the name when it is complete."""
    if target.exists():
        return target
    with host.locked(target.with_name(target.name + ".lock"), what):
        if target.exists():
            return target
        partial = target.with_name(target.name + ".partial")
        _remove(partial)
        partial.mkdir(parents=True)
        host.say(f"making {what}")
        make(partial)
        partial.rename(target)
        host.say(f"{what} is ready")
    return target


def _log(partial: Path) -> Path:
    return partial.with_name(partial.name.removesuffix(".partial") + ".log")


def _remove(path: Path) -> None:
    if path.exists():
        shutil.rmtree(path)


# System images


def system_folder(image: str) -> Path:
    return host.cache("image", f"{image}-{recipes.system_digest(image)}")


def system_image(image: str, gigabytes: int) -> Path:
    """The disk image `engine` or `bare` of that size; made if it is not there."""
    folder = _made(
        system_folder(image),
        f"the system image '{image}', about 2 minutes",
        lambda partial: _make_system(partial, image),
    )
    return (
        _made(
            folder / f"{gigabytes}G",
            f"the system image '{image}' for disks of {gigabytes} GB",
            lambda partial: _make_disk(partial, folder / "system.tar", gigabytes),
        )
        / "disk.ext4"
    )


def _make_system(partial: Path, image: str) -> None:
    _mmdebstrap(recipes.system_arguments(image), partial / "system.tar", _log(partial))


def _make_disk(partial: Path, system: Path, gigabytes: int) -> None:
    tree, disk = partial / "tree", partial / "disk.ext4"
    tree.mkdir()
    keep = ["--numeric-owner", "--xattrs", "--xattrs-include=*"]
    host.run(["tar", "-C", str(tree), *keep, "-x", "-f", str(system)])
    _make_ext4(tree, disk, gigabytes * 1024)
    shutil.rmtree(tree)


def _mmdebstrap(arguments: Sequence[str], target: Path, log: Path) -> None:
    """arguments end with the suite."""
    host.build(
        [
            "mmdebstrap",
            "--mode=root",
            f"--keyring={host.KEYRING}",
            *(f"--aptopt={line}" for line in host.apt_proxies()),
            *arguments,
            str(target),
            *host.apt_sources().splitlines(),
        ],
        log,
    )


def _make_ext4(tree: Path, disk: Path, megabytes: int) -> None:
    """A sparse file with an ext4 file system of what is in `tree`."""
    # All tables are written now: the kernel would do it later, into every machine's own disk.
    now = "lazy_itable_init=0,lazy_journal_init=0,nodiscard"
    command = ["mke2fs", "-q", "-F", "-t", "ext4", "-m", "0", "-E", now, "-d", str(tree)]
    host.run([*command, str(disk), f"{megabytes}M"])


# Kernels


def kernel_folder(kind: str) -> Path:
    return host.cache("kernel", f"{kind}-{recipes.kernel_digest(kind)}")


def kernel(kind: str) -> Kernel:
    """The kernel `fast` or `ready`; made if it is not there."""
    if kind == "fast":
        folder = _made(
            kernel_folder(kind),
            "the fast kernel, about 10 minutes on two cores",
            _make_fast_kernel,
        )
        return Kernel(kind, folder / "linux", folder / "modules.ext4")
    folder = _made(kernel_folder(kind), "Debian's ready kernel", _make_ready_kernel)
    preload = whole_sets() if host.has_amx() else None
    return Kernel(kind, folder / "linux", folder / "modules.ext4", folder / "lib", preload)


def whole_sets() -> Path:
    """The library that lets the ready kernel run on a processor with AMX; made if not there."""
    folder = host.cache("kernel", f"preload-{recipes.preload_digest()}")
    made = _made(folder, "the library with which Debian's ready kernel bears AMX", _make_whole_sets)
    return made / "whole_sets.so"


def _make_whole_sets(partial: Path) -> None:
    flags = ["-O2", "-Wall", "-Werror", "-shared", "-fPIC"]
    host.run(["gcc", *flags, "-o", str(partial / "whole_sets.so"), str(recipes.WHOLE_SETS), "-ldl"])


class _Archive:
    """Debian's archive for suites that this computer does not use, with apt's own signature
    checks, and without a trace in this computer's apt."""

    def __init__(self, folder: Path, suites: Sequence[str]) -> None:
        for name in ("lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        mirror = host.mirrors()["main"]
        lines = [f"deb [signed-by={host.KEYRING}] {mirror} {suite} main\n" for suite in suites]
        (folder / "sources.list").write_text("".join(lines))
        self._folder = folder
        self._options = [
            f"-oDir::Etc::sourcelist={folder}/sources.list",
            "-oDir::Etc::sourceparts=/dev/null",
            f"-oDir::State={folder}",
            f"-oDir::State::status={folder}/status",
            f"-oDir::Cache={folder}/cache",
            # The download user of apt cannot write into root's cache folder.
            "-oAPT::Sandbox::User=root",
            "-oAcquire::Languages=none",
            "-oAPT::Update::Post-Invoke-Success::=",
        ]
        host.run(["apt-get", *self._options, "update"])

    def names(self, prefix: str) -> list[str]:
        return host.run(["apt-cache", *self._options, "pkgnames", prefix]).split()

    def fetch(self, package: str) -> Path:
        """Download one package. Raises LabError if apt cannot verify it."""
        before = set(self._folder.glob("*.deb"))
        host.run(["env", "-C", str(self._folder), "apt-get", *self._options, "download", package])
        (file,) = set(self._folder.glob("*.deb")) - before
        return file


def _make_fast_kernel(partial: Path) -> None:
    archive = _Archive(partial / "apt", [f"{recipes.SUITE}-backports", "sid"])
    package = recipes.pick_kernel_source(archive.names("linux-source-"))
    if package is None:
        raise LabError(
            f"Debian's archive has no linux-source-{recipes.KERNEL_SERIES} or later: "
            "use 'bin/lab up --kernel ready'."
        )
    host.say(f"fetching and unpacking {package}")
    file = archive.fetch(package)
    source = partial / "source"
    source.mkdir()
    # Other processors' code and the graphics drivers' headers are most of the source.
    unpack = (
        f"set -o pipefail; dpkg-deb --fsys-tarfile {file} "
        f"| tar -xO ./usr/src/{package}.tar.xz | xz -dc -T0 "
        f"| tar -x --strip-components=1 -C {source} --exclude='*/arch/[!ux]*/*.[chS]' "
        "--exclude='*/arch/*.dts*' --exclude='*/drivers/gpu/drm/amd/include'"
    )
    log = _log(partial)
    host.build(["bash", "-c", unpack], log)
    host.say(f"building {package}")
    make = ["make", "ARCH=um", "-s"]
    host.build(
        [*make, f"KCONFIG_ALLCONFIG={recipes.KERNEL_CONFIG}", "allnoconfig"], log, cwd=source
    )
    _check_options(source / ".config")
    jobs = f"-j{os.cpu_count() or 1}"
    host.build(["nice", *make, jobs, "linux"], log, cwd=source)
    version = host.run([*make, "-C", str(source), "--no-print-directory", "kernelrelease"]).strip()
    shutil.copy(source / "linux", partial / "linux")
    host.run(["strip", str(partial / "linux")])
    modules = partial / "modules" / "lib/modules" / version
    modules.mkdir(parents=True)
    # modprobe then knows what is built in and succeeds, as on any Debian kernel.
    for name in ("modules.builtin", "modules.builtin.modinfo"):
        shutil.copy(source / name, modules / name)
    (modules / "modules.order").touch()
    _finish_modules(partial, version)
    shutil.rmtree(source)
    shutil.rmtree(partial / "apt")


def _check_options(config: Path) -> None:
    """Raises LabError if this kernel's build left out an option that is asked for."""
    got = set(config.read_text().splitlines())
    lost = [
        line
        for line in recipes.KERNEL_CONFIG.read_text().splitlines()
        if line and not line.endswith("=n") and line not in got
    ]
    if lost:
        raise LabError(
            f"This kernel source does not take {', '.join(lost)}: adapt {recipes.KERNEL_CONFIG}."
        )


def _make_ready_kernel(partial: Path) -> None:
    archive = _Archive(partial / "apt", [recipes.SUITE])
    tree = partial / "tree"
    for package in ("user-mode-linux", "libc6"):
        host.run(["dpkg-deb", "-x", str(archive.fetch(package)), str(tree)])
    shutil.copy(tree / "usr/bin/linux.uml", partial / "linux")
    (tree / "usr/lib/x86_64-linux-gnu").rename(partial / "lib")
    (version,) = os.listdir(tree / "usr/lib/uml/modules")
    modules = partial / "modules/lib/modules"
    modules.mkdir(parents=True)
    (tree / "usr/lib/uml/modules" / version).rename(modules / version)
    _finish_modules(partial, version)
    shutil.rmtree(tree)
    shutil.rmtree(partial / "apt")


def _finish_modules(partial: Path, version: str) -> None:
    """modules/lib/modules/VERSION becomes the disk that machines mount at /usr/lib/modules."""
    tree = partial / "modules"
    host.run(["depmod", "-b", str(tree), version])
    used = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file())
    _make_ext4(tree / "lib/modules", partial / "modules.ext4", 16 + used * 5 // 4 // 2**20)
    shutil.rmtree(tree)


# The image mirror


def mirror_folder() -> Path:
    return host.cache("image", f"mirror-{recipes.mirror_digest(host.CA_BUNDLE.read_bytes())}")


def mirror() -> Path:
    """A folder with the registry program and its storage, all images in it; made if not there."""
    return _made(mirror_folder(), "the container images, about 3 minutes", _make_mirror)


def _make_mirror(partial: Path) -> None:
    for container in recipes.CONTAINERS:
        host.say(f"container image {container.name}:{container.tag}")
        layer = partial / f"{container.name}.tar"
        _mmdebstrap(container.arguments(), layer, _log(partial))
        if container.name == "debian-registry":
            with tarfile.open(layer) as archive:
                program = archive.extractfile("./usr/bin/docker-registry")
                if program is None:
                    raise LabError(f"{layer} has no docker-registry in it.")
                (partial / "registry").write_bytes(program.read())
            (partial / "registry").chmod(0o755)
        _store(partial / "storage", container, layer)
        layer.unlink()


def _store(storage: Path, container: Container, layer: Path) -> None:
    """Put an image of one layer into a registry's storage folder.

    Formats: Docker image manifest version 2 schema 2; the folder layout is that of the
    distribution project's file system driver (registry/storage/paths.go).
    """
    plain = hashlib.sha256(layer.read_bytes()).hexdigest()
    packed = gzip.compress(layer.read_bytes(), compresslevel=6, mtime=0)
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": container.settings(),
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{plain}"]},
            "history": [{"created_by": f"mmdebstrap {container.packages}"}],
        }
    ).encode()
    blobs = storage / "docker/registry/v2/blobs/sha256"
    repository = storage / "docker/registry/v2/repositories" / container.name

    def blob(content: bytes) -> str:
        name = hashlib.sha256(content).hexdigest()
        path = blobs / name[:2] / name / "data"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return name

    def link(path: Path, name: str) -> None:
        path.mkdir(parents=True, exist_ok=True)
        (path / "link").write_text(f"sha256:{name}")

    docker = "application/vnd.docker"
    layers = {config: f"{docker}.container.image.v1+json"}
    layers[packed] = f"{docker}.image.rootfs.diff.tar.gzip"
    described = [
        {"mediaType": kind, "size": len(content), "digest": f"sha256:{blob(content)}"}
        for content, kind in layers.items()
    ]
    for entry in described:
        name = str(entry["digest"]).removeprefix("sha256:")
        link(repository / "_layers/sha256" / name, name)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": f"{docker}.distribution.manifest.v2+json",
            "config": described[0],
            "layers": described[1:],
        }
    ).encode()
    name = blob(manifest)
    manifests = repository / "_manifests"
    link(manifests / "revisions/sha256" / name, name)
    link(manifests / "tags" / container.tag / "current", name)
    link(manifests / "tags" / container.tag / "index/sha256" / name, name)


def gigabytes_to_build(images: set[str], kernel_kind: str) -> int:
    """GB of disk that building what the cache does not have yet takes at its peak."""
    missing = sum(2 for image in images if not system_folder(image).exists())
    missing += 0 if mirror_folder().exists() else 1
    if not kernel_folder(kernel_kind).exists():
        missing += 4 if kernel_kind == "fast" else 1
    return missing
