"""Networks on disk: weights as safetensors, everything else as JSON, nothing that is executed on loading.

A folder holds ``weights.safetensors`` (weights, and arrays saved beside them) and ``network.json`` (format, network,
sizes, the weights' SHA-256, the caller's own entries). The second is written last, so that an interrupted save shows.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import ConfigError, DataError
from engine.files import write_beside
from signals.neural.networks import network

if TYPE_CHECKING:
    from torch import nn

FORMAT = 1
"""Of the files; raised when older ones can no longer be read."""
WEIGHTS, FACTS = "weights.safetensors", "network.json"


@dataclass(frozen=True)
class Saved:
    """What a folder holds: the network on the CPU, ready to predict; arrays; the caller's entries."""

    model: nn.Module
    arrays: dict[str, np.ndarray]
    info: dict[str, Any]


def save_arrays(folder: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    """Write named arrays and JSON-able facts; the same ones give the same bytes.

    Raises
    ------
    DataError
        If the folder cannot be written.
    """
    from safetensors.numpy import save

    folder = Path(folder)
    content = save({name: np.ascontiguousarray(array) for name, array in sorted(arrays.items())})
    whole = {**facts, "format": FORMAT, "sha256": hashlib.sha256(content).hexdigest()}
    text = json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, body in ((WEIGHTS, content), (FACTS, text.encode())):
            write_beside(folder / name, body)
    except OSError as error:
        raise DataError(f"the network cannot be saved into '{folder}' ({error.strerror})") from error


def load_arrays(folder: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read what :func:`save_arrays` wrote.

    Raises
    ------
    DataError
        If a file is missing or damaged, or is of another format.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    folder = Path(folder)
    try:
        facts = json.loads((folder / FACTS).read_bytes())
        if not isinstance(facts, dict):
            raise ValueError
    except OSError:
        raise DataError(f"there is no saved network in '{folder}': {FACTS} cannot be read; train it first") from None
    except ValueError:
        raise DataError(
            f"'{folder / FACTS}' is damaged: it is not a JSON object; delete the folder and train again"
        ) from None
    if facts.get("format") != FORMAT:
        raise DataError(
            f"the network in '{folder}' is of format {facts.get('format')}, this version of Huice reads format "
            f"{FORMAT}; delete the folder and train again"
        )
    try:
        content = (folder / WEIGHTS).read_bytes()
        if hashlib.sha256(content).hexdigest() != facts.get("sha256"):
            raise DataError(
                f"'{folder / WEIGHTS}' is damaged: its content is not what {FACTS} names; "
                "delete the folder and train again"
            )
        return load(content), facts
    except OSError:
        raise DataError(f"'{folder / WEIGHTS}' cannot be read; delete the folder and train again") from None
    except SafetensorError:
        raise DataError(f"'{folder / WEIGHTS}' holds no weights; delete the folder and train again") from None


def save_network(
    folder: Path,
    model: nn.Module,
    arrays: Mapping[str, np.ndarray] | None = None,
    info: Mapping[str, Any] | None = None,
) -> None:
    """Save a network of :func:`signals.neural.networks.build`.

    Parameters
    ----------
    folder : Path
        Made if it is not there; its two files are replaced.
    model : torch.nn.Module
        The network.
    arrays : mapping of ndarray, optional
        Saved beside the weights: learning curves, recorded weights, statistics of the preprocessing.
    info : mapping, optional
        JSON-able entries of the caller's.

    Raises
    ------
    ConfigError
        If the module is not one of ours; :func:`save_arrays` takes any weights.
    DataError
        If the folder cannot be written.
    """
    from signals.neural.modules import Network

    if not isinstance(model, Network):
        raise ConfigError(
            f"{type(model).__name__} is not a network of signals.neural.networks; save its weights with save_arrays"
        )
    held = {f"model.{name}": tensor.detach().cpu().numpy() for name, tensor in model.state_dict().items()}
    held |= {f"array.{name}": np.asarray(array) for name, array in (arrays or {}).items()}
    params = model.config.model_dump(mode="json")
    sizes = {"features": model.features, "outputs": model.outputs, "steps": model.steps}
    facts = {"network": {"name": model.config.name, **params}, **sizes, "info": dict(info or {})}
    save_arrays(folder, held, facts)


def load_network(folder: Path) -> Saved:
    """Load what :func:`save_network` wrote; the weights have the same bits.

    Raises
    ------
    DataError
        If a file is missing or damaged, or is of another format or network.
    """
    import torch

    from signals.neural.networks import build

    held, facts = load_arrays(folder)
    try:
        described = dict(facts["network"])
        config = network(described.pop("name"), **described)
        model = build(config, facts["features"], outputs=facts["outputs"], steps=facts["steps"])
        weights = {name.removeprefix("model."): array for name, array in held.items() if name.startswith("model.")}
        model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})
    except (ConfigError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(
            f"'{Path(folder) / FACTS}' does not describe the weights beside it ({reason}); "
            "delete the folder and train again"
        ) from None
    arrays = {name.removeprefix("array."): array for name, array in held.items() if name.startswith("array.")}
    return Saved(model.eval(), arrays, facts["info"])
