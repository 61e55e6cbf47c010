# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""node_drain: see the module of that name for its documentation.

The module waits on the manager, and renews the locks of this run meanwhile.
"""

from __future__ import annotations

from ansible_collections.monsterstack.swarm.plugins.plugin_utils.run_locks import OwnedAction


class ActionModule(OwnedAction):
    """Tells the module whose locks those are."""
