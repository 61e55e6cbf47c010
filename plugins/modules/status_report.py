#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: status_report
short_description: The cluster as a person wants to see it
version_added: 0.1.0
description:
  - Makes a table for the terminal and one self-contained HTML page from what
    M(monsterstack.swarm.swarm_status) registered on the managers. The leader's answer is preferred.
  - Runs on the controller and contacts no host.
  - Fails when no manager answered, and says what each said.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  managers:
    description: Hosts of the inventory that are managers.
    type: list
    elements: str
    required: true
  status_variable:
    description: Name of the variable with the result of M(monsterstack.swarm.swarm_status).
    type: str
    default: __swarm_status
  template:
    description: The page's template, in Jinja. It gets one variable, C(view). Values are escaped.
    type: path
    required: true
  page:
    description: File on the controller that the page is written to.
    type: path
attributes:
  check_mode:
    description: Runs in check mode, and does the same.
    support: full
"""

EXAMPLES = r"""
- name: Show it
  monsterstack.swarm.status_report:
    managers: "{{ groups['managers'] }}"
    template: "{{ playbook_dir }}/templates/status.html.j2"
    page: artifacts/status.html
  register: __status
"""

RETURN = r"""
view:
  description: What the page shows, as data.
  returned: success
  type: dict
table:
  description: The same as text for a terminal.
  returned: success
  type: str
"""
