"""What goes into a training: samples, labels, rows, weights of classes. Does not import torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from engine.errors import ConfigError, SignalError
from signals.neural.configs import TrainingConfig

# ``named`` is " of window '...'" or nothing, for messages.


def checked_samples(x: np.ndarray, named: str) -> np.ndarray:
    """``x`` as (S, L, F) float32, all finite; copied only if it is not so already."""
    x = np.ascontiguousarray(x, dtype=np.float32)
    if x.ndim != 3 or 0 in x.shape:
        raise SignalError(f"x{named} has the shape {x.shape}; (samples, steps, features) is needed, none of them 0")
    for begin in range(0, len(x), 4096):
        finite = np.isfinite(x[begin : begin + 4096])
        if not finite.all():
            row, step, feature = np.argwhere(~finite)[0]
            raise SignalError(
                f"x{named} is not finite at sample {begin + row}, step {step}, feature {feature}; "
                "fill or drop missing values before training"
            )
    return x


def checked_labels(y: np.ndarray, rows: int, config: TrainingConfig, named: str) -> tuple[int, np.ndarray]:
    """The number of classes (0 in regression), and labels as float32 or int64."""
    y = np.asarray(y)
    if y.shape != (rows,):
        raise SignalError(f"y{named} has the shape {y.shape}; x has {rows} samples")
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise SignalError(f"y{named} is not finite at sample {np.argmin(np.isfinite(y))}; drop such samples")
    if config.loss != "cross-entropy":
        return 0, np.ascontiguousarray(y, dtype=np.float32)
    wrong = (y != np.floor(y)) | (y < 0)
    if wrong.any():
        raise SignalError(f"y{named} holds {y[wrong][0]}; classes are 0, 1, 2, ...")
    labels = np.ascontiguousarray(y, dtype=np.int64)
    classes = config.classes or max(int(labels.max()) + 1, 2)
    if labels.max() >= classes:
        raise SignalError(f"y{named} holds class {labels.max()}, but classes = {classes}: 0 to {classes - 1}")
    return classes, labels


def checked_rows(given: Any, count: int, purpose: str, named: str) -> np.ndarray:
    """Row numbers as int64."""
    rows = np.asarray(given)
    if rows.dtype == bool:
        rows = np.flatnonzero(rows)
    rows = np.ascontiguousarray(rows, dtype=np.int64)
    if rows.ndim != 1 or (rows.size and (rows.min() < 0 or rows.max() >= count)):
        raise SignalError(f"the rows to {purpose}{named} must be numbers from 0 to {count - 1}")
    if not rows.size and purpose == "train on":
        raise SignalError(f"there is no row to train on{named}")
    return rows


def class_weights(labels: np.ndarray, classes: int, config: TrainingConfig, named: str) -> np.ndarray | None:
    """Weights of the classes (C,) float32 from the labels of the training rows; None: all alike."""
    if not classes:
        return None
    counts = np.bincount(labels, minlength=classes)
    if (counts > 0).sum() < 2:
        raise SignalError(
            f"the training rows{named} hold only class {counts.argmax()}; take a longer window or another label"
        )
    wanted = config.class_weights
    if wanted == "none":
        return None
    if wanted == "balanced":
        return np.where(counts > 0, len(labels) / (classes * np.maximum(counts, 1)), 0.0).astype(np.float32)
    if len(wanted) != classes:
        raise ConfigError(f"class_weights are {len(wanted)}, but the labels{named} have {classes} classes")
    return np.asarray(wanted, dtype=np.float32)


def check_validation_counts(labels: np.ndarray, weights: np.ndarray | None, named: str) -> None:
    """Refuse validation rows whose loss would be 0 whatever the network says."""
    if weights is not None and len(labels) and not weights[labels].any():
        raise SignalError(
            f"the validation rows{named} hold only classes of weight 0 ({np.unique(labels).tolist()}); "
            "take more validation rows or other class_weights"
        )


def check_same_network(given: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """Refuse weights to start from that are of another network."""
    for name in sorted(given.keys() | own.keys()):
        a, b = (tuple(state[name].shape) if name in state else None for state in (given, own))
        if a != b:
            raise SignalError(
                f"the weights to start from are of another network: '{name}' is {a or 'not there'}, "
                f"here {b or 'not there'}; start from the same network, factors and steps"
            )


def split_rows(
    rows: int, config: TrainingConfig, times: np.ndarray | None = None, window: str = ""
) -> tuple[np.ndarray, np.ndarray]:
    """Training and validation rows by ``validation``, ``split`` and ``embargo``.

    Parameters
    ----------
    rows : int
        S.
    config : TrainingConfig
        The options.
    times : ndarray (S,), optional
        When each row was decided, in any order; all rows of a time go together when split by time. Without it
        the rows are in order of time, one each.
    window : str
        The caller's name for the sample, for messages.

    Returns
    -------
    train, validation : ndarray of int64
        Ascending; ``validation`` is empty if its share is 0.

    Raises
    ------
    SignalError
        If either would be empty.
    """
    share = config.validation
    every = np.arange(rows, dtype=np.int64)
    if share == 0.0:
        return every, every[:0]
    if config.split == "random":
        drawn = np.random.default_rng([config.seed, 7]).permutation(rows)
        held = max(1, round(share * rows))
        train, validation = np.sort(drawn[held:]), np.sort(drawn[:held])
    else:
        moments, when = np.unique(every if times is None else np.asarray(times), return_inverse=True)
        after = np.cumsum(np.bincount(when)[::-1])  # rows of the last one, two, ... times
        held = int(np.searchsorted(after, share * rows - 1e-9)) + 1
        train = every[when < len(moments) - held - config.embargo]
        validation = every[when >= len(moments) - held]
    if not len(train) or not len(validation):
        named = f" of window '{window}'" if window else ""
        raise SignalError(
            f"the {rows} rows{named} leave none to {'train' if not len(train) else 'validate'} on with "
            f"validation = {share:g}, embargo = {config.embargo}; take a longer window or lower them"
        )
    return train.astype(np.int64), validation.astype(np.int64)
