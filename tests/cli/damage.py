"""Ways to damage a bundle. `reseal` writes a member with its right digest, so that only the content is wrong."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save


def reseal(bundle: Path, member: str, data: bytes) -> None:
    (bundle / member).write_bytes(data)
    manifest = json.loads((bundle / "manifest.json").read_text())
    manifest["members"][member] = {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (bundle / "manifest.json").write_text(json.dumps(manifest))


def content(member: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    """JSON changed in place, and sealed again."""

    def damage(bundle: Path) -> None:
        inside = json.loads((bundle / member).read_text())
        change(inside)
        reseal(bundle, member, json.dumps(inside).encode())

    return damage


def text(member: str, old: str, new: str) -> Callable[[Path], None]:
    """Text replaced once, and sealed again."""

    def damage(bundle: Path) -> None:
        before = (bundle / member).read_text()
        assert old in before
        reseal(bundle, member, before.replace(old, new, 1).encode())

    return damage


def manifest(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def damage(bundle: Path) -> None:
        inside = json.loads((bundle / "manifest.json").read_text())
        change(inside)
        (bundle / "manifest.json").write_text(json.dumps(inside))

    return damage


def weights(change: Callable[[dict[str, torch.Tensor], str], Any]) -> Callable[[Path], None]:
    """Weights changed in place, and sealed again; `change` gets them all and the name of one."""

    def damage(bundle: Path) -> None:
        tensors = load((bundle / "weights.safetensors").read_bytes())
        change(tensors, sorted(tensors)[0])
        reseal(bundle, "weights.safetensors", save(tensors))

    return damage


def removed(member: str) -> Callable[[Path], None]:
    return lambda bundle: (bundle / member).unlink()


def written(member: str, data: bytes) -> Callable[[Path], None]:
    return lambda bundle: (bundle / member).write_bytes(data)


def longer(member: str) -> Callable[[Path], None]:
    return lambda bundle: (bundle / member).write_bytes((bundle / member).read_bytes() + b" ")


def flipped(member: str) -> Callable[[Path], None]:
    """The same size, one byte another."""

    def damage(bundle: Path) -> None:
        data = bytearray((bundle / member).read_bytes())
        data[len(data) // 2] ^= 1
        (bundle / member).write_bytes(bytes(data))

    return damage


def linked(member: str) -> Callable[[Path], None]:
    """The member is a symbolic link to the same content."""

    def damage(bundle: Path) -> None:
        target = bundle.parent / f"elsewhere-{member}"
        (bundle / member).rename(target)
        (bundle / member).symlink_to(target)

    return damage


def folder_inside(bundle: Path) -> None:
    (bundle / "notes").mkdir()


def infinite(tensors: dict[str, torch.Tensor], name: str) -> None:
    tensors[name].view(-1)[0] = torch.inf


def another_shape(tensors: dict[str, torch.Tensor], name: str) -> None:
    tensors[name] = torch.cat([tensors[name], tensors[name]])


def another_type(tensors: dict[str, torch.Tensor], name: str) -> None:
    tensors[name] = tensors[name].double()


def one_more(tensors: dict[str, torch.Tensor], name: str) -> None:
    tensors["backdoor"] = torch.zeros(1)
