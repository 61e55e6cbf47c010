#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: sealed_archive
short_description: Put a folder into one encrypted file, and back
version_added: 0.1.0
description:
  - The file is a gzipped tar in pieces of AES-256-GCM. Whatever is changed in it or cut off is
    noticed. It is read back as a whole before it gets its name.
  - The key stands in no result.
author: The monsterstack.swarm contributors (@monsterstack)
requirements:
  - cryptography
options:
  state:
    description:
      - V(sealed) makes the file O(path) of the folder O(folder).
      - V(opened) makes the folder O(folder) of the file O(path).
      - V(pruned) removes archives that are older than the one in O(path), see O(keep).
    type: str
    choices: [sealed, opened, pruned]
    required: true
  path:
    description: The encrypted file.
    type: path
    required: true
  folder:
    description:
      - The folder. No file that is to be written may be there already. Not for V(pruned).
      - A link to a file goes in as that file.
    type: path
  key_file:
    description: The file with the key, a line of text. To V(sealed), one is made if it is missing.
    type: path
    required: true
  key:
    description: The key itself. Then O(key_file) is neither read nor made.
    type: str
  manifest:
    description: What the file is, to be asked for before anything else.
    type: dict
    default: {}
  leave_out:
    description: Names of files of the folder that do not go into the file.
    type: list
    elements: str
    default: []
  keep:
    description:
      - How many archives stay in the folder of O(path), for V(pruned). V(0) keeps all.
      - Only archives of the same stack and cluster count, as their manifests name them, and the
        newest are those with the latest time in their names. O(path) always stays. The file
        C(.credentials) goes with the file C(.cluster) of the same name.
    type: int
    default: 0
attributes:
  check_mode:
    description: Opening reads everything and writes nothing. Sealing only predicts the change.
    support: full
"""

EXAMPLES = r"""
- name: Keep a folder
  monsterstack.swarm.sealed_archive:
    state: sealed
    path: /srv/backups/shop-20261124T120000Z.cluster
    folder: /srv/collected
    key_file: /root/backup_key
  delegate_to: localhost

- name: Forget the older ones
  monsterstack.swarm.sealed_archive:
    state: pruned
    path: /srv/backups/shop-20261124T120000Z.cluster
    key_file: /root/backup_key
    keep: 7
  delegate_to: localhost
"""

RETURN = r"""
manifest:
  description: What was given when the file was made.
  returned: when O(state) is not V(pruned)
  type: dict
path:
  description: The same as O(path).
  returned: when O(state=opened)
  type: str
folder:
  description: The same as O(folder).
  returned: when O(state=opened)
  type: str
files:
  description: Bytes and SHA-256 by path in the folder.
  returned: when O(state) is not V(pruned)
  type: dict
bytes:
  description: Size of the encrypted file.
  returned: when O(state) is not V(pruned)
  type: int
passed_over:
  description: Paths in O(folder) that are not in the file, such as a link that leads nowhere.
  returned: when O(state=sealed)
  type: list
  elements: str
removed:
  description: Names of the older files that were removed.
  returned: success
  type: list
  elements: str
key_made:
  description: Whether the key was made by this call.
  returned: success
  type: bool
"""

import hashlib
import io
import json
import os
import secrets
import tarfile
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.monsterstack.swarm.plugins.module_utils import backup, sealed

MANIFEST = "manifest.json"


class ArchiveError(Exception):
    """Something that the user has to know."""


def private(name: str, flags: int) -> int:
    """An opener of files that only their owner reads."""
    return os.open(name, flags, 0o600)


def digests(folder: Path, leave_out: list[str]) -> dict[str, dict[str, Any]]:
    """Bytes and SHA-256 of each file below a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in leave_out:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            name = str(path.relative_to(folder))
            found[name] = {"bytes": path.stat().st_size, "sha256": digest}
    return found


def passed_over(folder: Path) -> list[str]:
    """What is below a folder and does not go into the file: links that lead to no file, sockets."""
    found = [path for path in folder.rglob("*") if not path.is_file()]
    return sorted(
        str(path.relative_to(folder)) for path in found if path.is_symlink() or not path.is_dir()
    )


def seal(module: AnsibleModule, path: Path, folder: Path, key: str) -> dict[str, Any]:
    """Write the file under another name, read it back, and give it its name."""
    files = digests(folder, module.params["leave_out"])
    head = json.dumps({"manifest": module.params["manifest"], "files": files}).encode()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(path.name + ".part")
    with open(part, "wb", opener=private) as raw:
        with (
            sealed.Writer(raw, key) as writer,
            # A link goes in as what it leads to: elsewhere it would lead nowhere.
            tarfile.open(fileobj=writer, mode="w|gz", dereference=True) as tar,
        ):
            info = tarfile.TarInfo(MANIFEST)
            info.size = len(head)
            tar.addfile(info, io.BytesIO(head))
            for name in files:
                tar.add(folder / name, arcname=name, recursive=False)
        raw.flush()
        os.fsync(raw.fileno())
    read(part, key, None)
    part.rename(path)
    return {
        "manifest": module.params["manifest"],
        "files": files,
        "bytes": path.stat().st_size,
        "passed_over": passed_over(folder),
    }


