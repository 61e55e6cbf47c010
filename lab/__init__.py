"""Virtual machines on one computer, to be the hosts of an Ansible inventory. See docs/lab.md."""
