"""The whole document: an operation for every google.api.http rule, by the binding rules of google/api/http.proto.

What is neither in the path nor in the body is in the query; names are those of proto3's JSON.
"""

import json
import re

import errors
import examples
from google.protobuf.descriptor import FieldDescriptor as Field
from limits import NOT_NEGATIVE
from schemas import Schemas, Side

JSON_TYPE = "application/json"
MASK = "update_mask"

DESCRIPTION = """\
The methods of the gRPC services `shop.v1.Catalog`, `shop.v1.Orders` and `shop.v1.OrderEvents` over HTTP/1.1 and JSON.

JSON is proto3's canonical mapping: names in lowerCamelCase (requests may also use those of the protos), 64-bit \
integers as strings (requests may also use numbers), enums by name, times by RFC 3339. Scalars and lists are always \
written; messages that are not set are not. Unknown fields and unknown query parameters are refused, unless the \
query has `$unknown=ignore`.

Every error has the same body, with exactly one `google.rpc.ErrorInfo` in its details: `reason` says what happened \
and does not change; `message` is for people. Where the details have a `google.rpc.RetryInfo`, the header \
`Retry-After` says the same in whole seconds. Where they have none, repeating the same call does not help, but after a \
timeout, or where `reason` says that the outcome is not known: then the same call with the same key tells it.

A path that is none of these is 404 (`ROUTE_NOT_FOUND`); a path that is, with another method, 405 \
(`METHOD_NOT_ALLOWED`) with `Allow`. Every `GET` has its `HEAD`, and every path `OPTIONS`.

Limits: {body_kib} KiB a body, {url_kib} KiB a URL, {header_kib} KiB of header fields. A call has {deadline_s} s \
unless `Grpc-Timeout` says otherwise, and at most {deadline_max_s} s."""

HEADERS = {
    "Idempotency-Key": {
        "description": "Stands for requestId, quoted or not. When both are given they must be equal.",
        "schema": {"type": "string", "pattern": r'^([!#-+\--~]{1,255}|"([!#-\[\]-~]|\\["\\]){1,255}")$'},
        "example": examples.REQUEST_ID},
    "If-Match": {
        "description": "The ETag of the object as it was read, or `*`: 412 when it was changed since.",
        "schema": {"type": "string", "pattern": "^(W/)?\"[^\"]*\"$"}, "example": "W/\"3-17\""},
    "If-None-Match": {
        "description": "The ETag of the object as it is known: 304 while it is still the same.",
        "schema": {"type": "string"}, "example": "W/\"3-17\""},
    "Grpc-Timeout": {
        "description": "How long the caller waits: up to 8 digits and a unit (H, M, S, m, u, n).",
        "schema": {"type": "string", "pattern": "^[0-9]{1,8}[HMSmun]$"}, "example": "5S"},
    "Last-Event-ID": {
        "description": "The id of the event that was seen last, sent by browsers that connect again; for "
                       "text/event-stream, where it stands for afterRevision or afterPosition.",
        "schema": {"type": "string", **NOT_NEGATIVE}, "example": "3"},
}
ANSWER_HEADERS = {
    "Retry-After": {
        "description": "In how many seconds to repeat the call; exactly where the details have a RetryInfo.",
        "schema": {"type": "integer", "minimum": 1}, "example": 1},
    "ETag": {
        "description": "The version of the object, for If-Match and If-None-Match.",
        "schema": {"type": "string", "pattern": "^(W/)?\"[^\"]*\"$"}, "example": "W/\"3-17\""},
    "Idempotent-Replayed": {
        "description": "The answer repeats that of an earlier call with the same request id.",
        "schema": {"const": "true"}, "example": "true"},
}
UNKNOWN = {"name": "$unknown", "in": "query",
           "description": "`ignore`: fields and query parameters that are not known are passed over, not refused.",
           "schema": {"type": "string", "enum": ["ignore"]}}

