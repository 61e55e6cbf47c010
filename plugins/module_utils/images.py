# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of images: what has to be asked for, what these sources are called, what came back."""

from __future__ import annotations

import fnmatch
import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.digests import registry_of

# Never part of an image, whatever a .dockerignore says.
ALWAYS_IGNORED = ("__pycache__", ".git")


def split_reference(reference: str) -> tuple[str, str, str]:
    """`host:port/path:tag@digest` as (name, tag, digest); what is not there is empty."""
    rest, _at, digest = reference.partition("@")
    name, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:  # the colon of a port, or none
        name, tag = rest, ""
    return name, tag, digest


def path_in_registry(reference: str) -> str:
    """The name without its registry: `docker.io/library/redis:8` gives `library/redis`."""
    name = split_reference(reference)[0]
    first, slash, rest = name.partition("/")
    return rest if slash and ("." in first or ":" in first or first == "localhost") else name


def ignore_patterns(dockerignore: str) -> tuple[str, ...]:
    """The patterns of a .dockerignore, comments and blank lines dropped, in their order."""
    lines = (line.strip() for line in dockerignore.splitlines())
    return tuple(line for line in lines if line and not line.startswith("#"))


def is_ignored(path: str, patterns: Iterable[str]) -> bool:
    """Whether a path (relative, with `/`) is left out of a build context.

    The last pattern that matches the path or a folder above it decides; `!` takes it back in, as
    Docker's own documentation of .dockerignore says.
    """
    parts = path.split("/")
    above = ["/".join(parts[: depth + 1]) for depth in range(len(parts))]
    ignored = False
    for pattern in patterns:
        exception = pattern.startswith("!")
        plain = pattern.lstrip("!").strip("/")
        anywhere = plain.startswith("**/")
        plain = plain.removeprefix("**/")
        # In Docker's patterns a star stays within one name, so the depths must agree.
        if any(
            _matches(
                candidate.split("/")[-len(plain.split("/")) :]
                if anywhere
                else candidate.split("/"),
                plain.split("/"),
            )
            for candidate in above
        ):
            ignored = not exception
    return ignored


def _matches(names: list[str], patterns: list[str]) -> bool:
    return len(names) == len(patterns) and all(
        fnmatch.fnmatchcase(name, pattern) for name, pattern in zip(names, patterns, strict=True)
    )


def tree_hash(folder: Path) -> str:
    """12 hex digits of SHA-256 over a build context: paths, contents, who is executable.

    Raises ValueError when there is no Dockerfile in the folder.
    """
    if not (folder / "Dockerfile").is_file():
        raise ValueError(f"{folder}: there is no Dockerfile, so no image can be built from it.")
    dockerignore = folder / ".dockerignore"
    patterns = ignore_patterns(dockerignore.read_text() if dockerignore.is_file() else "")
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if not path.is_file() or any(part in ALWAYS_IGNORED for part in path.parts):
            continue
        if is_ignored(relative, patterns):
            continue
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{relative}\0{path.stat().st_mode & 0o100:o}\0{content}\n".encode())
    return digest.hexdigest()[:12]


def wanted_images(
    build: Mapping[str, Mapping[str, Any]],
    upstream: Mapping[str, str],
    known: Mapping[str, str],
    registry: str,
    tag: str,
    sources: str,
    load: bool,
) -> list[dict[str, Any]]:
    """What has to be asked for: [{key, built, context or source, image{name, tag, source_hash}}].

    Contexts are folders below `sources`. With `load` an upstream image is kept in our registry
    under its own path. Raises ValueError for a context without a Dockerfile.
    """
    wanted: list[dict[str, Any]] = []
    for key, image in build.items():
        if key not in known:
            context = (Path(sources) / image["context"]).resolve()
            wanted.append(
                {
                    "key": key,
                    "built": True,
                    "context": str(context),
                    "image": {
                        "name": f"{registry}/{image['repository']}",
                        "tag": tag,
                        "source_hash": tree_hash(context),
                    },
                }
            )
    for key, reference in upstream.items():
        if key not in known:
            name, upstream_tag, _digest = split_reference(reference)
            wanted.append(
                {
                    "key": key,
                    "built": False,
                    "source": reference,
                    "image": {
                        "name": f"{registry}/{path_in_registry(reference)}" if load else name,
                        "tag": upstream_tag or "latest",
                    },
                }
            )
    return wanted


def image_references(
    wanted: Iterable[Mapping[str, Any]], *answers: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """{key: reference with digest}; later answers count more. Without a digest, name and tag."""
    references: dict[str, str] = {}
    for one in wanted:
        image = one["image"]
        reference = f"{image['name']}:{image['tag']}"
        for answer in answers:
            reference = answer.get(image["name"], {}).get("ref") or reference
        references[one["key"]] = reference
    return references


def refusals(
    answers: Iterable[Mapping[str, Any]], may_build: Iterable[str], host: str
) -> list[str]:
    """Why a release cannot have its images, in the user's words; empty when it can.

    `answers` are image_digests', `may_build` the names that are built when they are missing,
    `host` is who asked. A registry that does not answer is named once.
    """
    may_build = set(may_build)
    missing: list[str] = []
    others: dict[str, str] = {}
    for answer in answers:
        name, tag, kind = answer["name"], answer["tag"], answer.get("error")
        if answer["exists"] or (kind == "not_found" and name in may_build):
            continue
        if kind == "not_found":
            tags = answer.get("tags")
            known = f"; it has {', '.join(tags)}" if tags else ""
            known = "; it has no tag at all" if tags == [] else known
            missing.append(f"{name} has no tag {tag}{known}.")
        elif kind == "unauthorized":
            others[registry_of(name)] = (
                f"{registry_of(name)} refuses the login for {name}:{tag}. "
                "Check registry_user and registry_password."
            )
        else:
            others[registry_of(name)] = (
                f"{registry_of(name)} does not answer {host} ({answer.get('message')}). "
                "Check its name, its certificate and the network."
            )
    if missing:
        missing.append("Name a tag that is there, or let it be built: without build=false.")
    return [*missing, *others.values()]


def kept_images(
    running: Mapping[str, str],
    running_tag: str,
    tag: str,
    build: Iterable[str],
    upstream: Mapping[str, str],
    asked: bool = False,
    only: Iterable[str] = (),
    load: bool = False,
) -> dict[str, str]:
    """Those of the running references that this release keeps, digest and all.

    What we build stays as long as the tag stays; what others build as long as its name and tag do:
    a tag that was moved upstream does not change a release that is only applied again. `asked`:
    the tag was named, so that what still has another one is not kept. With `only` nothing else
    that we build changes. With `load` what others build is kept where wanted_images puts it.
    """
    only = set(only)
    kept: dict[str, str] = {}
    for key, reference in running.items():
        name, reference_tag, digest = split_reference(reference)
        wanted_name, wanted_tag, _digest = split_reference(upstream.get(key, ""))
        if not digest:
            continue
        stays = reference_tag == tag if asked or only else tag == running_tag
        ours = key in build and (stays or bool(only and key not in only))
        same = name == wanted_name
        if load:  # in our own registry, not where it came from
            same = not same and path_in_registry(name) == path_in_registry(wanted_name)
        same = same and reference_tag == (wanted_tag or "latest")
        if ours or (key in upstream and same):
            kept[key] = reference
    return kept
