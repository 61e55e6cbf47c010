"""Exit code 0 when /healthz answers 200 on 127.0.0.1: `python3 -I -S healthcheck.py [PORT]`.

A raw socket, because importing an HTTP client costs several times the CPU of the check itself.
"""

import sys
from _socket import AF_INET, SOCK_STREAM, socket

port = int(sys.argv[1]) if len(sys.argv) > 1 else 8080
connection = socket(AF_INET, SOCK_STREAM)
connection.settimeout(2)
try:
    connection.connect(("127.0.0.1", port))
    connection.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = connection.recv(64)
except OSError as error:
    sys.exit(f"/healthz does not answer: {error}")
if not answer.startswith(b"HTTP/1.1 200 "):
    sys.exit(f"/healthz answers {answer[:40]!r}")
