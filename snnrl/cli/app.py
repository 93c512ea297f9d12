"""The Typer application: the commands, and what ``snnrl`` does without one."""

from __future__ import annotations

from typing import Annotated

import typer

from snnrl.cli import (
    compare_engines,
    compare_rewards,
    convert,
    demo,
    distill,
    evaluate,
    export,
    finetune,
    info,
    play,
    train,
)

app = typer.Typer(
    help="Spiking neural networks that learn by reward.",
    epilog="Example:  snnrl train cartpole --seeds 8",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    add_completion=False,
)

app.command(epilog=train.EXAMPLE)(train.train)
app.command(epilog=evaluate.EXAMPLE)(evaluate.evaluate)
app.command(epilog=export.EXAMPLE)(export.export)
app.command(epilog=finetune.EXAMPLE)(finetune.finetune)
app.command(epilog=info.EXAMPLE)(info.info)
app.command("compare-engines", epilog=compare_engines.EXAMPLE)(compare_engines.compare_engines)
app.command("compare-rewards", epilog=compare_rewards.EXAMPLE)(compare_rewards.compare_rewards)
app.command(epilog=convert.EXAMPLE)(convert.convert)
app.command(epilog=demo.EXAMPLE)(demo.demo)
app.command(epilog=distill.EXAMPLE)(distill.distill)
app.command(epilog=play.EXAMPLE)(play.play)


def _version(asked: bool) -> None:
    if asked:
        from importlib import metadata

        print(f"snnrl {metadata.version('snnrl')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _snnrl(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
