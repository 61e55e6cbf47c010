#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: service_logins
short_description: Give running services the login that this user has at a registry
version_added: 0.1.0
description:
  - A service keeps the login it was deployed with. After a change of the password its tasks go on,
    but a node that has to pull the image for one of them cannot.
  - Writes each service's own spec once more, with the present login. Swarm restarts no task for it.
    Services of all stacks count whose image is in the registry.
  - Jobs are left alone, because any update runs them again, and services whose update has not
    ended, because any update would let it go on.
  - Cannot tell which login a service has, since the engine does not say. The caller knows when it
    has changed.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  registry:
    description: The registry as it stands at the beginning of the images' names.
    type: str
    required: true
  docker_config:
    description: Folder of the Docker command's C(config.json), where the logins are.
    type: path
    default: ~/.docker
  docker_host:
    description: The engine's socket.
    type: str
    default: unix:///var/run/docker.sock
attributes:
  check_mode:
    description: Says which services would get the login.
    support: full
"""

EXAMPLES = r"""
- name: Hand the new password on
  monsterstack.swarm.service_logins:
    registry: registry.example.org:5000
  become: true
"""

RETURN = r"""
services:
  description: Names of the services that got the login.
  returned: always
  type: list
  elements: str
left:
  description: A sentence about each service that did not.
  returned: always
  type: list
  elements: str
"""

from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import digests, logins
from ansible_collections.monsterstack.swarm.plugins.module_utils.docker_config import (
    ask_helper,
    read_config,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.engine import (
    ENGINE_OPTIONS,
    Engine,
    EngineError,
)
from ansible_collections.monsterstack.swarm.plugins.module_utils.swarm_api import rewrite


def hand_over(engine: Engine, service_id: str, registry: str, header: dict[str, str]) -> str:
    """Give a service a login; why it was left alone, or ""."""

    def why_not(service: dict[str, Any]) -> str:
        # What has begun since the list was made counts.
        renewed, left = logins.at_registry([service], registry)
        return (
            "" if renewed else "".join(left) or f"{service['Spec']['Name']}: has another image now."
        )

    return rewrite(engine, f"/services/{service_id}", why_not, header)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "registry": {"type": "str", "required": True},
            "docker_config": {"type": "path", "default": "~/.docker"},
            **ENGINE_OPTIONS,
        },
        supports_check_mode=True,
    )
    registry = module.params["registry"]
    login = digests.login_for(registry, read_config(module), partial(ask_helper, module))
    try:
        engine = Engine(module.params["docker_host"])
        renewed, left = logins.at_registry(engine.get("/services"), registry)
        if renewed and not login and not module.check_mode:
            module.fail_json(
                msg=f"this user is not logged in at {registry}: run site.yml, which logs in."
            )
        if not module.check_mode:
            header = digests.login_header(login)
            for service_id in list(renewed):
                why = hand_over(engine, service_id, registry, header)
                if why:
                    del renewed[service_id]
                    left.append(why)
    except EngineError as error:
        module.fail_json(msg=f"the services' login at {registry}: {error}")
    module.exit_json(changed=bool(renewed), services=sorted(renewed.values()), left=left)


if __name__ == "__main__":
    main()
