#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: credentials_plan
short_description: Refuse a controller that lacks what the running cluster was made with
version_added: 0.1.0
description:
  - Compares what the controller has (a folder of files, values of the inventory) with what the
    services of the cluster use, by the names of their secrets. Values stand in no argument.
  - Refuses what is missing, what is another cluster's, and what is older than what runs.
  - A secret that must never change and is not here stays under the name that it has in Swarm.
  - Without a cluster there is nothing to compare, and whatever is missing is made later.
  - Runs on the controller and contacts no host.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  folder:
    description: The folder with the credentials.
    type: path
    required: true
  earlier_folder:
    description:
      - Where an earlier version kept them. If O(folder) is missing and the cluster uses what is in
        there, it is copied.
    type: path
  stack:
    description: Name of the stack.
    type: str
    required: true
  secrets:
    description: Names of the stack's secrets.
    type: list
    elements: str
    default: []
  renewable:
    description: Those that may be replaced.
    type: list
    elements: str
    default: []
  given:
    description: Names of variables with which the inventory gives values; C(NAME_secrets.KEY) too.
    type: list
    elements: str
    default: []
  remarks:
    description: What a person should know beside that, for RV(warnings).
    type: list
    elements: str
    default: []
  managed:
    description: Whether the cluster has a registry of its own.
    type: bool
    default: true
  new_credentials:
    description: Make new ones for what is missing, instead of refusing.
    type: bool
    default: false
  ending:
    description:
      - The stack is about to be removed with its secrets. Refuses only what could not be made
        again, a secret that must never change and whose value is nowhere but in Swarm.
    type: bool
    default: false
  cluster_id:
    description: ID of the cluster. Empty where there is none yet.
    type: str
  primary:
    description: The manager that was looked at.
    type: str
  info_variable:
    description: Name of the variable in which every host has its M(monsterstack.swarm.host_info).
    type: str
    default: __host_info
  names_variable:
    description: Name of a variable with the full names of secrets, by stack and short name.
    type: str
    default: __credential_names
  derived_variable:
    description: Name of a variable with the secrets that are made from the others.
    type: str
    default: __stack_derived
  fail:
    description: Fail when there are errors. Without it they are only returned.
    type: bool
    default: true
attributes:
  check_mode:
    description: The same, but nothing is written on the controller.
    support: full
"""

EXAMPLES = r"""
- name: Refuse a controller without the credentials
  monsterstack.swarm.credentials_plan:
    folder: credentials/shop
    stack: shop
    secrets: [db_password]
    cluster_id: "{{ __cluster_plan.cluster_id }}"
    primary: m1
  register: __credentials
  run_once: true
"""

RETURN = r"""
folder:
  description: Where the credentials are.
  returned: success
  type: str
missing:
  description: What the cluster uses and the controller lacks, as names of files.
  returned: success
  type: list
  elements: str
given:
  description: What the inventory gives, as names of files.
  returned: success
  type: list
  elements: str
kept:
  description: Full names of secrets that stay as they are, by short name.
  returned: success
  type: dict
withheld:
  description: What P(monsterstack.swarm.credential#lookup) does not make.
  returned: success
  type: list
  elements: str
errors:
  description: What was found, one text each.
  returned: success
  type: list
  elements: str
warnings:
  description: What a person should know. Ansible prints them too. Absent when there are none.
  returned: when there are any
  type: list
  elements: str
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils.credentials import SPEC


def main() -> None:
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    module.fail_json(msg="credentials_plan runs on the controller: its action was not found.")


if __name__ == "__main__":
    main()
