# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The Docker command's own configuration on a host, where its logins are: for modules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import commands


def ask_helper(module: AnsibleModule, program: str, registry: str) -> Mapping[str, Any] | None:
    """One of the Docker command's credential helpers; None when it knows nothing."""
    path = module.get_bin_path(f"docker-credential-{program}")
    if not path:
        return None
    rc, answer, _err = commands.run([path, "get"], registry)
    try:
        known = json.loads(answer) if rc == 0 else None
    except ValueError:
        return None
    return known if isinstance(known, dict) else None


def read_config(module: AnsibleModule) -> dict[str, Any]:
    """config.json, empty when there is none."""
    path = Path(module.params["docker_config"]) / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        module.fail_json(msg=f"{path} cannot be used: {error}. Repair it, or log in again.")
    return config if isinstance(config, dict) else {}
