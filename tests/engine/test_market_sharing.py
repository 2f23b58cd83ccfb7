"""A market opened from a folder travels to other processes as its folder, and they share its memory."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from engine.errors import DataError
from engine.market import Market
from engine.market_fields import FIELDS

ROOT = Path(__file__).resolve().parents[2]
SESSIONS = np.arange("2019-01-01", "2020-01-01", dtype="datetime64[D]")


def built(stocks: int = 50, fingerprint: str = "one", sessions: np.ndarray = SESSIONS) -> Market:
    close = np.random.default_rng(3).uniform(5.0, 50.0, (len(sessions), stocks))
    raw = {name: close for name in ("open", "high", "low", "close")}
    symbols = [f"{600000 + k}.SH" for k in range(stocks)]
    return Market.build(sessions, symbols, raw, names={symbols[0]: "甲"}, fingerprint=fingerprint)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    built().save(tmp_path / "market")
    return tmp_path / "market"


def test_a_market_from_a_folder_pickles_as_the_folder_and_opens_again(saved: Path) -> None:
    market = Market.load(saved)
    content = pickle.dumps(market)
    assert len(content) < 0.1 * market.close.nbytes
    other = pickle.loads(content)
    for name in FIELDS:
        np.testing.assert_array_equal(getattr(other, name), getattr(market, name))
        assert not getattr(other, name).flags.owndata  # mapped, not copied
    assert (other.symbols, other.names, other.fingerprint) == (market.symbols, market.names, "one")
    with pytest.raises(ValueError, match="read-only"):
        other.close[0, 0] = 1.0


def test_what_changed_after_opening_travels_too(saved: Path) -> None:
    market = Market.load(saved)
    market.member = np.zeros_like(market.member)
    market.fingerprint, market.info["exclude"] = "two", ["st"]
    other = pickle.loads(pickle.dumps(market))
    assert other.fingerprint == "two" and other.info["exclude"] == ["st"]
    assert not other.member.any() and not other.member.flags.writeable
    assert pickle.loads(pickle.dumps(other)).fingerprint == "two"


def test_a_folder_that_holds_other_data_by_then_is_refused(saved: Path) -> None:
    content = pickle.dumps(Market.load(saved))
    built(fingerprint="other").save(saved, present=["none"])
    with pytest.raises(DataError, match="'market' holds other data than before; run again"):
        pickle.loads(content)


def test_a_market_built_from_arrays_pickles_whole_without_its_clock() -> None:
    market = built()
    market.clock()
    other = pickle.loads(pickle.dumps(market))
    np.testing.assert_array_equal(other.close, market.close)
    assert other._clock is None and not other.close.flags.writeable


def test_a_fork_shares_the_arrays_and_what_was_derived(saved: Path) -> None:
    market = Market.load(saved)
    fork = market.fork()
    assert all(getattr(fork, name) is getattr(market, name) for name in FIELDS)
    assert fork.shared(lambda _: object()) is not None and fork._shared is market._shared


READER = """
import pickle, sys
import numpy as np
from engine.market import Market
from engine.market_fields import FIELDS

def anonymous():
    lines = open("/proc/self/smaps_rollup").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Anonymous:")) * 1024

before = anonymous()
market = pickle.load(sys.stdin.buffer)
total = sum(float(np.nansum(getattr(market, name))) for name in FIELDS)
print(anonymous() - before, sum(getattr(market, name).nbytes for name in FIELDS))
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="only Linux tells what memory is shared")
def test_a_process_that_reads_all_of_a_market_copies_hardly_any_of_it(tmp_path: Path) -> None:
    built(1000).save(tmp_path / "market")
    content = pickle.dumps(Market.load(tmp_path / "market"))
    done = subprocess.run([sys.executable, "-c", READER], input=content, cwd=ROOT, capture_output=True, check=True)
    grown, held = map(int, re.findall(r"\d+", done.stdout.decode()))
    assert held > 30e6 and grown < 0.35 * held


HOLDER = """
import pickle, sys, time
from engine.market_fields import FIELDS

market = pickle.load(sys.stdin.buffer)
for name in FIELDS:
    for row in getattr(market, name):
        row.sum()
print("read", flush=True)
time.sleep(600)
"""


def held_by(content: bytes, processes: int) -> int:
    """Bytes that so many processes hold together once each has read the whole market; a shared page counts once."""
    began = [
        subprocess.Popen([sys.executable, "-c", HOLDER], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for _ in range(processes)
    ]
    try:
        for one in began:
            assert one.stdin is not None and one.stdout is not None
            one.stdin.write(content)
            one.stdin.close()
        for one in began:
            assert one.stdout is not None and one.stdout.readline() == b"read\n"
        texts = [Path(f"/proc/{one.pid}/smaps_rollup").read_text() for one in began]
        return sum(int(re.findall(r"^Pss:\s+(\d+)", text, re.M)[0]) for text in texts) * 1024
    finally:
        for one in began:
            one.kill()
            one.wait()
            assert one.stdout is not None
            one.stdout.close()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="only Linux tells what memory is shared")
def test_four_processes_hold_at_most_half_as_much_again_as_one(tmp_path: Path) -> None:
    years = np.arange("2016-01-01", "2020-01-01", dtype="datetime64[D]")
    built(1000, sessions=years).save(tmp_path / "market")
    content = pickle.dumps(Market.load(tmp_path / "market"))
    assert held_by(content, 4) < 1.5 * held_by(content, 1)
