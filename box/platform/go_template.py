# SPDX-License-Identifier: Apache-2.0
"""The little of Go templates that a NodeGroupConfiguration may use here: text, comments, and quoted strings.

bashible-apiserver renders `spec.content` with all of Go's language and the node's context. A step that needs more
than an escaped literal brace is refused here with its line, not rendered wrongly.
"""

import json
import re

_ACTION = re.compile(r"\{\{(?P<left>- )?(?P<body>.*?)(?P<right> -)?\}\}", re.DOTALL)
_STRING = re.compile(r'\{\{(?P<left>- )?\s*(?P<body>"(?:[^"\\\n]|\\.)*"|`[^`]*`)\s*(?P<right>(?<=\s)-)?\}\}')


class TemplateError(Exception):
    """The text uses what this stand-in does not render."""


def render_literals(text: str) -> str:
    """Render a template whose actions are string literals or comments only; TemplateError names the line."""
    parts: list[str] = []
    position = 0
    trim_next = False
    while (start := text.find("{{", position)) >= 0:
        match = _STRING.match(text, start) or _ACTION.match(text, start)
        line = text.count("\n", 0, start) + 1
        if match is None:
            raise TemplateError(f"line {line}: '{{{{' is never closed")
        before = text[position:start]
        parts.append(_trim(before, left=trim_next, right=bool(match["left"])))
        parts.append(_evaluate(match["body"].strip(), line))
        trim_next = bool(match["right"])
        position = match.end()
    parts.append(_trim(text[position:], left=trim_next, right=False))
    return "".join(parts)


def _evaluate(body: str, line: int) -> str:
    if body.startswith("/*") and body.endswith("*/"):
        return ""
    if body.startswith("`") and body.endswith("`") and len(body) > 1:
        return body[1:-1]
    try:
        value = json.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, str):
        raise TemplateError(f"line {line}: the stand-in for bashible-apiserver cannot render {{{{ {body} }}}}")
    return value


def _trim(text: str, *, left: bool, right: bool) -> str:
    text = text.lstrip(" \t\r\n") if left else text
    return text.rstrip(" \t\r\n") if right else text
