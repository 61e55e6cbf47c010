#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: stack_secrets
short_description: Create a stack's secrets under names of their content, and remove the old ones
version_added: 0.1.0
description:
  - Swarm's secrets and configs cannot be changed. A new value gets a new name, the service is
    updated to it, and the old one is removed once nothing uses it.
  - The name is C(<stack>_<name>_<hash>), where the hash is the first 12 hexadecimal digits of
    HMAC-SHA256(O(key), name NUL value). Without the key the value cannot be guessed from it.
  - Values are sent over the engine's socket. They never stand in a result, a diff or a command.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  stack:
    description: Name of the stack.
    type: str
    required: true
  state:
    description:
      - V(present) creates what is missing.
      - V(pruned) removes what no service uses and O(keep) does not name. Only objects that this
        module made are removed.
    type: str
    choices: [present, pruned]
    default: present
  kind:
    description: Whether secrets or configs are meant.
    type: str
    choices: [secret, config]
    default: secret
  secrets:
    description: Values by short name. They are stored as they are, a trailing newline included.
    type: dict
    default: {}
  key:
    description: The key of the hash. Keep it as secret as the values. Required for V(present).
    type: str
  keep:
    description: Full names that are not to be removed.
    type: list
    elements: str
    default: []
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Predicts names, creations and removals.
    support: full
"""

EXAMPLES = r"""
- name: Create the secrets of the stack
  monsterstack.swarm.stack_secrets:
    stack: shop
    secrets:
      db_password: "{{ vault_db_password }}"
    key: "{{ vault_secret_key }}"
  no_log: true
  register: __shop_secrets

- name: Remove the secrets of earlier releases
  monsterstack.swarm.stack_secrets:
    stack: shop
    state: pruned
    keep: "{{ __shop_secrets.names.values() | list }}"
"""

RETURN = r"""
names:
  description: Full name by short name.
  returned: when O(state=present)
  type: dict
created:
  description: Full names that were created.
  returned: when O(state=present)
  type: list
  elements: str
removed:
  description: Full names that were removed.
  returned: when O(state=pruned)
  type: list
  elements: str
"""

import base64
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import objects
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
    stack_filter,
)


def create(module: AnsibleModule, engine: Engine, collection: str) -> dict[str, Any]:
    """Create what is missing."""
    stack, kind = module.params["stack"], module.params["kind"]
    values = {name: str(value) for name, value in module.params["secrets"].items()}
    try:
        names = objects.full_names(stack, values, module.params["key"])
    except ValueError as error:
        module.fail_json(msg=f"{kind} of the stack {stack}: {error}")
    there = {item["Spec"]["Name"] for item in engine.get(collection)}
    missing = {name: full for name, full in names.items() if full not in there}
    if not module.check_mode:
        for name, full in missing.items():
            data = base64.b64encode(values[name].encode()).decode()
            body = {"Name": full, "Labels": objects.labels(stack, kind, name), "Data": data}
            engine.post(f"{collection}/create", body)
    return {"changed": bool(missing), "names": names, "created": sorted(missing.values())}


def prune(module: AnsibleModule, engine: Engine, collection: str) -> dict[str, Any]:
    """Remove what nobody needs any more."""
    kind = module.params["kind"]
    # Services of all stacks: a secret may be lent to another one as an external secret.
    used = objects.used_names(engine.get("/services"), kind)
    mine = engine.get(collection, filters=stack_filter(module.params["stack"]))
    old = objects.obsolete(mine, used, kind, module.params["keep"])
    if not module.check_mode:
        for object_id in old:
            engine.delete(f"{collection}/{object_id}")
    return {"changed": bool(old), "removed": sorted(old.values())}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stack": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "pruned"], "default": "present"},
            "kind": {"type": "str", "choices": ["secret", "config"], "default": "secret"},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "key": {"type": "str", "no_log": True},
            "keep": {"type": "list", "elements": "str", "default": [], "no_log": False},
            **ENGINE_OPTIONS,
        },
        required_if=[("state", "present", ["key"])],
        supports_check_mode=True,
    )
    collection = f"/{module.params['kind']}s"
    work = create if module.params["state"] == "present" else prune
    try:
        module.exit_json(**work(module, Engine(module.params["docker_host"]), collection))
    except EngineError as error:
        module.fail_json(msg=f"the {module.params['kind']}s of the stack: {error}")


if __name__ == "__main__":
    main()
