"""A listening socket, taken before anything slow so that a clash shows at once."""

from __future__ import annotations

import errno
import socket

from penstock.errors import PortTakenError


def listen(host: str, port: int) -> socket.socket:
    """A listening socket; taken before anything slow, so that a clash shows at once.

    Raises:
        PortTakenError: another program has the port.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(1024)
    except OSError as error:
        listener.close()
        if error.errno not in {errno.EADDRINUSE, errno.EACCES, errno.EADDRNOTAVAIL}:
            raise
        raise PortTakenError(
            f"port {port} cannot be taken: {error.strerror}",
            where=f"{host}:{port}",
            next_step="stop the program that has it, or choose another: "
            "PENSTOCK_PORT=… for the page, PENSTOCK_ENGINE_PORT=… for the engine",
        ) from error
    return listener
