"""What the images and kernels are made of. Pure; a change here makes a new one in the cache."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

SUITE = "trixie"
HERE = Path(__file__).parent
OVERLAY = HERE / "overlay"
KERNEL_CONFIG = HERE / "uml-kernel.config"
WHOLE_SETS = HERE / "whole_sets.c"
# The series the configuration was made for; of a later one only if the archive has no more of it.
KERNEL_SERIES = "7.2"

# Debian packages of this computer, `bin/lab packages`.
HOST_PACKAGES = (
    "debian-archive-keyring",
    "e2fsprogs",
    "iproute2",
    "kmod",
    "mmdebstrap",
    "nftables",
    "openssh-client",
    "util-linux",
)
# And those that the fast kernel is built with, `bin/lab packages --build`.
BUILD_PACKAGES = (
    "bc",
    "bison",
    "flex",
    "gcc",
    "libc6-dev",
    "libelf-dev",
    "libssl-dev",
    "make",
    "xz-utils",
)

# And those without which the ready kernel does not run on a processor with AMX.
AMX_PACKAGES = ("gcc", "libc6-dev")

# A plain Debian server, as an installer leaves it.
_SERVER = (
    "ca-certificates,curl,dbus,iproute2,iputils-ping,kmod,less,linux-sysctl-defaults,netbase,"
    "openssh-server,procps,python3,python3-apt,sudo,systemd,systemd-sysv,udev"
)
_ENGINE = "docker-buildx,docker-cli,docker.io,iptables,python3-docker,python3-jsondiff,python3-yaml"

# What a machine that lives for an hour does not need, and what would only slow its boot.
_MASKED = (
    "apt-daily-upgrade.timer apt-daily.timer console-getty.service dev-hugepages.mount "
    "dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer getty.target "
    "ldconfig.service modprobe@configfs.service modprobe@dm_mod.service modprobe@drm.service "
    "modprobe@efi_pstore.service modprobe@fuse.service modprobe@loop.service "
    "proc-sys-fs-binfmt_misc.automount sys-kernel-config.mount sys-kernel-debug.mount "
    "sys-kernel-tracing.mount systemd-ask-password-console.path systemd-ask-password-wall.path "
    "systemd-binfmt.service systemd-firstboot.service systemd-hwdb-update.service "
    "systemd-journal-catalog-update.service systemd-machine-id-commit.service "
    "systemd-pcrphase.service systemd-pstore.service systemd-random-seed.service "
    "systemd-remount-fs.service systemd-sysusers.service systemd-udev-load-credentials.service "
    "systemd-udev-trigger.service systemd-update-done.service"
)
_LEAN = (
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
    "path-include=/usr/share/locale/locale.alias",
)


def digest(*parts: object) -> str:
    """12 hex digits that change when a part changes."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def tree_digest(folder: Path) -> str:
    """12 hex digits over the names, contents and executability of all files below a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return digest(
        *(
            (
                str(path.relative_to(folder)),
                path.stat().st_mode & 0o100,
                hashlib.sha256(path.read_bytes()).hexdigest(),
            )
            for path in files
        )
    )


def system_arguments(image: str, overlay: Path = OVERLAY) -> list[str]:
    """mmdebstrap's arguments for a machine's system, without target and mirror."""
    packages = _SERVER + ("," + _ENGINE if image == "engine" else "")
    hooks = [
        f'tar -C "{overlay}" --owner=0 --group=0 --mode=u=rwX,go=rX -c . | '
        'tar -C "$1" -x --no-overwrite-dir',
        'chroot "$1" useradd --create-home --shell /bin/bash ops',
        'rm -f "$1"/etc/ssh/ssh_host_* "$1/etc/apt/sources.list" "$1/etc/hostname"',
        f'chroot "$1" systemctl mask --quiet {_MASKED}',
        'chroot "$1" systemctl enable --quiet lab-ready.service',
        'mkdir -p "$1/usr/lib/modules"',
    ]
    if image == "engine":
        # Debian's ready kernel has no nf_tables for IPv4.
        hooks += [
            f'chroot "$1" update-alternatives --quiet --set {tool} /usr/sbin/{tool}-legacy'
            for tool in ("iptables", "ip6tables")
        ]
    return [
        "--variant=apt",
        f"--include={packages}",
        *(f"--dpkgopt={option}" for option in _LEAN),
        *(f"--customize-hook={hook}" for hook in hooks),
        SUITE,
    ]


def system_digest(image: str) -> str:
    """Of a machine's system; every checkout shares it, wherever it lies."""
    return digest(system_arguments(image, Path("overlay")), tree_digest(OVERLAY))


@dataclass(frozen=True)
class Container:
    """A container image made of Debian packages, to stand in for an upstream one in the lab."""

    name: str
    tag: str
    title: str
    packages: str
    hooks: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = ""
    folder: str = "/"
    volume: str = ""
    port: int = 0

    def arguments(self) -> list[str]:
        """mmdebstrap's arguments, without target and mirror."""
        return [
            "--variant=essential",
            f"--include={self.packages}",
            *(f"--dpkgopt={option}" for option in _LEAN),
            *(f"--customize-hook={hook}" for hook in self.hooks),
            '--customize-hook=rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/* "$1"/var/log/*',
            SUITE,
        ]

    def settings(self) -> dict[str, object]:
        """The `config` object of the image (OCI image specification, config.md)."""
        settings: dict[str, object] = {
            "Env": ["PATH=/usr/local/bin:/usr/bin:/usr/sbin", "LANG=C.UTF-8", *self.environment],
            "WorkingDir": self.folder,
            "Labels": {
                "org.opencontainers.image.title": f"{self.title}, built from Debian {SUITE}",
                "org.opencontainers.image.description": (
                    f"Debian's packages {self.packages.replace(',', ', ')}: "
                    "made by the lab in place of the upstream image."
                ),
                "org.opencontainers.image.vendor": "the lab of monsterstack.swarm",
            },
        }
        if self.entrypoint:
            settings["Entrypoint"] = list(self.entrypoint)
        if self.command:
            settings["Cmd"] = list(self.command)
        if self.user:
            settings["User"] = self.user
        if self.volume:
            settings["Volumes"] = {self.volume: {}}
        if self.port:
            settings["ExposedPorts"] = {f"{self.port}/tcp": {}}
        return settings


