import typer

app = typer.Typer(help="Run workload generators.")


@app.command()
def echo() -> None:
    "x"


@app.callback()
def _l() -> None:
    "Run workload generators."
