"""Our end of the line to a program of part c."""

import json
import os
import subprocess
from pathlib import Path
from types import TracebackType

from engine.peers.protocol import MARK

HERE = Path(__file__).parent


class Worker:
    """A program in its own process and environment that waits until it is its turn."""

    def __init__(self, script: str, python: str | Path, **environment: str) -> None:
        self._process = subprocess.Popen(
            [str(python), str(HERE / script)],
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.script = script
        hello = self._answer()
        self.work: list[str] = hello["work"]
        self.versions: dict[str, str] = hello["versions"]

    @property
    def process(self) -> int:
        return self._process.pid

    def seconds(self, work: str, *, warm: int, steps: int, settle: float = 0.0) -> list[float]:
        order = {"work": work, "warm": warm, "settle": settle, "steps": steps}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict | list:
        for line in self._process.stdout:
            if line.startswith(MARK):
                return json.loads(line.removeprefix(MARK))
        raise RuntimeError(f"{self.script} ended with status {self._process.wait()}; its own words stand above")

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=30)
