# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""http_smoke: see the module of that name for its documentation."""

from __future__ import annotations

from ansible_collections.monsterstack.swarm.plugins.plugin_utils.printing import Speaking


class ActionModule(Speaking):
    """Prints what the module found."""