def read(path: Path, key: str, folder: Path | None) -> dict[str, Any]:
    """Read the whole file, compare every digest, and write what is in it into a folder."""
    head: dict[str, Any] = {}
    seen: set[str] = set()
    with path.open("rb") as raw:
        reader = io.BufferedReader(sealed.Reader(raw, key), sealed.PIECE)
        with tarfile.open(fileobj=reader, mode="r|gz") as tar:
            for member in tar:
                file = tar.extractfile(member)
                if file is None:
                    raise ArchiveError(f"{path} holds {member.name}, which is no file")
                if not head:
                    head = json.load(file)
                    there = [name for name in head["files"] if folder and (folder / name).exists()]
                    if there:
                        raise ArchiveError(f"{folder} has {', '.join(there)} already")
                    continue
                known = head["files"].get(member.name)
                if not known or not safe(member.name):
                    raise ArchiveError(f"{path} holds {member.name}, which it does not name")
                digest = copy(file, folder / member.name if folder else None)
                if digest != known["sha256"]:
                    raise ArchiveError(f"{member.name} in {path} is not what it was")
                seen.add(member.name)
        reader.read()  # what comes after the last member is part of the seal too
    missing = set(head.get("files", {})) - seen
    if not head or missing:
        raise ArchiveError(f"{path} lacks {', '.join(sorted(missing)) or MANIFEST}")
    return {**head, "bytes": path.stat().st_size}


def safe(name: str) -> bool:
    """Whether a path stays inside the folder."""
    return not Path(name).is_absolute() and ".." not in Path(name).parts


def copy(source: Any, target: Path | None) -> str:
    """SHA-256 of a stream, written to a file that only its owner reads."""
    digest = hashlib.sha256()
    if target:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with open(target or os.devnull, "wb", opener=private) as file:
        while data := source.read(1 << 20):
            digest.update(data)
            file.write(data)
    return digest.hexdigest()


def head_of(path: Path, key: str) -> dict[str, Any] | None:
    """An archive's manifest, from its beginning; None for what the key does not open."""
    try:
        with path.open("rb") as raw:
            reader = io.BufferedReader(sealed.Reader(raw, key), sealed.PIECE)
            with tarfile.open(fileobj=reader, mode="r|gz") as tar:
                member = tar.next()
                file = tar.extractfile(member) if member else None
                head: dict[str, Any] = json.load(file) if file else {}
    except (sealed.SealedError, OSError, tarfile.TarError, ValueError, EOFError):
        return None
    manifest = head.get("manifest")
    return manifest if isinstance(manifest, dict) else None


def old_ones(path: Path, keep: int, key: str) -> list[Path]:
    """Archives of the same cluster's stack beyond the newest ones; all others stay."""
    heads = {one.name: head_of(one, key) for one in path.parent.glob("*.cluster")}
    manifests = {name: head for name, head in heads.items() if head is not None}
    others = [one.name for one in path.parent.iterdir()]
    return [path.parent / one for one in backup.outdated(manifests, others, path.name, keep)]


def get_key(path: Path, make: bool, check_mode: bool) -> tuple[str, bool]:
    """(the key, whether it was made now)."""
    if path.is_file():
        key = path.read_text(encoding="utf-8").strip()
        if not key:
            raise ArchiveError(f"the file {path} is empty: it has to hold the key")
        return key, False
    if not make:
        raise ArchiveError(
            f"the key is not in {path}: without it no archive can be opened. If it is kept "
            "elsewhere, name its place in backup_key_file"
        )
    key = secrets.token_hex(32)
    if not check_mode:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(path, "x", encoding="utf-8", opener=private) as file:
            file.write(f"{key}\n")
    return key, True


def run(module: AnsibleModule) -> dict[str, Any]:
    path, folder = Path(module.params["path"]), Path(module.params["folder"] or "")
    sealing = module.params["state"] == "sealed"
    key, made = (module.params["key"] or "").strip(), False
    if not key:
        key, made = get_key(Path(module.params["key_file"]), sealing, module.check_mode)
    if module.params["state"] == "pruned":
        removed = old_ones(path, module.params["keep"], key)
        for old in [] if module.check_mode else removed:
            old.unlink()
        return {"changed": bool(removed), "removed": [old.name for old in removed]}
    if sealing:
        if not folder.is_dir():
            raise ArchiveError(f"{folder} is no folder")
        empty: dict[str, Any] = {"files": {}, "bytes": 0, "passed_over": passed_over(folder)}
        result = {"manifest": module.params["manifest"], **empty}
        if not module.check_mode:
            result = seal(module, path, folder, key)
        return {"changed": True, **result, "removed": [], "key_made": made}
    if not path.is_file():
        raise ArchiveError(f"{path} is no file")
    # Everything is read and compared before the first file is written.
    result = read(path, key, None)
    if not module.check_mode:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        read(path, key, folder)
    where = {"path": str(path), "folder": str(folder)}
    return {"changed": True, **result, **where, "removed": [], "key_made": False}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["sealed", "opened", "pruned"], "required": True},
            "path": {"type": "path", "required": True},
            "folder": {"type": "path"},
            "key_file": {"type": "path", "required": True, "no_log": False},
            "key": {"type": "str", "no_log": True},
            "manifest": {"type": "dict", "default": {}},
            "leave_out": {"type": "list", "elements": "str", "default": []},
            "keep": {"type": "int", "default": 0},
        },
        required_if=[("state", "sealed", ["folder"]), ("state", "opened", ["folder"])],
        supports_check_mode=True,
    )
    if not sealed.HAS_CRYPTOGRAPHY:
        module.fail_json(msg=missing_required_lib("cryptography"))
    try:
        result = run(module)
    except sealed.SealedError as error:
        module.fail_json(msg=f"{module.params['path']} does not open: {error}.")
    except (ArchiveError, OSError, tarfile.TarError, ValueError) as error:
        module.fail_json(msg=f"{error}.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
