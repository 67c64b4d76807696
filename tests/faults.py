"""A relay between a client and an engine's socket that kills the client (-9) right after a given call took effect.

It counts the calls that write. The engine has answered, the client never reads the answer: the worst moment to die.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

WRITES = (b"POST ", b"PUT ", b"DELETE ")


@dataclass
class Relay:
    """`calls` are the writing calls seen, as `METHOD path`; with `fatal` set, the client dies after that many."""

    engine: Path
    listen: Path
    fatal: int | None = None
    calls: list[str] = field(default_factory=list)

    def run(self, command: Sequence[str], cwd: Path, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run the client with DOCKER_HOST at the relay; its return code is -9 when it was killed."""
        self.lock = threading.Lock()
        self.serving: list[threading.Thread] = []
        self.over = threading.Event()
        self.listen.unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(self.listen))
            server.listen(64)
            self.client = subprocess.Popen(
                command,
                cwd=cwd,
                env={**os.environ, "DOCKER_HOST": f"unix://{self.listen}"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            accepting = threading.Thread(target=self.accept, args=(server,), daemon=True)
            accepting.start()
            out, err = self.client.communicate(timeout=timeout)
            self.over.set()
            server.shutdown(socket.SHUT_RDWR)
        accepting.join()
        for thread in self.serving:
            thread.join()
        return subprocess.CompletedProcess(command, self.client.returncode, out, err)

    def accept(self, server: socket.socket) -> None:
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(str(self.engine))
            self.serving.append(threading.Thread(target=self.serve, args=(near, far), daemon=True))
            self.serving[-1].start()

    def serve(self, near: socket.socket, far: socket.socket) -> None:
        deadly = threading.Event()
        with near, far:
            back = threading.Thread(target=self.pump, args=(far, near, self.answer, deadly), daemon=True)
            back.start()
            self.pump(near, far, self.request, deadly)
            back.join()

    def pump(self, source: socket.socket, sink: socket.socket, watch: object, deadly: threading.Event) -> None:
        """Copy until an end. A killed peer isn't always an end to this kernel: so a look at the client now and then."""
        assert callable(watch)
        source.settimeout(0.2)
        try:
            while True:
                try:
                    data = source.recv(65536)
                except TimeoutError:
                    if self.over.is_set():
                        return
                    continue
                if not data:
                    break
                if not watch(data, deadly):
                    source.shutdown(socket.SHUT_RDWR)
                    return
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def request(self, data: bytes, deadly: threading.Event) -> bool:
        if data.startswith(WRITES):
            with self.lock:
                self.calls.append(data.split(b" HTTP/", 1)[0].decode())
                if len(self.calls) == self.fatal:
                    deadly.set()
        return True

    def answer(self, data: bytes, deadly: threading.Event) -> bool:
        if not deadly.is_set():
            return True
        self.client.send_signal(signal.SIGKILL)
        return False
