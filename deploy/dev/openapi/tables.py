"""The tables of the C sources that the document repeats: limits, reasons, statuses. So no number is written twice."""

import ast
import dataclasses
import operator
import re

OPERATORS = {ast.Mult: operator.mul, ast.Add: operator.add, ast.Sub: operator.sub}

# What is published under another name than the table's (base/reason.c).
PUBLISHED = {"ORDER_PRODUCT_NOT_FOUND": "PRODUCT_NOT_FOUND"}

# Reasons of the HTTP door whose status is not that of their code (api of the HTTP door: edge/http).
HTTP_STATUSES = {
    "METHOD_NOT_ALLOWED": 405, "NOT_ACCEPTABLE": 406, "BODY_TOO_LARGE": 413, "URL_TOO_LONG": 414,
    "MEDIA_TYPE_UNSUPPORTED": 415, "HEADERS_TOO_LARGE": 431,
}


@dataclasses.dataclass(frozen=True)
class Reason:
    key: str  # in the table of the sources
    name: str  # in ErrorInfo
    code: str
    number: int  # of the code
    http: int
    invites_retry: bool
    text: str


def calculate(expression, known):
    """The value of a constant expression of C: numbers, names, * + - and parentheses."""
    def value(node):
        if isinstance(node, ast.Constant):
            return int(node.value)
        if isinstance(node, ast.Name):
            return known[node.id]
        return OPERATORS[type(node.op)](value(node.left), value(node.right))
    return value(ast.parse(expression.strip(), mode="eval").body)


def read_limits(*headers):
    """The constants of the enums in these headers: {"LIMIT_ID_LEN": 63}."""
    limits = {}
    for header in headers:
        text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
        for name, expression in re.findall(r"^\s*([A-Z][A-Z0-9_]+) = ([^,}]+)", text, re.M):
            if re.fullmatch(r"[\w\s*+()-]+", expression) and "sizeof" not in expression:
                limits[name] = calculate(expression, limits)
    return limits


def read_statuses(source_dir):
    """{"NOT_FOUND": (5, 404)}: the number of a code and what it becomes over HTTP."""
    header = (source_dir / "src/base/status.h").read_text()
    rows = (source_dir / "src/base/status.c").read_text()
    numbers = {name: int(number) for name, number in re.findall(r"STATUS_([A-Z_]+) = (\d+)", header)}
    count = numbers.pop("COUNT")
    https = {name: int(http) for name, http in re.findall(r"\[STATUS_([A-Z_]+)\]\s*=\s*\{\"[A-Z_]+\",\s*(\d+)\}", rows)}
    if set(numbers) != set(https) or len(numbers) != count:
        raise ValueError("base/status.h and base/status.c cannot be read")
    return {name: (numbers[name], https[name]) for name in numbers}


def read_reasons(source_dir):
    """The rows of base/reason.h, by key, in order."""
    text = (source_dir / "src/base/reason.h").read_text()
    statuses = read_statuses(source_dir)
    rows = re.findall(r"X\((\w+),\s*(\w+),\s*(RETRY_\w+),\s*\"([^\"]*)\"\)", text)
    if len(rows) != len(re.findall(r"^    X\(", text, re.M)):
        raise ValueError("base/reason.h cannot be read")
    reasons = {}
    for key, code, retry, description in rows:
        number, http = statuses[code]
        reasons[key] = Reason(key, PUBLISHED.get(key, key), code, number, HTTP_STATUSES.get(key, http),
                              retry == "RETRY_AFTER", description)
    return reasons


def read_phrases(source_dir):
    """{404: "Not Found"}: the statuses of edge/http/http_status.c."""
    rows = re.findall(r"\{(\d{3}), \"\1 ([^\"]+)\"\}", (source_dir / "src/edge/http/http_status.c").read_text())
    return {int(status): phrase for status, phrase in rows}


def read_currencies(source_dir):
    """The codes of the table in domain/money.c."""
    codes = re.findall(r"\{\"([A-Z]{3})\", \d\}", (source_dir / "src/domain/money.c").read_text())
    if len(codes) < 100 or codes != sorted(codes):
        raise ValueError("domain/money.c cannot be read")
    return codes
