"""``volano status``: how the project stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volano.app.cli.screen import AsJson, Folder, next_command, print_json, print_lines

if TYPE_CHECKING:
    import typer

__all__ = ["add", "status"]


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(status)


def status(project: Folder = ".", as_json: AsJson = False) -> None:
    """Champion, last turn, what waits for people, live accuracy."""
    from volano.loop.overview import describe_status
    from volano.loop.project import Project

    with Project.open(project) as opened:
        found = describe_status(opened)
    if as_json:
        print_json(found)
        return
    print_lines(_lines(found))
    if found["turn"] is None:
        next_command("volano turn")
    elif found["reviews"]["open"]:
        next_command("volano review --export todo.csv")
    else:
        next_command("volano serve")


def _way_out(champion: dict[str, Any], last: dict[str, Any] | None) -> str:
    """How the champion is replaced by a model that never saw the person."""
    if last is None or last["model"] == champion["model"] or last["erased"]:
        return "volano turn trains without"
    return (
        f"turn {last['number']} trained {last['model'][:12]} without and did not promote it; "
        f'volano promote model:{last["model"][:12]} --because "a person was erased"'
    )


def _lines(found: dict[str, Any]) -> list[str]:
    lines = [f"{found['project']}: {found['task']}"]
    champion, last = found["champion"], found["turn"]
    if champion:
        forced = " (forced)" if champion["forced"] else ""
        lines.append(f"  champion    {champion['model'][:12]} since {champion['since']}{forced}")
        lines.append(f"              {champion['because']}")
        if champion["erased"]:
            lines.append(
                f"              trained on a person who was erased on {champion['erased']}:"
            )
            lines.append(f"              {_way_out(champion, last)}")
    else:
        lines.append("  champion    none yet")
    if last:
        lines.append(f"  last turn   {last['number']} at {last['at']}: {last['decision']}")
        lines += [f"              {reason}" for reason in last["because"]]
        learned = last["feedback"]
        lines.append(
            f"              {learned['from_feedback']} examples from feedback, "
            f"{learned['from_review']} from review"
        )
        lines += [f"  {name + ' page':<12}{path}" for name, path in last["reports"].items()]
    running = found["unfinished_turn"]
    if running:
        done = ", ".join(running["stages"]) or "nothing yet"
        lines.append(
            f"  unfinished  turn {running['number']} since {running['since']}: {done} done"
        )
        lines += [f"              {stage}: {told}" for stage, told in running["training"].items()]
    lines += [
        f"  unfinished  an erasure begun {one['since']}: volano forget --subject ID, once more"
        for one in found["unfinished_erasures"]
    ]
    waiting = found["reviews"]
    lines.append(f"  served      {found['predictions']:,} answers, {found['feedback']:,} signals")
    lines.append(f"  reviews     {waiting['open']} open, {waiting['answered']} answered")
    live = found["live_accuracy"]
    if live:
        many = f"from {live['num_labels']} reviewed answers picked at random"
        lines.append(f"  live        {_live(live)}, {many}")
    return lines + (_automatic(found["automatic"]) if found["automatic"] else [])


def _live(live: dict[str, Any]) -> str:
    """How right the answers were that users got."""
    if "mae" in live:
        told = live["mae"]
        return f"off by {told['value']:.4g} on average ({told['low']:.4g} to {told['high']:.4g})"
    told = live["accuracy"]
    return f"{told['value']:.3f} right ({told['low']:.3f} to {told['high']:.3f})"


def _automatic(found: dict[str, Any]) -> list[str]:
    num, total = found["automatic"], found["automatic"] + found["person"]
    lines = [f"  automatic   {num:,} of {total:,} answers of the champion ({num / total:.1%})"]
    live = found["live_precision"]
    if live:
        many = f"from {live['num_labels']} of them reviewed at random"
        lines.append(f"              {_live(live)}, {many}")
    return lines
