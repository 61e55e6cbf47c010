"""Serve a listening socket by passing every connection on: `lab.forward NAME ADDRESS:PORT FD`."""

from __future__ import annotations

import asyncio
import socket
import sys


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copy one direction and pass its end on."""
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
    except OSError:
        sink.close()


async def _serve(address: str, port: int, listener: socket.socket) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.wait_for(
                asyncio.open_connection(address, port), timeout=10
            )
        except OSError as error:
            print(f"{address}:{port}: {error}", flush=True)
            writer.close()
            return
        await asyncio.gather(_pump(reader, far_writer), _pump(far_reader, writer))
        far_writer.close()
        writer.close()

    server = await asyncio.start_server(connected, sock=listener)
    await server.serve_forever()


if __name__ == "__main__":
    far, number = sys.argv[2], int(sys.argv[3])
    far_address, _, far_port = far.partition(":")
    asyncio.run(_serve(far_address, int(far_port), socket.socket(fileno=number)))
