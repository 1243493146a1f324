"""Whose a connection is."""

import os
import socket

from benchmarks import sockets

TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1 0 100 0 0 10 0
   1: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0 222 1 0 20 4 30 10 -1
   2: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 333 1 0 20 4 30 10 -1
"""


def test_the_ends_of_a_connection_are_told_apart() -> None:
    assert sockets.inode_of(TABLE, local=0x1F90, remote=0xC350) == 222
    assert sockets.inode_of(TABLE, local=0xC350, remote=0x1F90) == 333
    assert sockets.inode_of(TABLE, local=1, remote=2) is None


def test_the_process_that_holds_a_connection_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        peer = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", peer)) as client:
            accepted, _ = server.accept()
            with accepted:
                port = client.getsockname()[1]
                assert sockets.owner([1 << 30, os.getpid()], port=port, peer=peer) == os.getpid()
                assert sockets.owner([1 << 30], port=port, peer=peer) is None