NO_CONTENT = {"description": "No Content. Last-Event-ID is the last revision there is, and nothing will follow."}
NOT_MODIFIED = {"description": "Not Modified. The object is still the one of If-None-Match.",
                "headers": {"ETag": {"$ref": "#/components/headers/ETag"}}}

STREAM = """\
An item for each state, by Accept:
- `text/event-stream`: an event each, its id the revision, its data the item; a comment every 15 s; at the end an \
event `end`, or an event `error` with an error as data.
- `application/x-ndjson`: a line each, `{"result": item}`; at the end `{"error": …}` when it did not end well.
- else one JSON array."""
ENDLESS = """\
By Accept:
- `text/event-stream`: an event each, its id the position, its data the item; a comment every 15 s; an event `error` \
with an error as data when it breaks off.
- else `application/x-ndjson`: a line each, `{"result": item}`; `{"error": …}` when it breaks off."""

# The member that is the id of an event, by method; and those streams that do not end by themselves.
EVENT_IDS = {"shop.v1.Orders.WatchOrder": "revision", "shop.v1.OrderEvents.Subscribe": "position"}
ENDLESS_STREAMS = {"shop.v1.OrderEvents.Subscribe"}


class Document:
    """Everything in one object; build() gives the OpenAPI document."""

    def __init__(self, protos, limits, reasons, currencies, phrases):
        self.protos = protos
        self.reasons = reasons
        self.phrases = phrases
        self.limits = limits
        self.schemas = Schemas(protos, limits, currencies)
        self.services = list(protos.services_served())
        self.methods = [method for service in self.services for method in service.methods]
        errors.check_complete(reasons, self.methods)

    def build(self):
        paths = self.paths()
        self.schemas.check_all_limits_used()
        return {
            "openapi": "3.1.0",
            "info": {"title": "orderd", "version": "v1", "description": DESCRIPTION.format(
                body_kib=self.limits.numbers["HTTP_BODY_SIZE_MAX"] // 1024,
                url_kib=self.limits.numbers["HTTP_URL_SIZE_MAX"] // 1024,
                header_kib=self.limits.numbers["HTTP_FIELDS_SIZE_MAX"] // 1024,
                deadline_s=self.limits.numbers["LIMIT_DEADLINE_MS_DEFAULT"] // 1000,
                deadline_max_s=self.limits.numbers["LIMIT_DEADLINE_MS"] // 1000)},
            "servers": [{"url": "/"}],
            "security": [],
            "tags": [self.tag(service) for service in self.services],
            "paths": paths,
            "components": {
                "schemas": {**dict(sorted(self.schemas.made.items())), "Error": self.error_schema()},
                "parameters": {"Unknown": UNKNOWN, **{name: {"name": name, "in": "header", **header}
                                                      for name, header in HEADERS.items()}},
                "headers": ANSWER_HEADERS,
                "examples": errors.examples(self.reasons),
            },
        }

    def tag(self, service):
        comments = (self.protos.comment(service.file.name), self.protos.comment(service.full_name))
        return {"name": service.name, "description": " ".join(comment for comment in comments if comment)}

    # ---- Operations ----

    def paths(self):
        """Paths that differ in the names of their variables only are one path; the first one's names are taken."""
        paths, by_shape = {}, {}
        for method in self.methods:
            rules = self.protos.rules(method)
            for number, rule in enumerate(rules, 1):
                path = by_shape.setdefault(re.sub(r"\{[^}]*\}", "{}", rule.path), openapi_path(rule.path))
                operations = paths.setdefault(path, {})
                if rule.verb in operations:
                    raise ValueError(f"{rule.verb} {rule.path} stands twice")
                operations[rule.verb] = self.operation(method, rule, path, number)
        return paths

    def operation(self, method, rule, path, number):
        request = method.input_type
        variables = path_variables(rule.path)
        made = {"tags": [method.containing_service.name], "summary": words(method.name)}
        description = [self.protos.comment(method.full_name)]
        if number > 1:
            first = self.protos.rules(method)[0]
            description.append(f"Another path for `{first.verb.upper()} {openapi_path(first.path)}`.")
        if method.server_streaming:
            description.append(ENDLESS if method.full_name in ENDLESS_STREAMS else STREAM)
        description = "\n\n".join(part for part in description if part)
        if description:
            made["description"] = description
        made["operationId"] = f"{method.containing_service.name}_{method.name}{number if number > 1 else ''}"
        made["parameters"] = [
            *(self.parameter(field_of(request, variable), "path", name)
              for variable, name in zip(variables, path_variables(path))),
            *self.query_parameters(request, rule, variables),
            *({"$ref": f"#/components/parameters/{name}"} for name in self.headers(method, rule)),
            {"$ref": "#/components/parameters/Unknown"},
        ]
        if rule.body:
            made["requestBody"] = self.request_body(method, rule, variables)
        made["responses"] = {**self.answers(method, rule), **errors.responses(
            self.reasons, self.phrases,
            errors.reasons_of(self.reasons, method, bool(variables), bool(rule.body)))}
        return made

    def query_parameters(self, request, rule, variables):
        if rule.body == "*":
            return []
        made = [self.parameter(field, "query", field.json_name) for field in request.fields
                if field.name != rule.body and field.name not in variables]
        for parameter in made:
            if rule.body and parameter["name"] == json_path(MASK):
                parameter["schema"]["pattern"] = self.mask_pattern(request.fields_by_name[rule.body].message_type)
        return made

    def mask_pattern(self, message):
        """The paths of a mask: fields that a caller may set, one level deep; or all of them."""
        names = "|".join(field.json_name for field in message.fields if field.name not in ("id", "etag")
                         and "OUTPUT_ONLY" not in self.protos.behaviours(field))
        return rf"^(\*|({names})(,({names}))*)$"

    def parameter(self, field, place, name):
        schema = self.schemas.field(field, Side.INPUT)
        if "$ref" in schema and field.type == Field.TYPE_MESSAGE:
            raise ValueError(f"{field.full_name}: a message cannot be in a path or query")
        made = {"name": name, "in": place}
        description = self.protos.comment(field.full_name)
        if description:
            made["description"] = description
        if place == "path" or "REQUIRED" in self.protos.behaviours(field):
            made["required"] = True
        made["schema"] = schema
        if field.full_name in examples.PARAMETERS:
            made["example"] = examples.PARAMETERS[field.full_name]
        return made

    def headers(self, method, rule):
        """The names of the request headers that mean something to the method."""
        request, answer = method.input_type, method.output_type
        fields = set(request.fields_by_name)
        if rule.body not in ("", "*"):
            fields |= set(request.fields_by_name[rule.body].message_type.fields_by_name)
        if "request_id" in fields:
            yield "Idempotency-Key"
        if "etag" in fields and rule.verb != "post":
            yield "If-Match"
        if rule.verb == "get" and "etag" in answer.fields_by_name and not method.server_streaming:
            yield "If-None-Match"
        if method.server_streaming:
            yield "Last-Event-ID"
        yield "Grpc-Timeout"

    def request_body(self, method, rule, variables):
        request = method.input_type
        if rule.body == "*":
            schema = self.schemas.body(request, variables)
        else:
            field = request.fields_by_name[rule.body]
            side = Side.PATCH if rule.verb == "patch" else Side.INPUT
            inside = [path.removeprefix(f"{rule.body}.") for path in variables if path.startswith(f"{rule.body}.")]
            schema = self.schemas.body(field.message_type, inside, side)
        # Without a body it is {}, which is right where nothing is required.
        is_required = "required" in self.schemas.made[schema["$ref"].rpartition("/")[2]]
        return {"required": is_required, "content": {JSON_TYPE: {
            "schema": schema, "examples": named(examples.REQUESTS[method.full_name])}}}

    # ---- Answers ----

    def answers(self, method, rule):
        made = {"200": self.answer(method, rule)}
        if method.server_streaming and method.full_name not in ENDLESS_STREAMS:
            made["204"] = NO_CONTENT
        if "If-None-Match" in self.headers(method, rule):
            made["304"] = NOT_MODIFIED
        return made

    def answer(self, method, rule):
        schema = self.schemas.answer(method.output_type)
        made = {"description": "OK."}
        names = [name for name, used in (
            ("ETag", "etag" in method.output_type.fields_by_name and not method.server_streaming),
            ("Idempotent-Replayed", "Idempotency-Key" in self.headers(method, rule))) if used]
        if names:
            made["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
        shown = examples.ANSWERS[method.full_name]
        if method.server_streaming:
            made["content"] = self.stream_content(method.full_name, schema, shown)
        else:
            made["content"] = {JSON_TYPE: {"schema": schema, "examples": named(shown)}}
        return made

    @staticmethod
    def stream_content(method, schema, shown):
        events, lines, event_id = {}, {}, EVENT_IDS[method]
        for name, items in shown.items():
            texts = [json.dumps(item, separators=(",", ":")) for item in items]
            events[name] = "".join(f"id: {item[event_id]}\ndata: {text}\n\n" for item, text in zip(items, texts))
            if method not in ENDLESS_STREAMS:
                events[name] += "event: end\ndata:\n\n"
            lines[name] = "".join(f"{{\"result\":{text}}}\n" for text in texts)
        made = {
            "text/event-stream": {"schema": {"type": "string"}, "examples": named(events)},
            "application/x-ndjson": {"schema": {"type": "string"}, "examples": named(lines)},
        }
        if method not in ENDLESS_STREAMS:
            made[JSON_TYPE] = {"schema": {"type": "array", "items": schema}, "examples": named(shown)}
            return made
        # 3.1 has no word for the items of such a stream; this is 3.2's.
        return {media_type: {**content, "x-itemSchema": schema} for media_type, content in made.items()}

    def error_schema(self):
        codes = {reason.code: None for reason in self.reasons.values() if reason.key not in errors.NOT_OVER_HTTP}
        statuses = sorted({reason.http for reason in self.reasons.values()} | {412} - {499})
        return {
            "type": "object", "description": "The body of every answer that is an error.",
            "properties": {"error": {
                "type": "object",
                "properties": {
                    "code": {"type": "integer", "description": "The HTTP status.", "minimum": statuses[0],
                             "maximum": statuses[-1]},
                    "message": {"type": "string", "description": "For people."},
                    "status": {"type": "string", "description": "The name of the gRPC status.", "enum": list(codes)},
                    "details": {"type": "array", "items": self.schemas.any_ref(), "minItems": 1},
                },
                "required": ["code", "message", "status", "details"], "additionalProperties": False,
            }},
            "required": ["error"], "additionalProperties": False,
        }


# ---- Paths and names ----


def path_variables(path):
    """The field paths of the variables of a template, in order."""
    return re.findall(r"\{([^}=]+)(?:=[^}]*)?\}", path)


def openapi_path(path):
    """A template as OpenAPI writes it. One variable is one segment there, so others are not served."""
    for pattern in re.findall(r"\{[^}=]+=([^}]*)\}", path):
        if pattern != "*":
            raise ValueError(f"{path}: a variable of several segments cannot be said in OpenAPI")
    return re.sub(r"\{([^}=]+)(?:=[^}]*)?\}", lambda match: f"{{{json_path(match[1])}}}", path)


def json_path(path):
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), path)


def field_of(message, path):
    *outer, last = path.split(".")
    for name in outer:
        message = message.fields_by_name[name].message_type
    return message.fields_by_name[last]


def words(name):
    """GetProduct -> "Get product"."""
    return re.sub(r"(?<=[a-z])([A-Z])", lambda match: " " + match[1].lower(), name)


def named(values):
    return {name: {"value": value} for name, value in values.items()}
