"""The loop: the turn, what it skips, the judge, releases, and every verb of a project.

In: a project folder. Out: Turns, Verdicts, Releases. Never: how rows are read, models trained or
requests answered; those are stages, which meet here and nowhere else.
"""

__all__: list[str] = []
