#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_plan
short_description: Decide who starts the swarm, who joins it and through whom
version_added: 0.1.0
description:
  - Compares what M(monsterstack.swarm.host_info) registered on every host with the inventory.
  - Refuses, with one sentence each, whatever would join a host to the wrong swarm.
  - With O(survivor), decides instead how a swarm without quorum is recovered.
  - Runs on the controller and contacts no host.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  managers:
    description: Hosts that are to be managers. Default is the group C(managers).
    type: list
    elements: str
  workers:
    description: Hosts that are to be workers. Default is the group C(workers).
    type: list
    elements: str
  info_variable:
    description: Name of the variable in which every host has its M(monsterstack.swarm.host_info).
    type: str
    default: __host_info
  pins:
    description: Labels that stand for data on one node's disk.
    type: list
    elements: str
    default: []
  stacks_dir:
    description:
      - Folder of stacks on the controller. The labels that any of them pins stand for data too.
      - So do labels that services with data are bound to, of which one node has each.
      - A C(stack.yml) in it that cannot be read is named in a warning, and refused where nodes are
        removed or replaced or their labels purged.
    type: path
  labels:
    description:
      - Whether this run sets the nodes' labels. Then it is refused to go on while no node carries
        one of O(pins) that a service with data is bound to; else that is only a warning.
    type: bool
    default: true
  remove:
    description:
      - Nodes that are to be removed, by inventory name. By host name only those that no host of the
        inventory can be, by its id, its host name or its address.
    type: list
    elements: str
    default: []
  dead:
    description: The nodes to be removed will never answer again.
    type: bool
    default: false
  replace:
    description: Hosts that must have been installed anew. Without any it is an error.
    type: list
    elements: str
    default: []
  lose_data:
    description:
      - Remove or replace a node though it holds one of O(pins) or of other stacks' pins, and give a
        pin that no node carries any more to another node.
    type: bool
    default: false
  survivor:
    description:
      - The manager that makes a quorum of its own, when the others are lost.
      - Refused while there is a quorum. The result is then RV(survivor), RV(cluster_id), RV(force),
        RV(rejoin), RV(answering), RV(errors) and RV(notices).
    type: str
  unlocks:
    description: Whether a run like this one, but without check mode, unlocks locked managers.
    type: bool
    default: false
  joins:
    description: Whether a run like this one lets hosts join that are in no swarm.
    type: bool
    default: true
  fail:
    description: Fail when there are errors. Without it they are only returned.
    type: bool
    default: true
attributes:
  check_mode:
    description: Runs in check mode, and does the same.
    support: full
"""

EXAMPLES = r"""
- name: Plan the cluster
  monsterstack.swarm.cluster_plan:
  run_once: true
  register: __cluster_plan
"""

RETURN = r"""
exists:
  description: Whether the managers are in a swarm already.
  returned: always
  type: bool
cluster_id:
  description: Its ID, or null.
  returned: always
  type: str
primary:
  description:
    - The manager to work through, the first that answers. Equals RV(init) for a new swarm.
    - Null when there is none.
  returned: always
  type: str
primary_address:
  description: Address and port at which others join through RV(primary).
  returned: always
  type: str
leader:
  description: The manager that leads now, or null.
  returned: always
  type: str
init:
  description: The host that is to start a new swarm, or null.
  returned: always
  type: str
join_managers:
  description: Hosts that are to join as managers.
  returned: always
  type: list
  elements: str
join_workers:
  description: Hosts that are to join as workers.
  returned: always
  type: list
  elements: str
already:
  description: Hosts that are in the swarm in the role they should have.
  returned: always
  type: list
  elements: str
promote:
  description: Workers that the inventory wants as managers.
  returned: always
  type: list
  elements: str
demote:
  description: Managers that the inventory wants as workers.
  returned: always
  type: list
  elements: str
replace:
  description:
    - Hosts that were installed anew, with C(name), and C(id) and C(role) of the earlier node.
  returned: always
  type: list
  elements: dict
remove:
  description:
    - Nodes to be removed, with C(name), C(id), C(role), C(called) (host name and address in the
      swarm), and C(alive) if it can be drained.
  returned: always
  type: list
  elements: dict
silent:
  description: Hosts without information or without a running engine. They are left out.
  returned: always
  type: list
  elements: str
outside:
  description: Hosts that are in no swarm, where O(joins=false). They are left out.
  returned: when O(survivor) is not given
  type: list
  elements: str
node_ids:
  description: Node ID by host, of the hosts that are in the swarm.
  returned: always
  type: dict
data_labels:
  description: Labels that stand for data on one node's disk, of all stacks.
  returned: always
  type: list
  elements: str
zeros:
  description:
    - Settings of the swarm itself that are 0 and must not be, such as C(Raft.SnapshotInterval).
      P(monsterstack.swarm.swarm_settings#module) repairs them.
  returned: always
  type: list
  elements: str
autolock:
  description: Whether the swarm locks managers that restart; null where that is not known.
  returned: when O(survivor) is not given
  type: bool
unlocks:
  description: The same as O(unlocks).
  returned: when O(survivor) is not given
  type: bool
survivor:
  description: The same as O(survivor).
  returned: when O(survivor) is given
  type: str
force:
  description: Whether the survivor still has to become a cluster of its own.
  returned: when O(survivor) is given
  type: bool
rejoin:
  description: Managers that believe in the old quorum, and have to leave before they join again.
  returned: when O(survivor) is given
  type: list
  elements: str
answering:
  description: Hosts that can be worked with.
  returned: when O(survivor) is given
  type: list
  elements: str
errors:
  description: What forbids to go on, each with its remedy.
  returned: always
  type: list
  elements: str
notices:
  description: What a person should know. Each is a warning, too.
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
            "pins": {"type": "list", "elements": "str", "default": []},
            "stacks_dir": {"type": "path"},
            "labels": {"type": "bool", "default": True},
            "remove": {"type": "list", "elements": "str", "default": []},
            "dead": {"type": "bool", "default": False},
            "replace": {"type": "list", "elements": "str", "default": []},
            "lose_data": {"type": "bool", "default": False},
            "survivor": {"type": "str"},
            "unlocks": {"type": "bool", "default": False},
            "joins": {"type": "bool", "default": True},
            "fail": {"type": "bool", "default": True},
        },
        supports_check_mode=True,
    )
    module.fail_json(msg="cluster_plan runs on the controller: its action plugin was not found.")


if __name__ == "__main__":
    main()
