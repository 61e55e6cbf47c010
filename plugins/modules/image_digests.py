#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: image_digests
short_description: Ask the registries which digests some image tags have
version_added: 0.1.0
description:
  - Asks through the engine, with its certificates and proxies and the login of the user that the
    task becomes, all images at the same time. Pulls nothing and changes nothing.
  - A missing image is an answer, not a failure.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  images:
    description: The images to ask for.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name with the registry, without a tag.
        type: str
        required: true
      tag:
        description: The tag.
        type: str
        required: true
      digest:
        description: Ask for this digest instead of the tag's.
        type: str
      source_hash:
        description:
          - Hash of what the image is built from, sources, arguments and base images.
          - Whoever builds pushes the image as C(src-<source_hash>) too. If both tags have one
            digest, RV(images[].current) is true and nothing needs to be built.
        type: str
  references:
    description: More images, as a compose file names them, C(name:tag@digest).
    type: list
    elements: str
    default: []
  list_tags:
    description: Return RV(images[].tags) too.
    type: bool
    default: false
  docker_config:
    description: Folder of the Docker command's C(config.json), where the logins are.
    type: path
    default: ~/.docker
  timeout:
    description: How many seconds a registry may take.
    type: int
    default: 30
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Runs in check mode, and does the same.
    support: full
"""

EXAMPLES = r"""
- name: See what the registry has
  monsterstack.swarm.image_digests:
    images:
      - name: registry.example.org:5000/shop/web
        tag: "2.0"
        source_hash: 3f786850e387
  become: true
  register: __digests
"""

RETURN = r"""
images:
  description: One entry per image, in the order asked.
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: As asked.
      returned: always
      type: str
    tag:
      description: As asked.
      returned: always
      type: str
    reference:
      description: As asked in O(references), or null.
      returned: always
      type: str
    ref:
      description: C(name:tag@digest), or null.
      returned: always
      type: str
    exists:
      description: Whether the registry has the tag.
      returned: always
      type: bool
    digest:
      description: The digest, or null.
      returned: always
      type: str
    error:
      description: Null, C(not_found), C(unauthorized) or C(unreachable).
      returned: always
      type: str
    message:
      description: What the engine said, or null.
      returned: always
      type: str
    source_hash:
      description: As asked, or null.
      returned: always
      type: str
    source_digest:
      description: Digest of the tag C(src-<source_hash>), or null.
      returned: always
      type: str
    tags:
      description:
        - With O(list_tags) and for an image that was not found, the tags that its registry has of
          it, without C(src-…). Null where it does not tell; a registry with TLS and a plain login
          does.
      returned: always
      type: list
      elements: str
    current:
      description: Whether both tags exist with one digest. Null without a source hash.
      returned: always
      type: bool
by_name:
  description: The same entries by image name. Of several tags of one name, the last.
  returned: always
  type: dict
"""

import base64
import http.client
import json
import ssl
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import digests
from ansible_collections.monsterstack.swarm.plugins.module_utils.docker_config import (
    ask_helper,
    read_config,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
)

# Where the engine keeps what it trusts a registry by.
CERTIFICATES = Path("/etc/docker/certs.d")


def list_tags(name: str, login: Mapping[str, str] | None, timeout: float) -> list[str] | None:
    """The tags of an image, from the registry itself: the engine has no such question. Only to
    help somebody who named a tag that is not there, so whatever goes wrong is just no answer."""
    registry = digests.registry_of(name)
    authority = CERTIFICATES / registry / "ca.crt"
    try:
        trust = ssl.create_default_context(cafile=authority if authority.is_file() else None)
        connection = http.client.HTTPSConnection(registry, timeout=timeout, context=trust)
        headers = {}
        if login and "password" in login:
            pair = f"{login['username']}:{login['password']}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        path = name.removeprefix(f"{registry}/")
        connection.request("GET", f"/v2/{path}/tags/list?n=1000", headers=headers)
        answer = connection.getresponse()
        if answer.status == 404:
            return []
        tags = json.loads(answer.read(2**20))["tags"] if answer.status == 200 else None
        return digests.release_tags(tags) if tags is not None else None
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return None


def ask(
    engine: Engine, name: str, tag: str, header: dict[str, str]
) -> tuple[str | None, str | None, str | None]:
    """(digest, None, None), or (None, kind of error, message). `tag` may be a digest."""
    try:
        path = f"/distribution/{name}{'@' if ':' in tag else ':'}{tag}/json"
        answer = json.loads(engine.raw("GET", path, headers=header))
    except EngineError as error:
        if error.status == 0 and "timed out" not in str(error):
            raise
        return None, digests.classify(error.status, str(error)), str(error)
    return answer["Descriptor"]["digest"], None, None


def look_up(
    module: AnsibleModule,
    engine: Engine,
    image: Mapping[str, Any],
    logins: Mapping[str, dict[str, str] | None],
) -> dict[str, Any]:
    """One entry of the result."""
    name, tag, source = image["name"], image["tag"], image["source_hash"]
    login = logins[digests.registry_of(name)]
    header = digests.login_header(login)
    digest, error, message = ask(engine, name, image["digest"] or tag, header)
    source_digest = None
    if source and error in (None, "not_found"):
        source_digest, _error, _message = ask(engine, name, f"src-{source}", header)
    tags = None
    if error == "not_found" and module.params["list_tags"]:
        tags = list_tags(name, login, module.params["timeout"])
    return {
        "name": name,
        "tag": tag,
        "reference": image.get("reference"),
        "ref": str(digests.Reference(name, tag, digest)) if digest else None,
        "exists": digest is not None,
        "digest": digest,
        "error": error,
        "message": message,
        "source_hash": source,
        "source_digest": source_digest,
        "tags": tags,
        "current": bool(digest and digest == source_digest) if source else None,
    }


def wanted(module: AnsibleModule) -> list[dict[str, Any]]:
    """Both ways to name an image as one list."""
    found: list[dict[str, Any]] = list(module.params["images"])
    for text in module.params["references"]:
        reference = digests.parse_reference(text)
        found.append(
            {
                "name": reference.name,
                "tag": reference.tag or "latest",
                "digest": reference.digest or None,
                "source_hash": None,
                "reference": text,
            }
        )
    for image in found:
        if not digests.TAG_PATTERN.fullmatch(image["tag"]):
            module.fail_json(msg=f"{image['tag']!r} of {image['name']} cannot be an image tag.")
    return found


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "images": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {
                    "name": {"type": "str", "required": True},
                    "tag": {"type": "str", "required": True},
                    "digest": {"type": "str"},
                    "source_hash": {"type": "str"},
                },
            },
            "references": {"type": "list", "elements": "str", "default": []},
            "list_tags": {"type": "bool", "default": False},
            "docker_config": {"type": "path", "default": "~/.docker"},
            "timeout": {"type": "int", "default": 30},
            **ENGINE_OPTIONS,
        },
        supports_check_mode=True,
    )
    images = wanted(module)
    config = read_config(module)
    logins = {
        registry: digests.login_for(registry, config, partial(ask_helper, module))
        for registry in {digests.registry_of(image["name"]) for image in images}
    }
    try:
        engine = Engine(module.params["docker_host"], timeout=module.params["timeout"])
        with ThreadPoolExecutor(max_workers=8) as pool:
            found = list(pool.map(lambda image: look_up(module, engine, image, logins), images))
    except EngineError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, images=found, by_name={entry["name"]: entry for entry in found})


if __name__ == "__main__":
    main()
