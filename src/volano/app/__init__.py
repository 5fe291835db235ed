"""The faces: command line, HTTP, console. They parse, call one thing and show it.

In: what a person or a program typed. Out: text, JSON, pages. Never: logic that another face would
need too; that lives in ``loop`` or in a stage.
"""
