"""Dated Shenwan industries. The source gives codes only; the names of level 1 are those of the published editions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from feeds.akshare_client import Client

if TYPE_CHECKING:
    import pandas as pd

SINCE_2021 = "2021-07-30"
"""First day of the edition SW2021."""

NAMES_2021 = {
    "11": "农林牧渔", "22": "基础化工", "23": "钢铁", "24": "有色金属", "27": "电子", "28": "汽车", "33": "家用电器",
    "34": "食品饮料", "35": "纺织服饰", "36": "轻工制造", "37": "医药生物", "41": "公用事业", "42": "交通运输",
    "43": "房地产", "45": "商贸零售", "46": "社会服务", "48": "银行", "49": "非银金融", "51": "综合", "61": "建筑材料",
    "62": "建筑装饰", "63": "电力设备", "64": "机械设备", "65": "国防军工", "71": "计算机", "72": "传媒", "73": "通信",
    "74": "煤炭", "75": "石油石化", "76": "环保", "77": "美容护理",
}  # fmt: skip
"""Level 1 of SW2021 by the first two digits of a code."""

NAMES_BEFORE = NAMES_2021 | {
    "21": "采掘", "22": "化工", "25": "建筑建材", "26": "机械设备", "31": "交运设备", "32": "信息设备",
    "35": "纺织服装", "44": "金融服务", "45": "商业贸易", "46": "休闲服务", "47": "信息服务", "63": "电气设备",
}  # fmt: skip
"""The same of SW2014 and SW2008, whose codes do not collide."""

COLUMNS = ("symbol", "start_date", "sw_code", "l1_code", "scheme", "l1_name")


def industries(client: Client, wanted: set[str]) -> pd.DataFrame:
    """Dated Shenwan industries on the disk.

    Parameters
    ----------
    client : Client
    wanted : set of str
        Symbols.

    Returns
    -------
    DataFrame
        symbol, start_date, sw_code, l1_code, scheme, l1_name (None for a code of no known edition); sorted.
    """
    import pandas as pd

    names = list(COLUMNS)
    history = client.history("stock_industry_clf_hist_sw")
    if not history:
        return pd.DataFrame(columns=names)
    rows = history[-1][1]
    rows = rows[rows["symbol"].isin(wanted) & rows["start_date"].notna() & rows["sw_code"].notna()].copy()
    first = rows["sw_code"].str[:2]
    old = (rows["start_date"] < pd.Timestamp(SINCE_2021)).to_numpy()
    rows["l1_code"] = first + "0000"
    rows["scheme"] = np.where(old, "pre-2021 (SW2008/SW2014)", "SW2021")
    called = np.where(old, first.map(NAMES_BEFORE), first.map(NAMES_2021))
    rows["l1_name"] = pd.Series([v if isinstance(v, str) else None for v in called], index=rows.index, dtype=object)
    rows = rows.sort_values(["symbol", "start_date"], kind="stable").drop_duplicates(names[:2], keep="last")
    return rows[names].reset_index(drop=True)
