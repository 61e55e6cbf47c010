#!/usr/bin/python
# Copyright: (c) 2026, the monsterstack.swarm contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: host_firewall
short_description: Load a node's firewall, and take it back unless a new login succeeds
version_added: 0.1.0
description:
  - Loads the rules with nftables, whole or not at all, while a timer of systemd on the host is set
    that puts the earlier rules back.
  - An action plugin of the same name then closes the connection and logs in anew. Only that new
    login stops the timer and writes the file from which the rules are loaded at boot.
  - Without a new login the host goes back to the rules that it had. The task waits for that, and
    fails.
  - Where the rules are in force already, nothing is done.
author: The monsterstack.swarm contributors (@monsterstack)
options:
  rules:
    description: The file for nftables. It makes and deletes its table before it fills it.
    type: str
    required: true
  path:
    description: Where the rules are kept.
    type: str
    default: /etc/monsterstack-swarm-firewall.nft
  revert_after:
    description: Seconds after which the host takes the rules back, at most 55.
    type: int
    default: 45
  step:
    description:
      - The action plugin's own. C(armed) loads the rules and sets the timer, C(confirmed) keeps
        them, C(seen) only looks.
    type: str
    choices: [armed, confirmed, seen]
    default: armed
attributes:
  check_mode:
    description: Runs in check mode, and says whether the rules would change.
    support: full
notes:
  - Needs root, C(nft) and systemd.
"""

EXAMPLES = r"""
- name: Guard the host
  monsterstack.swarm.host_firewall:
    rules: "{{ lookup('ansible.builtin.template', 'firewall.nft.j2') }}"
  become: true
"""

RETURN = r"""
reverted:
  description: Whether the host took the rules back.
  returned: with O(step=confirmed) and O(step=seen)
  type: bool
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.monsterstack.swarm.plugins.module_utils import commands
from ansible_collections.monsterstack.swarm.plugins.module_utils.firewall import REMOVAL, TABLE

RUN = Path("/run/monsterstack-swarm-firewall")
# Gone after a reboot, which loads what is in force for good.
NEXT = RUN / "next.nft"
PREVIOUS = RUN / "previous.nft"
REVERTED = RUN / "reverted.nft"
REVERT = "monsterstack-swarm-firewall-revert"


def text_of(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def call(module: AnsibleModule, *words: str) -> None:
    """Run a program that must succeed."""
    rc, out, err = commands.run([module.get_bin_path(words[0], True), *words[1:]])
    if rc:
        module.fail_json(msg=f"{' '.join(words)}: {(err or out).strip()}")


def disarm(module: AnsibleModule) -> None:
    """Stop the timer. There may be none, and a service that failed keeps its name until reset."""
    systemctl = module.get_bin_path("systemctl", True)
    commands.run([systemctl, "stop", f"{REVERT}.timer"])
    commands.run([systemctl, "reset-failed", f"{REVERT}.service"])


def arm(module: AnsibleModule, rules: str, kept: Path) -> None:
    """Set the timer, then load the rules."""
    nft = module.get_bin_path("nft", True)
    loaded = commands.run([nft, "list", "table", *TABLE.split()])[0] == 0
    RUN.mkdir(mode=0o700, exist_ok=True)
    disarm(module)
    # What an interrupted run left armed is no state to go back to: the one before it is.
    if not (NEXT.exists() and PREVIOUS.exists()):
        PREVIOUS.write_text((text_of(kept) if loaded else None) or REMOVAL, encoding="utf-8")
    NEXT.write_text(rules, encoding="utf-8")
    for path in (NEXT, PREVIOUS):
        path.chmod(0o600)
    REVERTED.unlink(missing_ok=True)
    call(module, "nft", "--check", "--file", str(NEXT))
    call(
        module,
        *("systemd-run", f"--on-active={module.params['revert_after']}s", f"--unit={REVERT}"),
        *("--timer-property=AccuracySec=100ms", "--collect", "/bin/sh", "-c"),
        # First what says so: whoever logs in meanwhile must not take these rules for confirmed.
        f"mv {NEXT} {REVERTED} && {nft} --file {PREVIOUS} && rm {PREVIOUS}",
    )
    call(module, "nft", "--file", str(NEXT))


def confirm(module: AnsibleModule, rules: str, kept: Path) -> bool:
    """Keep the rules; returns whether they had been taken back before."""
    disarm(module)
    if text_of(NEXT) != rules:
        return True
    module.atomic_move(str(NEXT), str(kept), keep_dest_attrs=False)
    PREVIOUS.unlink(missing_ok=True)
    return False


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "rules": {"type": "str", "required": True},
            "path": {"type": "str", "default": "/etc/monsterstack-swarm-firewall.nft"},
            "revert_after": {"type": "int", "default": 45},
            "step": {
                "type": "str",
                "choices": ["armed", "confirmed", "seen"],
                "default": "armed",
            },
        },
        supports_check_mode=True,
    )
    rules, kept, step = module.params["rules"], Path(module.params["path"]), module.params["step"]
    if not 1 <= module.params["revert_after"] <= 55:
        module.fail_json(msg=f"revert_after: {module.params['revert_after']} is not 1 to 55 s.")
    if step == "seen":
        module.exit_json(changed=False, reverted=not NEXT.exists())
    if step == "confirmed":
        module.exit_json(changed=True, reverted=confirm(module, rules, kept))
    before = text_of(kept)
    nft = module.get_bin_path("nft")  # in a dry run it may not be installed yet
    loaded = bool(nft) and commands.run([nft, "list", "table", *TABLE.split()])[0] == 0
    changed = before != rules or not loaded or NEXT.exists()
    if changed and not module.check_mode:
        arm(module, rules, kept)
    diff = {"before": before or "", "after": rules, "before_header": str(kept)}
    module.exit_json(changed=changed, diff={**diff, "after_header": str(kept)})


if __name__ == "__main__":
    main()
