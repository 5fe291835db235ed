"""Turn the wheel twice on the support tickets, as a small team would, and tell what happened.

Every step is a command of ``volano`` run as you would type it, or a request to its server. People
are played by ``answers.csv`` and ``wrong-labels.csv``, which hold the right topics. Nothing is
tuned so that the second model wins: a HOLD is an honest end of this demo. With ``--base`` both
models are fine-tuned from that pretrained encoder: a folder, a name on the Hugging Face hub, or
``auto``, a small one for the languages of the tickets.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import volano as vl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HERE = Path(__file__).resolve().parent
MARKER = ".made-by-the-volano-demo"
REJECTED = 3  # the exit code of a turn
NUM_ASKED = 80  # the rest of the July tickets is asked after the second turn
WHY_LOST = {
    "conflicting-label": "one text under two topics: nobody can tell which is right",
    "duplicate": "the same text and topic once more",
    "empty-text": "there is nothing to read",
}
# No proxy stands between this script and a server on this machine.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))

Row = dict[str, str]
Signal = dict[str, Any]


class Answered(NamedTuple):
    """A ticket, what the model said of it, and the name of that prediction."""

    ticket: Row
    id: str
    label: str
    confidence: float

    @property
    def is_right(self) -> bool:
        """Whether the person who knows would agree."""
        return self.label == self.ticket["topic"]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=HERE.parents[1] / "demo")
    told = "fine-tune this encoder: a folder, a name on the hub, or auto"
    parser.add_argument("--base", default="", help=told)
    given = parser.parse_args()
    folder: Path = given.folder.resolve()
    # Lines of this script and of the commands it runs come out in the order in which they happen.
    sys.stdout.reconfigure(encoding="utf-8", line_buffering=True)  # type: ignore[union-attr]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        started = time.monotonic()
        fresh(folder)
        wheel(folder, settings_for(given.base))
        say("", f"All of this took {time.monotonic() - started:.0f} seconds.")
        program = shown(Path(sys.executable).with_name("volano"))
        say("", f"next: {program} serve -p {shown(folder / 'tickets')}")
    except KeyboardInterrupt:
        say("", "stopped; the server has ended too. `make demo` starts afresh.")
        return 130
    except subprocess.CalledProcessError as failed:
        return failed.returncode  # the command said why
    return 0


def settings_for(base: str) -> list[str]:
    """What ``volano init`` is told so that the project fine-tunes an encoder."""
    if not base:
        return []
    found = str(Path(base).resolve()) if Path(base).is_dir() else base
    chosen = (
        "effort=quick",
        "train.learner=finetune",
        f"train.base={found}",
        "prepare.split.validation=0.2",  # over 100 rows: else each fold costs a training of its own
        "train.loop.epochs=8",
    )
    return [word for setting in chosen for word in ("--set", setting)]


def wheel(folder: Path, settings: Sequence[str]) -> None:
    """The whole story."""
    tickets = read(HERE / "answers.csv")
    project = folder / "tickets"

    heading("1", "A project from a file")
    data = os.path.relpath(HERE / "tickets.csv", folder)
    volano("init", "tickets", "--data", data, "--unknown", "other", *settings, at=folder)

    heading("2", "The first turn")
    if volano("turn", at=project) == REJECTED:
        tell_losses(project)
        sys.exit("the first model was refused, so there is nothing to serve; the verdict says why")
    tell_losses(project)

    with serving(project) as url:
        heading("3", f"Served at {url}: {NUM_ASKED} tickets of July ask")
        answered = ask(url, tickets[:NUM_ASKED])
        tell_answers(answered)

        heading("4", "What people say about the answers")
        disputed, late = give_feedback(url, answered)

        heading("5", "Review: out to a spreadsheet, and back")
        review(project, tickets, disputed)

        heading("6", "The second turn")
        volano("turn", at=project)
        promotes = tell_second(project)

        heading("7", "Meanwhile, at the server")
        if promotes:
            swap(project, url, tickets[NUM_ASKED:])
        else:
            force_and_undo(project, url, tickets[NUM_ASKED:])
        say("", f"Feedback about {len(late)} answers of the first day comes in only now:")
        send(url, late)
        tell("It belongs to the model that gave those answers, and waits for the third turn.")

    heading("8", "Where things stand")
    volano("status", at=project)
    tell_pages(project)


# What people do


def give_feedback(url: str, answered: Sequence[Answered]) -> tuple[str, list[Signal]]:
    """Corrections, scores, comments, wrong ids; the ticket in dispute, and what is said later."""
    wrong = [one for one in answered if not one.is_right]
    right = [one for one in answered if one.is_right]
    disputed, late, scored = wrong[0], wrong[1:4], wrong[4::5]
    noticed = [one for one in wrong[4:] if one not in scored]
    say("corrections, by Mei and Tom:")
    send(url, [correction(one, ("mei", "tom")[n % 2]) for n, one in enumerate(noticed)])
    say("a thumb down here, a thumb up there; a score alone makes no label:")
    downs: list[Signal] = [{"prediction": one.id, "score": 0} for one in scored]
    ups = [{"prediction": one.id, "score": 1, "by": "mei"} for one in right[::6]]
    send(url, downs + ups)
    say("comments:")
    comments = ("answered within a minute, thanks", "这个客户又来问了一遍")
    send(
        url,
        [
            {"prediction": one.id, "comment": said, "by": "tom"}
            for one, said in zip((right[1], scored[0]), comments, strict=True)
        ],
    )
    say("Mei and Tom disagree about one:")
    other = {"prediction": disputed.id, "label": disputed.label, "by": "tom"}
    send(url, [correction(disputed, "mei"), other])
    say("Mei sends one again; somebody sends ids that nobody knows:")
    unknown = [{"prediction": name, "label": "payment"} for name in ("T-2004", "no-such-id")]
    send(url, [correction(noticed[0], "mei"), *unknown])
    return disputed.ticket["ticket_id"], [correction(one, "mei") for one in late]


def correction(one: Answered, by: str) -> Signal:
    return {"prediction": one.id, "label": one.ticket["topic"], "by": by}


def review(project: Path, tickets: Sequence[Row], disputed: str) -> None:
    """Fill in the sheet as somebody would who knows the right topics."""
    volano("review", "--export", "todo.csv", at=project)
    right = {row["ticket_id"]: row["topic"] for row in tickets}
    mislabelled = {row["ticket_id"]: row["topic"] for row in read(HERE / "wrong-labels.csv")}
    rows = read(project / "todo.csv")
    for row in rows:
        known = {row["ticket_id"]: row["answer"]} | right | mislabelled
        row |= {"label": known[row["ticket_id"]], "by": "ana"}
    with (project / "done.csv").open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    whys = [row["why"] for row in rows]
    found = len(mislabelled.keys() & {row["ticket_id"] for row in rows})
    tell(
        "Why each was picked: "
        + ", ".join(f"{why} {whys.count(why)}" for why in sorted(set(whys)))
        + f". Ana fills in all {len(rows)}; {sum(r['label'] != r['answer'] for r in rows)} are"
        f" not what the sheet said. Of the {len(mislabelled)} wrong labels planted in tickets.csv,"
        f" {found} are here."
    )
    if disputed in {row["ticket_id"] for row in rows}:
        tell("The ticket that Mei and Tom disagree about is here too: Ana settles it.")
    say("")
    volano("review", "--import", "done.csv", at=project)


def swap(project: Path, url: str, tickets: Sequence[Row]) -> None:
    tell("The server follows a promotion by itself; nobody restarts it.")
    tell_served(project, url)
    tell(f"The last {len(tickets)} tickets of July: {score(ask(url, tickets))}.")


def force_and_undo(project: Path, url: str, tickets: Sequence[Row]) -> None:
    """What people may do against a verdict, and how it is undone."""
    tell_served(project, url)
    old = ask(url, tickets)
    say("")
    tell("People may overrule a verdict. It is kept as forced, and the server follows by itself:")
    say("")
    why = "July is about e-bikes, and it has seen some"
    volano("promote", "model:latest", "--because", why, "--by", "ana", at=project)
    say("")
    tell_served(project, url)
    new = ask(url, tickets)
    say("")
    tell(
        f"The last {len(tickets)} tickets of July: {score(old)} by the first model,"
        f" {score(new)} by the second. {len(tickets)} tickets show nothing, so Ana steps back:"
    )
    say("")
    volano("rollback", "--because", "not shown to be better yet", "--by", "ana", at=project)
    say("")
    tell_served(project, url)


# What is told


def tell_losses(folder: Path) -> None:
    with vl.open(folder) as project:
        data = project.find(vl.Dataset, "dataset:latest")
    counts = data.card["counts"]
    say("", f"What the data lost, of {counts['read']} lines:")
    for broken in data.card["broken"]:
        say(f"  line {broken['line']:<15} cannot be read: {broken['reason']}")
    for reason, num in data.dropped.items():
        say(f"  {reason:<17} {num:>2}  {WHY_LOST.get(reason, '')}")
    parts = ", ".join(f"{name} {num}" for name, num in counts["splits"].items() if num)
    say(f"What is left: {counts['rows']} tickets ({parts}).")


def tell_answers(answered: Sequence[Answered]) -> None:
    for one in answered[:6]:
        mark = "  " if one.is_right else "x "
        body = " ".join(one.ticket["body"].split())
        say(f"  {mark}{one.label:<17} {one.confidence:.2f}  {body[:44]}")
    say("  ...")
    tell(f"{score(answered)}. July brings an e-bike and new ways to pay.")


def tell_second(folder: Path) -> bool:
    """Where the new examples came from, and what the verdict means; whether it promotes."""
    with vl.open(folder) as project:
        data = project.find(vl.Dataset, "dataset:latest")
        verdict = project.turn().verdict  # nothing has changed: this only looks it up
    origins = data.examples.column("label_from").to_pylist()
    counts, fed = data.card["counts"], data.card["feedback"]
    say("")
    tell(
        f"Of the {counts['rows']} tickets of this turn, {origins.count('feedback')} have their"
        f" topic from feedback and {origins.count('review')} from review; {fed['added']} came in"
        f" new, {fed['replaced']} had another source before. The frozen test set has"
        f" {counts['splits']['test']} now: only answers that were picked at random enter it."
    )
    if verdict.promotes:
        tell("PROMOTE: the second model answers from now on.")
        return True
    tell(f"{verdict.decision}: the first model stays, as the second is not shown to be better.")
    if verdict.labels_needed:
        tell(
            "How many more labelled test tickets would show a gain as small as the gate's margin,"
            " it says above; a large gain shows with far fewer."
        )
    return False


def tell_served(folder: Path, url: str) -> None:
    """Wait until the server has seen the ledger, and show what it says."""
    with vl.open(folder) as project:
        champion = project.find(vl.Model, "model:champion").short
    until = time.monotonic() + 20
    while (serves := call(f"{url}/v1/model"))["model"] != champion and time.monotonic() < until:
        time.sleep(0.1)
    say(bold(f"$ curl -s {url}/v1/model"))
    for name in ("model", "promoted", "because"):
        tell(f"  {name:<9} {serves[name]}", " " * 12)


def tell_pages(folder: Path) -> None:
    say("", "Reports to open in a browser (each has its JSON twin beside it):")
    for page in sorted((folder / ".volano" / "reports").rglob("*.html")):
        say(f"  {shown(page)}")


# How it talks to volano


def volano(*words: str, at: Path) -> int:
    """Run a command as a person would; its last line is left out, the story goes on by itself."""
    say(bold(f"$ volano {shlex.join(words)}"))
    command = [sys.executable, "-m", "volano", *words]
    done = subprocess.run(command, cwd=at, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    say(done.stdout.partition("\nnext: ")[0].rstrip())
    if done.returncode != REJECTED:  # a verdict, not a failure
        done.check_returncode()
    return done.returncode


@contextmanager
def serving(project: Path) -> Iterator[str]:
    """The server as a process of its own, ended whatever happens."""
    command = [sys.executable, "-m", "volano", "serve", "--set", "serve.port=0"]
    log = project.parent / "server.log"
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            command, cwd=project, stdout=subprocess.PIPE, stderr=errors, encoding="utf-8"
        ) as server,
    ):
        try:
            said = server.stdout.readline() if server.stdout else ""
            if not said.startswith("listening on "):
                sys.exit(f"the server did not start:\n{log.read_text('utf-8')}")
            yield said.removeprefix("listening on ").strip()
        finally:
            server.terminate()


def ask(url: str, tickets: Sequence[Row]) -> list[Answered]:
    """Ask for answers, ten tickets a request; the right topic is not sent."""
    answered = []
    for start in range(0, len(tickets), 10):
        part = tickets[start : start + 10]
        rows = [{name: cell for name, cell in row.items() if name != "topic"} for row in part]
        said = call(f"{url}/v1/predict", {"inputs": rows})["predictions"]
        for row, one in zip(part, said, strict=True):
            answered.append(Answered(row, one["id"], one["label"], one["confidence"]))
    return answered


def send(url: str, signals: Sequence[Signal]) -> None:
    """Send feedback, and say what became of it."""
    recorded = call(f"{url}/v1/feedback", list(signals))["recorded"]
    statuses = [one["status"] for one in recorded]
    counts = ", ".join(f"{name} {statuses.count(name)}" for name in dict.fromkeys(statuses))
    say(f"  POST /v1/feedback  {len(signals):>2} sent: {counts}")


def call(url: str, body: object = None) -> Any:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"content-type": "application/json"})
    with OPENER.open(request, timeout=30) as response:
        return json.load(response)


# Small things


def fresh(folder: Path) -> None:
    """An empty folder; only one that this demo made is ever removed."""
    if folder.exists():
        if not (folder / MARKER).exists():
            sys.exit(
                f"error: {folder} is there, and this demo did not make it\n"
                "  try  move it away, or name another folder: demo.py --folder ..."
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARKER).write_text("removed and made again at each run of the demo\n", "utf-8")


def read(path: Path) -> list[Row]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def score(answered: Sequence[Answered]) -> str:
    return f"{sum(one.is_right for one in answered)} of {len(answered)} answers are right"


def shown(path: Path) -> str:
    """A path as short as it can be typed from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def heading(number: str, text: str) -> None:
    say("", bold(f"── {number} ── {text} " + "─" * max(4, 68 - len(text))), "")


def bold(text: str) -> str:
    return (
        f"\x1b[1m{text}\x1b[0m" if sys.stdout.isatty() and not os.environ.get("NO_COLOR") else text
    )


def tell(text: str, indent: str = "") -> None:
    say(textwrap.fill(text, 88, subsequent_indent=indent))


def say(*lines: str) -> None:
    for line in lines:
        print(line)


if __name__ == "__main__":
    sys.exit(main())
