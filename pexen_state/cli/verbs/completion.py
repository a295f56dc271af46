"""`pexen completion`: what a shell has to read to complete our words."""

from __future__ import annotations

import click

from pexen_state.cli.app import App, verb


@click.command(short_help="Print the completion script of a shell.")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@verb
def completion(app: App, shell: str) -> int:
    """Print what a shell has to read so that the Tab key completes verbs, options, runs, tasks, locks and files.

    \b
    bash, in ~/.bashrc:   eval "$(pexen completion bash)"
    zsh, in ~/.zshrc:     eval "$(pexen completion zsh)"     (after compinit)
    fish:                 pexen completion fish > ~/.config/fish/completions/pexen.fish
    """
    from pexen_state.cli.completing import script

    app.console.out.write(script(shell))
    app.console.out.flush()
    return 0
