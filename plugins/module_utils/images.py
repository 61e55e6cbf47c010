# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names of images: what has to be asked for, what these sources are called, what came back."""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils import dockerfile
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
        expression = _expression(pattern.lstrip("!").strip().strip("/"))
        if any(expression.fullmatch(candidate) for candidate in above):
            ignored = not exception
    return ignored


@functools.cache
def _expression(pattern: str) -> re.Pattern[str]:
    """A pattern of a .dockerignore as a regular expression, as moby's patternmatcher makes it: a
    star stays within one name, two go through folders."""
    expression = ""
    rest = pattern.removeprefix("./")
    while rest:
        if rest.startswith("**"):
            rest = rest[2:]
            expression += "(?:.*/)?" if rest.startswith("/") else ".*"
            rest = rest.removeprefix("/")
            continue
        first, rest = rest[0], rest[1:]
        if first == "*":
            expression += "[^/]*"
        elif first == "?":
            expression += "[^/]"
        elif first == "[" and "]" in rest:
            inside, _bracket, rest = rest.partition("]")
            negated = "^" if inside[:1] in ("^", "!") else ""
            inside = inside[len(negated) :].replace("\\", "\\\\").replace("[", "\\[")
            expression += f"[{negated}{inside}]"
        elif first == "\\" and rest:
            expression += re.escape(rest[0])
            rest = rest[1:]
        else:
            expression += re.escape(first)
    return re.compile(expression, re.DOTALL)


def tree_hash(folder: Path) -> str:
    """12 hex digits of SHA-256 over a build context: paths, contents, links, who is executable.

    The Dockerfile counts always: Docker reads it even where .dockerignore leaves it out. Raises
    ValueError when there is no Dockerfile in the folder.
    """
    dockerfile_of(folder)
    dockerignore = folder / ".dockerignore"
    patterns = ignore_patterns(dockerignore.read_text() if dockerignore.is_file() else "")
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder).as_posix()
        if any(part in ALWAYS_IGNORED for part in relative.split("/")):
            continue
        if relative != "Dockerfile" and is_ignored(relative, patterns):
            continue
        if path.is_symlink():
            digest.update(f"{relative}\0link\0{path.readlink()}\n".encode())
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            digest.update(f"{relative}\0{path.stat().st_mode & 0o100:o}\0{content}\n".encode())
    return digest.hexdigest()[:12]


def dockerfile_of(folder: Path) -> Path:
    """The Dockerfile of a build context. Raises ValueError when there is none."""
    path = folder / "Dockerfile"
    if not path.is_file():
        raise ValueError(f"{folder}: there is no Dockerfile, so no image can be built from it.")
    return path


def planned_builds(
    missing: Iterable[Mapping[str, Any]], build_args: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What building images needs, for each of wanted_images' entries: {…, args, bases, seed}.

    `args` are the build arguments, VERSION (the tag) among them; `bases` the images that the
    Dockerfile reads; `seed` a hash of the sources and of the arguments that the Dockerfile
    declares. Raises ValueError for a context that cannot be built.
    """
    plans: list[dict[str, Any]] = []
    for one in missing:
        folder = Path(one["context"])
        args = {name: str(value) for name, value in build_args.items()}
        args["VERSION"] = one["image"]["tag"]
        try:
            found = dockerfile.read(dockerfile_of(folder).read_text(encoding="utf-8"), args)
        except ValueError as error:
            raise ValueError(f"{one['key']} ({folder}): {error}") from error
        used = {name: args[name] for name in found.arguments if name in args}
        plans.append(
            {
                **one,
                "args": args,
                "bases": list(found.bases),
                "seed": _short_hash([tree_hash(folder), used]),
            }
        )
    return plans


def identified_builds(
    plans: Iterable[Mapping[str, Any]],
    answers: Iterable[Mapping[str, Any]],
    local: Iterable[Mapping[str, Any]],
) -> list[dict[str, Any]]:
    """planned_builds' entries with the identity of what they give: {…, pull, image{source_hash}}.

    `answers` are image_digests' for the bases, `local` what the builder's engine says (`docker
    image inspect`) of those that no registry has. With `pull` the build takes the registry's
    images. A base that exists on the builder only keeps the build from asking registries, so that
    for every base the builder's copy counts where there is one. A source hash is empty where a
    base is not known: then nothing built before is taken for the same.
    """
    digests = {one["reference"]: one["digest"] for one in answers if one["exists"]}
    copies = {name: one["Id"] for one in local for name in one.get("RepoTags") or []}
    builds: list[dict[str, Any]] = []
    for plan in plans:
        bases = plan["bases"]
        pull = all(base in digests for base in bases)
        found = {
            base: digests[base] if pull else copies.get(_named(base)) or digests.get(base, "")
            for base in bases
        }
        identity = _short_hash([plan["seed"], found]) if all(found.values()) else ""
        image = {**plan["image"], **({"source_hash": identity} if identity else {})}
        builds.append({**plan, "pull": pull, "image": image})
    return builds


def _named(reference: str) -> str:
    """A reference as the engine lists it among its own: with a tag, Docker Hub unnamed."""
    name, tag, digest = split_reference(reference)
    name = name.removeprefix("docker.io/").removeprefix("library/")
    return f"{name}@{digest}" if digest else f"{name}:{tag or 'latest'}"


def _short_hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]


def wanted_images(
    build: Mapping[str, Mapping[str, Any]],
    upstream: Mapping[str, str],
    known: Mapping[str, str],
    registry: str,
    tag: str,
    sources: str,
    load: bool = False,
) -> list[dict[str, Any]]:
    """What has to be asked for: [{key, built, context or source, image{name, tag}}].

    Contexts are folders below `sources`; nothing is read there: who pulls has no sources. With
    `load` an upstream image is kept in our registry under its own path.
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
