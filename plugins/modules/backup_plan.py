#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: backup_plan
short_description: Decide what a backup copies from where, or where its parts go back to
version_added: 0.1.0
description:
  - Without O(archives) it plans a backup from what M(monsterstack.swarm.host_info) and
    M(monsterstack.swarm.node_archive) registered on every host.
  - With O(archives) it plans how those are restored onto the hosts of the inventory.
  - Refuses, with one sentence each, what would lose a quorum, overwrite data or leave a part out.
  - Runs on the controller and contacts no host.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  managers:
    description: The inventory's managers. Default is the group C(managers).
    type: list
    elements: str
  workers:
    description: The inventory's workers. Default is the group C(workers).
    type: list
    elements: str
  info_variable:
    description: Name of the variable in which every host has its M(monsterstack.swarm.host_info).
    type: str
    default: __host_info
  looked_variable:
    description:
      - The same of M(monsterstack.swarm.node_archive), with its state V(looked) for a backup and
        V(found) for a restore.
    type: str
    default: __looked
  volumes:
    description: The volumes to keep, as M(monsterstack.swarm.node_archive) takes them.
    type: list
    elements: dict
    default: []
  not_kept:
    description: Names of volumes that nobody asked to keep.
    type: list
    elements: str
    default: []
  stack:
    description: The stack that is kept. Others with volumes are named.
    type: str
    default: ""
  aside:
    description:
      - To restore, what a volume holds that nobody uses is moved to another one of its node first,
        instead of refusing.
    type: bool
    default: false
  force:
    description: Copy the state also where that leaves the swarm without a quorum for some seconds.
    type: bool
    default: false
  without:
    description: Stacks that may begin with empty volumes, because there is no archive of theirs.
    type: list
    elements: str
    default: []
  archives:
    description:
      - What M(monsterstack.swarm.sealed_archive) said when it opened the archives that are to be
        restored, of one swarm and different stacks.
      - C(path), C(folder) and C(manifest) of each are used.
      - The newest one lends the swarm's state and the registry's volume.
    type: list
    elements: dict
    default: []
attributes:
  check_mode:
    description: Runs in check mode, and does the same.
    support: full
"""

EXAMPLES = r"""
- name: Plan the backup
  monsterstack.swarm.backup_plan:
    volumes: [{name: shop_data, service: shop_db}]
  run_once: true
  register: __backup_plan
"""

RETURN = r"""
copied_from:
  description: The manager whose state is copied.
  returned: when O(archives) is not given
  type: str
without_quorum:
  description:
    - Whether the other managers are too few for a quorum while the engine of RV(copied_from) stands
      still. Of two managers they always are.
  returned: when O(archives) is not given
  type: bool
manifest:
  description: What the archive will say of itself, but for the volumes.
  returned: when O(archives) is not given
  type: dict
target:
  description: The manager that gets the state.
  returned: when O(archives) is given
  type: str
resumed:
  description: Whether the archives' swarm is there already, so that its state is left alone.
  returned: when O(archives) is given
  type: bool
force:
  description: Whether the manager still has to become a cluster of its own.
  returned: when O(archives) is given
  type: bool
state_file:
  description: The file with the state, below C(local_dir). Empty where none is put back.
  returned: when O(archives) is given
  type: str
pins:
  description: Labels that no node carries, with the one host that is to get each.
  returned: when O(archives) is given
  type: dict
volumes:
  description: Volumes to put back, by host, as M(monsterstack.swarm.node_archive) takes them.
  returned: when O(archives) is given
  type: dict
steps:
  description: The same in words.
  returned: when O(archives) is given
  type: list
  elements: str
errors:
  description: What forbids to go on, each with its remedy.
  returned: always
  type: list
  elements: str
notices:
  description: What a person should know.
  returned: always
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "managers": {"type": "list", "elements": "str"},
            "workers": {"type": "list", "elements": "str"},
            "info_variable": {"type": "str", "default": "__host_info"},
            "looked_variable": {"type": "str", "default": "__looked"},
            "volumes": {"type": "list", "elements": "dict", "default": []},
            "not_kept": {"type": "list", "elements": "str", "default": []},
            "stack": {"type": "str", "default": ""},
            "force": {"type": "bool", "default": False},
            "without": {"type": "list", "elements": "str", "default": []},
            "aside": {"type": "bool", "default": False},
            "archives": {"type": "list", "elements": "dict", "default": []},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="backup_plan runs on the controller: its action plugin was not found.")


if __name__ == "__main__":
    main()
