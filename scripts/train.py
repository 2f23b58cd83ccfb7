"""Train a signal over its walk-forward and look inside it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import _cli  # first of ours and theirs: it puts the project's packages at the head of the path
import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

HELP = """Train a signal over its walk-forward and say how well it predicts; no portfolio, no backtest.

Each window's line tells what it was fitted on, how well it fits, and what its scores came to until the next fit. Models
are kept by content: what a backtest has trained is not trained again, and the other way round (but for networks with
--explain, whose weights are recorded as they train).
"""

EXAMPLES = """\b
Examples:
  python scripts/train.py linear --universe csi300 --start 2016-01-01
  python scripts/train.py attention-gru --universe sse50 --start 2019-01-01 --out models/attention --explain
  python scripts/train.py attention-gru --start 2019-01-01 --compare cell=rnn,lstm,gru,attention-gru
"""

Text = str | None


@app.command(help=HELP, epilog=EXAMPLES)
def main(
    signal: Annotated[str, typer.Argument(metavar="SIGNAL", help="Name, path.py:Class, or module:Class.")],
    start: Annotated[str, typer.Option(metavar="DATE", help="First day to score; windows lie before it.")],
    end: Annotated[Text, typer.Option(metavar="DATE", help="Last day.")] = None,
    override: Annotated[
        list[str] | None, typer.Option("-p", "--set", metavar="KEY=VALUE", help="Parameter of the signal. Repeatable.")
    ] = None,
    data: Annotated[
        str, typer.Option(help="Folder of tables, or synthetic[:stocks=500,seed=1,...].")
    ] = "synthetic",
    universe: Annotated[str, typer.Option(help="all, an index (csi300, a code), or symbols with commas.")] = "all",
    benchmark: Annotated[str, typer.Option(metavar="CODE", help="Index, if the signal asks for one.")] = "",
    protocol: Annotated[
        str, typer.Option(help="honest, or paper: the signal may repeat its paper's leaks; the output says LEAKS.")
    ] = "honest",
    compare: Annotated[
        Text, typer.Option(metavar="KEY=A,B,...", help="The same with each value of a parameter, side by side.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes that train; no figure depends on it.")] = 1,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Save each window's signal, and train.json, here.")
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="Record input weights while training, and write explain.html into --out.")
    ] = False,
    record: Annotated[int, typer.Option(min=1, help="With --explain: iterations between recordings.")] = 10,
    repeats: Annotated[int, typer.Option(min=1, help="With --explain: shuffles of each factor.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, all else on standard error.")] = False,
    no_progress: Annotated[bool, typer.Option("--no-progress", help="Show no progress bar.")] = False,
) -> None:
    with _cli.output(as_json) as output:
        from _train_table import best_of, lines, meaning, show
        from _train_walk import Walked, check_out, market_of, progress_bar, signals_of

        from engine.config_values import parse_override
        from feeds.survivorship import data_warnings

        check_out(out, explain)
        given = dict(map(parse_override, override or ()))
        signals = signals_of(signal, given, protocol, compare, record if explain else 0)
        market, places = market_of(signals, data, universe, start, end, benchmark)
        results: list[dict[str, Any]] = []
        seconds: dict[str, float] = {}
        pages: list[Path] = []
        for name, one in signals.items():
            with progress_bar(not no_progress, name) as bar:
                done = Walked(market, one, places, jobs, bar)
            seconds[name] = done.cpu_seconds
            result = {
                "signal": name, "parameters": one.model_dump(mode="json"), "windows": lines(done.walk, done.known),
                "all": done.known.figures(k=best_of(one)), "trained": done.walk.trained, "reused": done.walk.reused,
            }  # fmt: skip
            results.append(result)
            if out is not None:
                place = out / name.replace("=", "-") if compare else out
                done.save(place, result)
                if explain:
                    from _train_explain import write_explanation

                    facts = [("Data", data), ("Universe", universe), ("Protocol", protocol)]
                    with progress_bar(not no_progress, "looking inside") as bar:
                        pages.append(write_explanation(done, place, name, result, facts, repeats, bar))
        show(results, seconds, signals)
        print()
        if protocol == "paper":
            print("LEAKS: these models used data from after their decisions; their figures are no forecast's.")
        for text in (*meaning(next(iter(signals.values()))), *data_warnings(market)):
            print(text)
        for result in results:
            print(
                f"{result['signal']}: {result['trained']} models trained, {result['reused']} kept from before; "
                f"{seconds[result['signal']]:.1f} CPU seconds"
            )
        if out is not None:
            print(f"Saved in {out}")
        for page in pages:
            print(f"Page: {page}")
        output.result(
            {
                "protocol": protocol, "fingerprint": market.fingerprint, "results": results, "cpu_seconds": seconds,
                "pages": [str(page) for page in pages],
            }
        )  # fmt: skip


if __name__ == "__main__":
    _cli.main_guard(app)
