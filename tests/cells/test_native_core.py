"""The native core as a part of the package: which instruction set, what without it, and how it is interrupted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from sequela.cells import LSTM, operator

SOURCE = Path(__file__).parents[2] / "src"
built = pytest.mark.skipif(not operator.BUILT, reason="the native core is not built")

# An interpreter in which the package stands as it does after a build with SEQUELA_NATIVE=off.
WITHOUT = f"""
import sys
sys.meta_path = [f for f in sys.meta_path if "ditable" not in type(f).__name__]
import importlib.util
find_spec = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "sequela._native" else find_spec(name, package)
sys.path.insert(0, {str(SOURCE)!r})
import warnings
import torch
from sequela.cells import GRU, LSTM
"""


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=False,
        timeout=120,
    )


@built
def test_info_tells_set_threads_flags_and_compiler():
    facts = operator._native.info()
    assert facts["set"] in facts["sets"]
    assert "-march=native" not in facts["flags"]
    assert {"set", "sets", "threads", "flags", "compiler"} <= facts.keys()


@built
@pytest.mark.parametrize("name", ["avx512", "avx2", "portable"])
def test_the_environment_forces_an_instruction_set(name):
    done = python("from sequela import _native; print(_native.info()['set'])", SEQUELA_ISA=name)
    if name in operator._native.info()["sets"]:
        assert done.stdout.strip() == name
    else:
        assert "ImportError" in done.stderr


@built
def test_an_unknown_instruction_set_is_an_error():
    done = python("from sequela.cells import LSTM", SEQUELA_ISA="avx1024")
    assert done.returncode != 0
    assert "avx1024" in done.stderr
    assert "portable" in done.stderr


def test_without_the_core_standard_cells_run_on_torchs_own_with_one_notice():
    code = (
        WITHOUT
        + """
torch.manual_seed(0)
cell = LSTM(3, 4, 2, bidirectional=True)
theirs = torch.nn.LSTM(3, 4, 2, bidirectional=True)
theirs.load_state_dict(cell.state_dict())
x = torch.randn(5, 2, 3)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    y, (h, c) = cell(x)
    cell(x)
assert len(caught) == 1 and "SEQUELA_NATIVE" in str(caught[0].message), caught
torch.testing.assert_close(y, theirs(x)[0])
noisy = LSTM(3, 4, 2, dropout=0.5)
assert not torch.equal(noisy(x)[0], noisy(x)[0])
for make in (lambda: LSTM(3, 4, gates="coupled")(x), lambda: GRU(3, 4, reset="before")(x), lambda: LSTM(3, 4).frozen(),
             lambda: LSTM(3, 4)(x, decay_h=torch.ones(10, 4))):
    try:
        make()
    except NotImplementedError as error:
        assert "SEQUELA_NATIVE" in str(error)
    else:
        raise AssertionError
LSTM(3, 4, gates="coupled").plain(x)
print("fine")
"""
    )
    done = python(code)
    assert done.stdout.strip() == "fine", done.stderr


@built
def test_ctrl_c_stops_a_long_run():
    code = """
import torch
from sequela.cells import LSTM
torch.set_num_threads(2)
cell = LSTM(64, 256, 4)
x = torch.randn(20000, 64, 64)
print("ready", flush=True)
with torch.no_grad():
    cell(x)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        child.stdout.readline()
        time.sleep(0.5)
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=20)
    assert b"KeyboardInterrupt" in errors


@built
def test_the_first_losses_are_those_of_torch():
    losses = []
    for make in (LSTM, torch.nn.LSTM):
        torch.manual_seed(0)
        cell, head = make(5, 32, 2), torch.nn.Linear(32, 1)
        optimizer = torch.optim.Adam([*cell.parameters(), *head.parameters()], lr=1e-2)
        x = torch.randn(30, 16, 5, generator=torch.Generator().manual_seed(1))
        target = x.cumsum(0).sum(-1, keepdim=True).sin()
        run = []
        for _ in range(20):
            loss = (head(cell(x)[0]) - target).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            run.append(loss.item())
        losses.append(run)
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert losses[0][-1] < losses[0][0]
