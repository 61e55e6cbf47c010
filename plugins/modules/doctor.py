#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: doctor
short_description: What is wrong with the cluster, and what to do
version_added: 0.1.0
description:
  - Weighs what M(monsterstack.swarm.host_info), M(monsterstack.swarm.node_checkup) and
    M(monsterstack.swarm.swarm_status) registered on the nodes.
  - What follows from another finding is left out.
  - Runs on the controller and contacts no host. Never fails; the findings are in its result.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  managers:
    description: Hosts of the inventory that are managers.
    type: list
    elements: str
    required: true
  workers:
    description: Hosts of the inventory that are workers.
    type: list
    elements: str
    required: true
  info_variable:
    description: Name of the variable with the result of M(monsterstack.swarm.host_info).
    type: str
    default: __host_info
  checkup_variable:
    description: Name of the variable with the result of M(monsterstack.swarm.node_checkup).
    type: str
    default: __node_checkup
  status_variable:
    description: Name of the variable with the result of M(monsterstack.swarm.swarm_status).
    type: str
    default: __swarm_status
  data_port:
    description: UDP port of the overlay networks.
    type: int
    required: true
  report:
    description: File on the controller that the report is written to, as JSON.
    type: path
attributes:
  check_mode:
    description: Runs in check mode, and does the same.
    support: full
"""

EXAMPLES = r"""
- name: Say what is wrong
  monsterstack.swarm.doctor:
    managers: "{{ groups['managers'] }}"
    workers: "{{ groups['workers'] }}"
    data_port: "{{ swarm_data_path_port }}"
    report: artifacts/doctor.json
  register: __doctor
"""

RETURN = r"""
findings:
  description: Each with C(level) (error, warning, notice), C(where), C(problem) and C(remedy).
  returned: always
  type: list
  elements: dict
counts:
  description: How many findings of each level there are.
  returned: always
  type: dict
checked:
  description: Nodes that were looked at.
  returned: always
  type: list
  elements: str
lines:
  description: The findings for people.
  returned: always
  type: list
  elements: str
"""