_CA = "/etc/ssl/certs/ca-certificates.crt"
_REGISTRY_CONFIG = """\
version: 0.1
log: {fields: {service: registry}}
storage:
  filesystem: {rootdirectory: /var/lib/registry}
  delete: {enabled: true}
http:
  addr: :5000
  headers: {X-Content-Type-Options: [nosniff]}
health:
  storagedriver: {enabled: true, interval: 10s, threshold: 3}
"""
# Like upstream's image: a configuration file, a subcommand or a whole command may follow its name.
_REGISTRY_ENTRY = """\
#!/bin/sh
case "$1" in
  *.yml | *.yaml) set -- registry serve "$@" ;;
  serve | garbage-collect | help | -*) set -- registry "$@" ;;
esac
exec "$@"
"""

CONTAINERS = (
    Container(
        name="debian-python",
        tag="3.13",
        title="Python 3.13",
        packages="python3,python3-pip,python3-venv,ca-certificates",
        hooks=(
            'ln -s python3 "$1/usr/bin/python"',
            # In an image pip is the package manager for Python, not apt.
            'rm "$1/usr/lib/python3.13/EXTERNALLY-MANAGED"',
            # The certificates this computer trusts: behind some proxies nothing else works.
            f'cp {_CA} "$1{_CA}"',
        ),
        environment=(f"PIP_CERT={_CA}", f"SSL_CERT_FILE={_CA}", f"REQUESTS_CA_BUNDLE={_CA}"),
        command=("python3",),
    ),
    Container(
        name="debian-redis",
        tag="8.0",
        title="Redis 8.0",
        packages="redis-server",
        hooks=(
            # The user's numbers are the upstream image's, so that volumes fit both.
            'chroot "$1" groupmod -g 999 redis',
            'chroot "$1" usermod -u 999 -g 999 redis',
            'install -d -o 999 -g 999 "$1/data"',
            'chown -R 999:999 "$1/var/lib/redis" "$1/etc/redis"',
        ),
        command=("redis-server", "--dir", "/data", "--protected-mode", "no"),
        user="redis",
        folder="/data",
        volume="/data",
        port=6379,
    ),
    Container(
        name="debian-registry",
        tag="2.8",
        title="Docker registry 2.8",
        packages="docker-registry,ca-certificates",
        hooks=(
            'ln -s docker-registry "$1/usr/bin/registry"',
            'mkdir -p "$1/etc/docker/registry" "$1/var/lib/registry"',
            f"cat >\"$1/etc/docker/registry/config.yml\" <<'EOF'\n{_REGISTRY_CONFIG}EOF",
            f"cat >\"$1/entrypoint.sh\" <<'EOF'\n{_REGISTRY_ENTRY}EOF",
            'chmod 755 "$1/entrypoint.sh"',
        ),
        entrypoint=("/entrypoint.sh",),
        command=("/etc/docker/registry/config.yml",),
        volume="/var/lib/registry",
        port=5000,
    ),
)


def mirror_digest(ca_bundle: bytes) -> str:
    """Of all container images together; this computer's certificates are in one of them."""
    return digest(
        [asdict(container) | {"run": container.arguments()} for container in CONTAINERS],
        hashlib.sha256(ca_bundle).hexdigest(),
    )


def kernel_digest(kind: str) -> str:
    """Of the kernel `fast` (its configuration) or `ready` (its package and suite)."""
    if kind == "fast":
        return digest(KERNEL_SERIES, KERNEL_CONFIG.read_text())
    return digest("user-mode-linux", SUITE)


def preload_digest() -> str:
    """Of the library that the ready kernel needs on a processor with AMX."""
    return digest(WHOLE_SETS.read_text())


def host_packages(kind: str, *, amx: bool, build: bool = False) -> tuple[str, ...]:
    """The Debian packages that this computer needs, sorted.

    kind: the machines' kernel, fast, ready, or auto where that is not known yet; amx: whether the
    processor has AMX; build: with those for building the fast kernel.
    """
    names = {*HOST_PACKAGES, *(BUILD_PACKAGES if build else ())}
    if amx and kind != "fast":
        names.update(AMX_PACKAGES)
    return tuple(sorted(names))


def pick_kernel_source(packages: list[str]) -> str | None:
    """The package to build from: the series the configuration is for, else the next later one."""
    wanted = _series(f"linux-source-{KERNEL_SERIES}")
    later = sorted(
        (series, package)
        for package in packages
        if (series := _series(package)) is not None and wanted is not None and series >= wanted
    )
    return later[0][1] if later else None


def _series(package: str) -> tuple[int, int] | None:
    major, _, minor = package.removeprefix("linux-source-").partition(".")
    if package.startswith("linux-source-") and major.isdecimal() and minor.isdecimal():
        return int(major), int(minor)
    return None
