"""What the server takes and answers, as an OpenAPI 3.1 document and as a page.

Made from the project and the model that answers: columns, limits, and whether it asks for keys.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from volano.core.wire import dump_json
from volano.serve.rows import MAX_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from volano.core.pages import Block
    from volano.models.table_columns import FittedColumn
    from volano.serve.config import ServeConfig
    from volano.serve.rows import Columns

__all__ = ["describe_api", "docs_page"]

Json = dict[str, Any]

_ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["what", "where", "try"],
            "properties": {name: {"type": "string"} for name in ("what", "where", "try")},
        }
    },
}
_REFUSALS = {
    400: "The body is not JSON, or the request is not HTTP.",
    401: "No key came, or an unknown one.",
    405: "The path does not take this method.",
    408: "The request did not come in time.",
    413: "The body is over the limit of bytes.",
    415: "The body does not say that it is JSON in UTF-8.",
    422: "A value is wrong; `where` names it.",
    431: "The head of the request is too large.",
    500: "A fault of the server; its log says more.",
    503: "Not now: come again after the seconds that `Retry-After` says.",
}
# A name may be a number, too; what stands for nobody is null or empty.
_NAME: Json = {
    "type": ["string", "number", "null"],
    "maxLength": MAX_NAME,
    "pattern": r"^[^\u0000]*$",
}

_CELLS: Mapping[str, Json] = {
    "number": {
        "type": ["number", "null"],
        "minimum": -1e300,
        "maximum": 1e300,
        "description": "A number; a text that reads as one will do.",
    },
    "boolean": {
        "type": ["boolean", "null"],
        "description": "True or false; yes and no, 1 and 0, \u662f and \u5426 will do.",
    },
    "date": {
        "type": ["string", "null"],
        "format": "date",
        "description": "A date, or a date and a time; as in the data will do.",
    },
    "category": {
        "type": ["string", "number", "boolean", "null"],
        "description": "One of few; one that training never saw is answered too.",
    },
    "text": {"type": ["string", "null"]},
}
_LEVELS_SHOWN = 5
_LABELS: Json = {
    "label": {"type": ["string", "null"]},
    "labels": {"type": "array", "items": {"type": "string"}},
    "confidence": {"type": "number", "minimum": 0, "maximum": 1},
    "unknown": {"type": "boolean"},
    "scores": {"type": "object", "additionalProperties": {"type": "number"}},
}
_NUMBER: Json = {
    "value": {"type": "number"},
    "low": {"type": "number", "description": "The truth lies from here, nine times in ten,"},
    "high": {"type": "number", "description": "up to here."},
}


def describe_api(
    columns: Columns,
    config: ServeConfig,
    more_paths: Mapping[str, Json],
    *,
    has_keys: bool,
    is_number: bool = False,
) -> Json:
    """The document.

    Args:
        columns: what the model that answers reads.
        config: limits.
        more_paths: of other rooms, without the answers that all paths share.
        has_keys: whether the server asks for keys.
        is_number: whether an answer is a number.
    """
    paths: dict[str, Json] = {
        "/v1/predict": {"post": _predict(columns, config, is_number=is_number)},
        **more_paths,
        "/v1/model": {"get": _get("The model that answers, since when and why.", _object())},
        "/v1/openapi.json": {"get": _get("This document.", _object())},
        "/metrics": {"get": _get("Figures for Prometheus.", {"type": "string"}, "text/plain")},
        "/docs": {"get": _get("This description as a page.", {"type": "string"}, "text/html")},
        "/healthz": {"get": _get("That the process lives.", _object()) | {"security": []}},
        "/readyz": {"get": _get("200 where predictions are answered.", _object())
                    | {"security": []}},
    }  # fmt: skip
    for operations in paths.values():
        for operation in operations.values():
            for status, what in _REFUSALS.items():
                operation["responses"].setdefault(str(status), _answer(what, _ERROR))
    paths["/readyz"]["get"]["responses"]["503"] = _answer("Not ready, and why.", _object())
    document: Json = {
        "openapi": "3.1.0",
        "info": {"title": "volano", "version": "1"},
        "paths": paths,
        "components": {"securitySchemes": {}},
    }
    if has_keys:
        document["components"]["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer"},
            "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
        }
        document["security"] = [{"bearer": []}, {"header": []}]
    return document


def _predict(columns: Columns, config: ServeConfig, *, is_number: bool) -> Json:
    kinds = columns.kinds
    cells: Json = {
        name: _cell(kinds[name]) if name in kinds else {"type": "string"} for name in columns.needed
    }
    named = {name: _NAME for name in (columns.subject, columns.group) if name}
    row = {"type": "object", "required": [*columns.needed], "properties": named | cells}
    inputs = {"type": "array", "minItems": 1, "maxItems": config.max_batch, "items": row}
    body = {
        "type": "object",
        "required": ["inputs"],
        "additionalProperties": False,
        "properties": {
            "inputs": inputs | {"description": "One object for each row, by column name."},
            "explain": {"type": "boolean", "description": "Also say what mattered, and how much."},
            "subject": _NAME | {"description": "Whose rows these are."},
            "group": _NAME | {"description": "Which group they are of."},
        },
    }
    parts = _NUMBER if is_number else _LABELS
    one = {
        "type": "object",
        "required": ["id", *(name for name in parts if name not in ("label", "labels"))],
        "properties": {
            "id": {"type": "string", "description": "Feedback names it."},
            **parts,
            "reasons": {"type": "array", "items": _object()},
        },
    }
    answer = {
        "type": "object",
        "required": ["model", "predictions"],
        "properties": {
            "model": {"type": "string"},
            "predictions": {"type": "array", "items": one},
        },
    }
    return {
        "summary": "Answer rows with the champion.",
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": body,
                    "example": {"inputs": [columns.example_row()]},
                }
            },
        },
        "responses": {"200": _answer("One prediction for each row.", answer)},
    }


def _cell(column: FittedColumn) -> Json:
    told = _CELLS[column.kind]
    return told | {"examples": [*column.levels[:_LEVELS_SHOWN]]} if column.levels else told


def _get(what: str, schema: Json, kind: str = "application/json") -> Json:
    return {"summary": what, "responses": {"200": _answer(what, schema, kind)}}


def _answer(what: str, schema: Json, kind: str = "application/json") -> Json:
    return {"description": what, "content": {kind: {"schema": schema}}}


def _object() -> Json:
    return {"type": "object"}


def docs_page(document: Json, url: str = "http://127.0.0.1:8000") -> str:
    """The document for a reader: one self-contained page, nothing is loaded from elsewhere."""
    from volano.core.pages import Code, Details, Page, Prose, Section, Table, render

    sections = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            rows = tuple((s, a["description"]) for s, a in sorted(operation["responses"].items()))
            blocks: list[Block] = [
                Prose(operation["summary"]),
                Code(_curl(document, path, method, url)),
            ]
            sent = operation.get("requestBody")
            if sent:
                schema = sent["content"]["application/json"]["schema"]
                blocks.append(Details("the body", (Code(_pretty(schema)),)))
            fine = operation["responses"]["200"]["content"]
            blocks.append(Details("the answer", (Code(_pretty(fine)),)))
            blocks.append(Details("every status", (Table(("status", "when"), rows),)))
            sections.append(Section(f"{method.upper()} {path}", tuple(blocks)))
    subtitle = "The same for programs: /v1/openapi.json"
    return render(Page("HTTP of this project", subtitle, tuple(sections)))


def _curl(document: Json, path: str, method: str, url: str) -> str:
    parts = [f"curl {url}{path}"]
    operation = document["paths"][path][method]
    if document.get("security") and operation.get("security") != []:
        parts.append("-H 'Authorization: Bearer YOUR-KEY'")
    if "requestBody" in operation:
        example = operation["requestBody"]["content"]["application/json"].get("example", {})
        said = dump_json(example).decode().replace("'", "'\\''")
        parts += ["-H 'Content-Type: application/json'", f"-d '{said}'"]
    return " \\\n  ".join(parts)


def _pretty(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False, indent=2)
