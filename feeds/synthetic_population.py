"""Who is in the synthetic market: codes, boards, industries, listings, sizes and habits.

Everything here is drawn before the first price, from streams of its own, so that a change in one part
does not reshuffle the others. Positions are session indices t of the panel (T sessions x N stocks,
stocks in symbol order).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from feeds.synthetic_schedules import LONG_AGO, NEVER, payouts, sorted_by_t, special_treatment, suspensions

Stream = Callable[[str], np.random.Generator]

MAIN_SH, MAIN_SZ, SME, CHINEXT, STAR = range(5)
BOARD_NAMES = ("Main", "Main", "SME", "ChiNext", "STAR")
BOARD_SHARE = (0.38, 0.12, 0.22, 0.21, 0.07)
"""Share of all stocks ever listed in 2010-2020, rounded."""
LISTED_AT_START = (0.56, 0.97, 0.46, 0.20, 0.0)
"""Share that is already listed when a span of ten and a half years begins in 2010. The number of stocks grows at one
rate, so of another span it is the power of the length."""
BOARD_OPENS = np.array(["1991-01-02", "1991-07-03", "2004-06-25", "2009-10-30", "2019-07-22"], "datetime64[D]")
CODES = (
    np.r_[600000:601000, 601000:602000, 603000:604000, 605000:606000],
    np.r_[1:1000],
    np.r_[2001:2999],
    np.r_[300001:300999],
    np.r_[688001:688999],
)

# SW2014 level-1 industries: code, name, share of stocks, size relative to the others, name endings.
INDUSTRIES = (
    (110000, "农林牧渔", 2.5, 0.8, "农业种业牧业渔业"),
    (210000, "采掘", 1.8, 2.0, "矿业煤业能源石油"),
    (220000, "化工", 8.0, 0.9, "化工化学材料新材"),
    (230000, "钢铁", 1.0, 1.5, "钢铁特钢"),
    (240000, "有色金属", 3.5, 1.2, "铜业铝业稀土锂业"),
    (270000, "电子", 7.0, 1.0, "电子光电微芯半导"),
    (280000, "汽车", 5.0, 1.0, "汽车车桥轮胎动力"),
    (330000, "家用电器", 2.0, 1.4, "电器家电"),
    (340000, "食品饮料", 3.0, 1.7, "食品酒业乳业调味"),
    (350000, "纺织服装", 2.5, 0.6, "纺织服饰"),
    (360000, "轻工制造", 3.5, 0.6, "纸业家居包装文具"),
    (370000, "医药生物", 8.0, 1.1, "医药生物药业医疗"),
    (410000, "公用事业", 4.5, 1.2, "电力水务燃气环保"),
    (420000, "交通运输", 3.3, 1.6, "航运港口高速物流"),
    (430000, "房地产", 3.8, 1.2, "地产置业发展城建"),
    (450000, "商业贸易", 2.6, 0.8, "商业百货贸易超市"),
    (460000, "休闲服务", 1.0, 1.0, "旅游酒店"),
    (480000, "银行", 1.0, 12.0, "银行商行"),
    (490000, "非银金融", 2.0, 4.0, "证券保险信托期货"),
    (510000, "综合", 1.3, 0.6, "实业集团"),
    (610000, "建筑材料", 2.0, 0.9, "水泥建材玻璃"),
    (620000, "建筑装饰", 3.6, 1.1, "建工装饰路桥"),
    (630000, "电气设备", 5.0, 0.9, "电气电缆储能风电"),
    (640000, "机械设备", 9.0, 0.8, "机械重工机床精工"),
    (650000, "国防军工", 2.0, 1.3, "航空船舶兵器"),
    (710000, "计算机", 6.0, 0.9, "软件信息数据智能"),
    (720000, "传媒", 3.8, 0.9, "传媒影视出版"),
    (730000, "通信", 2.8, 1.0, "通信网络光缆"),
)
_STEMS = [a + b for b in "子丑寅卯辰巳午未申酉戌亥" for a in "甲乙丙丁戊己庚辛壬癸"]

IPO_FREEZES = (("2008-09-26", "2009-06-28"), ("2012-11-03", "2014-01-16"), ("2015-07-06", "2015-11-29"))
CAP_44_FROM = np.datetime64("2014-01-01")  # first day: issue price x 0.64 .. 1.44
CHINEXT_REFORM = np.datetime64("2020-08-24")
MAIN_REGISTRATION = np.datetime64("2023-04-10")


@dataclass(frozen=True, kw_only=True)
class Population:
    """The cast of a synthetic market; arrays of length N unless another shape is given."""

    symbols: np.ndarray  # str, sorted
    exchange: np.ndarray  # "SH" / "SZ"
    board: np.ndarray  # int, index into BOARD_NAMES
    names: np.ndarray  # str, plain name
    list_date: np.ndarray  # datetime64[D]
    list_pos: np.ndarray  # first session; LONG_AGO if listed before the panel
    last_pos: np.ndarray  # last session on which it is listed
    delisted: np.ndarray  # bool
    free_days: np.ndarray  # sessions without price limit after listing
    capped_first: np.ndarray  # bool, first day limited to 64 % .. 144 % of the issue price
    industry: np.ndarray  # (2, N) index into INDUSTRIES, before and from industry_pos
    industry_pos: np.ndarray  # session of the change; NEVER if none
    price: np.ndarray  # yuan, close before the first session, or issue price
    premium: np.ndarray  # fraction by which fair value exceeds the issue price (0 if no listing)
    total_shares: np.ndarray  # int64, at first session
    float_shares: np.ndarray  # int64
    beta: np.ndarray
    volatility: np.ndarray  # idiosyncratic, per session
    turnover: np.ndarray  # typical fraction of the float that changes hands in a session
    state: np.ndarray  # (T, N) int8: PLAIN, ST, STAR_ST, LEAVING
    trading: np.ndarray  # (T, N) bool: listed and not suspended
    jumps: dict[str, np.ndarray]  # columns t, i, size (fraction), sorted by t
    payouts: dict[str, np.ndarray]  # columns t, i, cash_yield (fraction), bonus (per 10), sorted by t


def draw_population(count: int, sessions: np.ndarray, before: np.ndarray, stream: Stream) -> Population:
    """Draw all schedules of a market.

    Parameters
    ----------
    count : int
        Number of stocks N.
    sessions : ndarray of datetime64[D], shape (T,)
    before : ndarray of datetime64[D]
        Sessions before the panel, from which older listing dates are taken.
    stream : callable
        Random generator by purpose.
    """
    board, list_pos = _boards_and_listings(count, sessions, stream("listings"))
    symbols, order = _symbols(board, stream("codes"))
    board, list_pos = board[order], list_pos[order]
    industry, industry_pos, names = _industries(count, len(sessions), stream("industries"))
    listed_on = sessions[np.clip(list_pos, 0, None)]
    new = list_pos >= 0
    registered = (
        (board == STAR)
        | ((board == CHINEXT) & (listed_on >= CHINEXT_REFORM))
        | ((board <= SME) & (listed_on >= MAIN_REGISTRATION))
    )
    capped = new & ~registered & (listed_on >= CAP_44_FROM)
    money = _money(board, new, registered, capped, industry[0], stream("money"))
    may_be_st = (board <= SME) & (list_pos < 0)  # ChiNext and STAR had no ST in these years
    standing = special_treatment(may_be_st, money["cap"], sessions, stream("special treatment"))
    trading, news = suspensions(list_pos, standing, sessions, stream("suspensions"))
    return Population(
        symbols=symbols,
        exchange=np.where(np.isin(board, (MAIN_SH, STAR)), "SH", "SZ"),
        board=board,
        names=names,
        list_date=_listing_dates(board, list_pos, sessions, before, stream("listing dates")),
        list_pos=list_pos,
        last_pos=standing.last_pos,
        delisted=standing.delisted,
        free_days=np.where(new & registered, 5, np.where(new & ~capped, 1, 0)),
        capped_first=capped,
        industry=industry,
        industry_pos=industry_pos,
        price=money["price"],
        premium=money["premium"],
        total_shares=money["total"],
        float_shares=money["float"],
        beta=money["beta"],
        volatility=money["volatility"],
        turnover=money["turnover"],
        state=standing.state,
        trading=trading,
        jumps=sorted_by_t({k: np.concatenate([standing.jumps[k], news[k]]) for k in news}),
        payouts=payouts(list_pos, standing, sessions, stream("payouts")),
    )


def _boards_and_listings(count: int, sessions: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Board and listing session of each stock (LONG_AGO if listed before)."""
    years = len(sessions) / 243.0
    board = np.repeat(np.arange(5), np.diff(np.rint(np.cumsum((0.0, *BOARD_SHARE)) * count).astype(int)))
    room = np.array([len(codes) for codes in CODES])
    for b in (MAIN_SZ, SME, CHINEXT, STAR):  # what the code range cannot hold moves to Shanghai
        board[np.flatnonzero(board == b)[room[b] :]] = MAIN_SH
    allowed = np.ones(len(sessions), bool)
    for first, last in IPO_FREEZES:
        allowed &= ~((sessions >= np.datetime64(first)) & (sessions <= np.datetime64(last)))
    allowed[: min(5, len(sessions) // 2)] = allowed[-min(40, len(sessions) // 3) :] = False
    list_pos = np.full(count, LONG_AGO)
    draw, where = rng.random(count), rng.random(count)
    for b in range(5):
        mine = board == b
        share_new = 1.0 - LISTED_AT_START[b] ** (years / 10.5)
        days = np.flatnonzero(allowed & (sessions >= BOARD_OPENS[b]))
        opened = sessions[0] > BOARD_OPENS[b] + np.timedelta64(30, "D")
        if b == STAR and opened:
            share_new = min(1.0, 0.25 * years)
        fresh = mine & ((draw < share_new) | (not opened))
        if not len(days):  # not open, or frozen all the time
            board[fresh & (not opened)] = MAIN_SH
            continue
        list_pos[fresh] = days[(where[fresh] * len(days)).astype(int)]
    days = np.flatnonzero(allowed & (sessions >= BOARD_OPENS[MAIN_SH]))
    if not (list_pos >= 0).any() and count >= 10 and len(days):
        list_pos[0] = days[len(days) // 2]  # a market without a listing shows too little
    if (list_pos < 0).sum() < 2:
        board[:2], list_pos[:2] = MAIN_SH, LONG_AGO  # each index needs a member from the first day
    return board, list_pos


def _symbols(board: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Codes from the board's range, and the order that sorts them."""
    out = np.empty(len(board), dtype="U9")
    for b, codes in enumerate(CODES):
        mine = np.flatnonzero(board == b)
        suffix = "SH" if b in (MAIN_SH, STAR) else "SZ"
        out[mine] = [f"{code:06d}.{suffix}" for code in rng.permutation(codes)[: len(mine)]]
    order = np.argsort(out)
    return out[order], order


def _listing_dates(
    board: np.ndarray,
    list_pos: np.ndarray,
    sessions: np.ndarray,
    before: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    opened = np.minimum(np.searchsorted(before, BOARD_OPENS[board]), len(before) - 1)
    old = opened + (rng.random(len(board)) * (len(before) - opened)).astype(int)
    return np.where(list_pos >= 0, sessions[np.clip(list_pos, 0, None)], before[np.minimum(old, len(before) - 1)])


def _industries(count: int, length: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Industry before and after a change, session of the change, plain names (unique)."""
    weight = np.array([row[2] for row in INDUSTRIES])
    industry = rng.choice(len(INDUSTRIES), size=(2, count), p=weight / weight.sum())
    moves = (rng.random(count) < 0.005 * length / 243) & (industry[0] != industry[1]) & (length > 2)
    change = np.where(moves, rng.integers(1, max(2, length), count), NEVER)
    industry[1] = np.where(moves, industry[1], industry[0])
    names = np.empty(count, dtype="U6")
    for k, (_, _, _, _, text) in enumerate(INDUSTRIES):
        endings = [text[j : j + 2] for j in range(0, len(text), 2)]
        for rank, i in enumerate(np.flatnonzero(industry[0] == k)):
            stem, turn = _STEMS[rank * 7 % len(_STEMS)], rank // len(_STEMS)
            names[i] = stem + endings[(rank + turn) % len(endings)] + "二三四五六七"[turn - 1 : turn]
    return industry, change, names


def _money(
    board: np.ndarray,
    new: np.ndarray,
    registered: np.ndarray,
    capped: np.ndarray,
    industry: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Prices, share counts and habits at the stock's first session."""
    count = len(board)
    normal = rng.standard_normal((8, count))
    premium = (
        np.where(
            capped | registered,
            np.exp(np.log(1.1) + 0.55 * normal[0]),  # rationed issue prices: a run of limit-up days follows
            np.clip(0.3 + 0.25 * normal[0], -0.15, 1.2),
        )
        * new
    )
    price = np.round(np.clip(np.exp(np.log(np.where(new, 16.0, 10.0)) + 0.55 * normal[1]), 3.0, 120.0), 2)
    tilt = np.array([row[3] for row in INDUSTRIES])[industry]
    main = np.where(board <= MAIN_SZ, 5.45e9, 4.1e9)
    skewed = normal[2] + 0.20 * (normal[2] ** 2 - 1.0)  # many of a common size, few giants
    cap = np.clip(np.where(new, 4.0e9, main) * tilt * np.exp(np.where(new, 0.7, 0.97) * skewed), 1.2e9, 1.5e12)
    total = np.rint(cap / (price * (1.0 + premium)) / 1e4).astype(np.int64) * 10_000
    part = np.where(rng.random(count) < 0.4, 1.0, rng.uniform(0.25, 0.95, count))
    part = np.where(new, 0.25, part)
    return {
        "price": price,
        "premium": premium,
        "cap": cap,
        "total": total,
        "float": np.where(part >= 1.0, total, np.rint(total * part / 100).astype(np.int64) * 100),
        "beta": np.clip(1.05 + 0.2 * normal[3], 0.5, 1.6),
        "volatility": 0.0086 * np.exp(0.21 * normal[4]) * (cap / 4e9) ** -0.03,
        "turnover": np.clip(
            0.0128 * (cap / 4e9) ** -0.15 * np.exp(0.50 * normal[4] + 0.34 * normal[5]) / part**0.25, 0.0008, 0.09
        ),
    }
