from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest_feeds import SESSIONS, Tables, bars_of

from engine.errors import DataError
from feeds.file_feed import BarTarget, FileFeed
