# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One line of an htpasswd file, always the same for the same password and seed."""

from __future__ import annotations

DOCUMENTATION = r"""
name: htpasswd
author: the monsterstack.swarm contributors
version_added: 0.1.0
short_description: A line of an htpasswd file with a bcrypt hash
description:
  - The salt is made from a seed, so that the same input gives the same line with every version of
    Ansible. P(ansible.builtin.password_hash#filter) reads the same salt in different ways with
    ansible-core 2.19 and 2.21.
  - Needs the Python library C(bcrypt) on the controller.
positional: _input
options:
  _input:
    description: The user's name.
    type: str
    required: true
  password:
    description: The user's password, 72 bytes at most, since bcrypt reads no more.
    type: str
    required: true
  seed:
    description: A long random text that the salt is made from.
    type: str
    required: true
"""

EXAMPLES = r"""
- name: The registry's users
  ansible.builtin.set_fact:
    users: "{{ 'swarm' | monsterstack.swarm.htpasswd(password, seed=secret_key) }}"
  no_log: true
"""

RETURN = r"""
_value:
  description: The line, with a line break at its end.
  type: str
"""

import base64
import hashlib
from collections.abc import Callable

from ansible.errors import AnsibleFilterError

# 2**10, the least that OWASP's password storage cheat sheet asks for: the registry computes it
# again with every request, and one pull makes many.
ROUNDS = 10
# bcrypt writes base64 with an alphabet of its own.
STANDARD = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
BCRYPT = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def htpasswd(user: str, password: str, seed: str) -> str:
    """`user:hash` and a line break. Raises AnsibleFilterError for what bcrypt would cut off."""
    try:
        import bcrypt
    except ImportError as problem:
        raise AnsibleFilterError(
            "htpasswd needs the Python library bcrypt on the controller: pip install bcrypt."
        ) from problem
    if len(password.encode()) > 72:
        raise AnsibleFilterError(f"the password of {user} is longer than bcrypt's 72 bytes.")
    salt = base64.b64encode(hashlib.sha256(seed.encode()).digest()[:16]).decode().rstrip("=")
    setting = f"$2b${ROUNDS}${salt.translate(str.maketrans(STANDARD, BCRYPT))}"
    return f"{user}:{bcrypt.hashpw(password.encode(), setting.encode()).decode()}\n"


class FilterModule:
    """What Ansible looks for in a file of filters."""

    def filters(self) -> dict[str, Callable[..., str]]:
        return {"htpasswd": htpasswd}
