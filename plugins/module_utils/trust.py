# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A swarm's own CA: who trusts which root while it is being replaced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.monsterstack.swarm.plugins.module_utils.swarm_spec import (
    value_of,
    with_value,
)


def _name(node: Mapping[str, Any]) -> str:
    return str((node.get("Description") or {}).get("Hostname") or node["ID"])


def absent(nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Nodes that could not take part, as `name (state)`: a rotation waits for them for ever."""
    return sorted(
        f"{_name(node)} ({node['Status']['State']})"
        for node in nodes
        if node["Status"]["State"] != "ready"
    )


def distrusting(swarm: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> list[str]:
    """Nodes that do not have the swarm's root yet, by name.

    While a rotation is under way the swarm's own TLSInfo still shows the old root, and it changes
    when all nodes have certificates of the new one.
    """
    root = (swarm.get("TLSInfo") or {}).get("TrustRoot")
    return sorted(
        _name(node)
        for node in nodes
        if ((node.get("Description") or {}).get("TLSInfo") or {}).get("TrustRoot") != root
    )


def done(swarm: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]]) -> bool:
    """Whether no rotation is under way and all nodes have the one root."""
    return not swarm.get("RootRotationInProgress") and not distrusting(swarm, nodes)


def rotated(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The swarm's Spec that asks for a new CA, as `docker swarm ca --rotate` does it."""
    config = dict(spec.get("CAConfig") or {})
    for given in ("SigningCACert", "SigningCAKey"):
        config.pop(given, None)
    count = int(value_of(spec, "CAConfig.ForceRotate") or 0)
    return with_value({**spec, "CAConfig": config}, "CAConfig.ForceRotate", count + 1)
