"""Exit code 0 when /healthz on 127.0.0.1 answers 200 on $PORT: `python3 -I -S healthcheck.py`.

A raw socket, because importing an HTTP client costs several times the CPU of the check itself.
Both services have this same file (a test compares them); PORT comes from their Dockerfiles.
"""

import sys
from _socket import AF_INET, SOCK_STREAM, socket
from posix import environ  # what os is made from

connection = socket(AF_INET, SOCK_STREAM)
connection.settimeout(2)
try:
    connection.connect(("127.0.0.1", int(environ[b"PORT"])))
    connection.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    answer = connection.recv(64)
except OSError as error:
    sys.exit(f"/healthz does not answer: {error}")
if not answer.startswith(b"HTTP/1.1 200 "):
    sys.exit(f"/healthz answers {answer[:40]!r}")
