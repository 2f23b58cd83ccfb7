"""Networks on disk: the same bits back, nothing executed, one sentence for each kind of damage."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.errors import ConfigError, DataError

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'huice[torch]'")
pytest.importorskip("safetensors", reason="safetensors is not installed: pip install 'huice[torch]'")

from signals.neural.model_files import FACTS, FORMAT, WEIGHTS, load_arrays, load_network, save_arrays, save_network  # noqa: E402
from signals.neural.networks import NETWORKS, build, network  # noqa: E402
from signals.neural.outputs import outputs  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    save_network(folder, build(network("lstm", units=5), 3, outputs=2, steps=4))
    return folder


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_a_saved_network_comes_back_with_the_same_bits(name: str, tmp_path: Path) -> None:
    model = build(network(name, layers=2, units=5, dropout=0.3), 3, outputs=2, steps=4, seed=8)
    curves = {"train_loss": np.array([0.5, 0.25]), "iterations": np.arange(3)}
    save_network(tmp_path / "a" / "b", model, curves, {"window": "2014", "months": [1, 2]})
    found = load_network(tmp_path / "a" / "b")
    assert found.model.config == model.config and found.info == {"window": "2014", "months": [1, 2]}
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), found.model.parameters(), strict=True))
    x = np.random.default_rng(0).normal(size=(9, 4, 3)).astype(np.float32)
    assert np.array_equal(outputs(model, x), outputs(found.model, x)) and not found.model.training
    assert {key: (a.dtype, a.tolist()) for key, a in found.arrays.items()} == {
        key: (a.dtype, a.tolist()) for key, a in curves.items()
    }


def test_another_process_reads_the_same_scores(saved: Path) -> None:
    code = (
        "import sys, numpy as np; from signals.neural.model_files import load_network; "
        "from signals.neural.outputs import outputs; "
        "print(outputs(load_network(sys.argv[1]).model, np.ones((2, 4, 3), np.float32)).tobytes().hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(saved)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == outputs(load_network(saved).model, np.ones((2, 4, 3), np.float32)).tobytes().hex()


def test_the_same_network_gives_the_same_files_and_no_others(saved: Path, tmp_path: Path) -> None:
    save_network(tmp_path / "again", build(network("lstm", units=5), 3, outputs=2, steps=4))
    assert sorted(file.name for file in saved.iterdir()) == sorted([FACTS, WEIGHTS])
    for name in (FACTS, WEIGHTS):
        assert (saved / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    header = int.from_bytes((saved / WEIGHTS).read_bytes()[:8], "little")  # safetensors: its length, then JSON
    assert "model.head.weight" in json.loads((saved / WEIGHTS).read_bytes()[8 : 8 + header])


def test_damaged_weights_are_told_from_whole_ones(saved: Path) -> None:
    content = bytearray((saved / WEIGHTS).read_bytes())
    content[-3] ^= 1  # one bit of one weight
    (saved / WEIGHTS).write_bytes(content)
    with pytest.raises(DataError, match=r"weights.safetensors' is damaged: .* delete the folder and train again"):
        load_network(saved)
    (saved / WEIGHTS).write_bytes(content[:50])
    with pytest.raises(DataError, match="weights.safetensors' is damaged"):
        load_network(saved)
    (saved / WEIGHTS).unlink()
    with pytest.raises(DataError, match="weights.safetensors' cannot be read"):
        load_network(saved)


def rewrite(folder: Path, **changes) -> None:
    facts = json.loads((folder / FACTS).read_text())
    (folder / FACTS).write_text(json.dumps(facts | changes))


def test_a_file_that_is_no_safetensors_is_refused(saved: Path) -> None:
    import hashlib

    (saved / WEIGHTS).write_bytes(b"junk" * 9)
    rewrite(saved, sha256=hashlib.sha256(b"junk" * 9).hexdigest())
    with pytest.raises(DataError, match="weights.safetensors' holds no weights"):
        load_network(saved)


def test_another_version_of_the_files_is_refused(saved: Path) -> None:
    rewrite(saved, format=FORMAT + 1)
    with pytest.raises(
        DataError, match=f"is of format {FORMAT + 1}, this version of Huice reads format {FORMAT}; delete"
    ):
        load_network(saved)


def test_damaged_or_missing_facts_are_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no saved network in .*nowhere"):
        load_network(tmp_path / "nowhere")
    rewrite(saved, features=4)
    with pytest.raises(DataError, match="does not describe the weights beside it"):
        load_network(saved)
    rewrite(saved, network={"name": "lstm", "unit": 5})
    with pytest.raises(DataError, match="no parameter 'unit'"):
        load_network(saved)
    for text in ("{", "[]", "\udcff"):
        (saved / FACTS).write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(DataError, match="network.json' is damaged"):
            load_network(saved)


def test_a_module_of_ones_own_is_saved_as_arrays(tmp_path: Path) -> None:
    own = torch.nn.Linear(2, 1)
    with pytest.raises(
        ConfigError, match="Linear is not a network of signals.neural.networks; save its weights with save_arrays"
    ):
        save_network(tmp_path, own)
    save_arrays(tmp_path, {name: tensor.numpy() for name, tensor in own.state_dict().items()}, {"mine": 1})
    arrays, facts = load_arrays(tmp_path)
    assert np.array_equal(arrays["weight"], own.weight.detach().numpy()) and facts["mine"] == 1


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be saved into '.*file"):
        save_arrays(tmp_path / "file", {}, {})
