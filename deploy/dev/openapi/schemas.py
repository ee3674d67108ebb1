"""Messages as JSON Schema, by proto3's canonical JSON. Not for what only one operation knows.

A message has up to three schemas: as an answer (`Product`: what is always written is required), in a request
(`ProductInput`: required is what the service asks for), and as the body of a PATCH (`ProductPatch`: nothing is
required, null clears).
"""

import enum

from google.protobuf.descriptor import FieldDescriptor as Field

from limits import INT64

ERROR_DETAILS = ("ErrorInfo", "BadRequest", "PreconditionFailure", "ResourceInfo", "RetryInfo")

# Messages in answers that are there at times only; all others always are.
SOMETIMES_UNSET = {"shop.v1.Order.failure", "shop.v1.OrderStep.end_time", "shop.v1.OrderStep.error",
                   "shop.v1.OrderEvent.time", "shop.v1.OrderEvent.failure"}
# In requests, of protos that others wrote and that do not say so.
REQUIRED_TOO = {"google.type.Money.currency_code"}

INTEGERS = {
    Field.TYPE_INT32: (-2**31, 2**31 - 1), Field.TYPE_SINT32: (-2**31, 2**31 - 1),
    Field.TYPE_SFIXED32: (-2**31, 2**31 - 1), Field.TYPE_UINT32: (0, 2**32 - 1), Field.TYPE_FIXED32: (0, 2**32 - 1),
}
LONGS = (Field.TYPE_INT64, Field.TYPE_SINT64, Field.TYPE_SFIXED64)

DURATION = {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"}


class Side(enum.Enum):
    ANSWER = ""
    INPUT = "Input"
    PATCH = "Patch"


class Schemas:
    """The schemas asked for so far, and whatever they refer to."""

    def __init__(self, protos, limits, currencies):
        self.protos = protos
        self.limits = {**limits.fields,
                       "google.type.Money.currency_code": {"$ref": "#/components/schemas/CurrencyCode"}}
        self.made = {"CurrencyCode": {"type": "string", "description": "ISO 4217", "enum": currencies}}
        self.sources = {}  # name of a schema -> name of its message: two must not share one
        self.bodies = set()  # names of schemas that are bodies, so without what their path says
        self.used_limits = set()

    # ---- Messages ----

    def ref(self, message, side):
        """A reference to the schema of a message, which is made when it is the first."""
        name = message.full_name.removeprefix(message.file.package + ".").replace(".", "")
        if side is not Side.ANSWER and not name.endswith("Request"):
            name += side.value
        if name not in self.made:
            self.made[name] = None  # its place, also for what refers to it while it is made
            self.sources[name] = (message.full_name, side)
            self.made[name] = self.message(message, side)
        if self.sources[name] != (message.full_name, side):
            raise ValueError(f"{message.full_name} and {self.sources[name]} are both called {name}")
        return {"$ref": f"#/components/schemas/{name}"}

    def answer(self, message):
        """The schema of a whole answer."""
        if message.full_name == "google.protobuf.Empty":
            return {"type": "object", "additionalProperties": False}
        return self.ref(message, Side.ANSWER)

    def body(self, message, variables, side=Side.INPUT):
        """A reference to the schema of a body: a message without what the path says."""
        ref = self.ref(message, side)
        name = ref["$ref"].rpartition("/")[2]
        schema = self.message(message, side, variables)
        if name in self.bodies and self.made[name] != schema:
            raise ValueError(f"{message.full_name}: its bodies differ by path")
        self.bodies.add(name)
        self.made[name] = schema
        return ref

    def check_all_limits_used(self):
        unused = set(self.limits) - self.used_limits
        if unused:
            raise ValueError(f"deploy/dev/openapi/limits.py names fields that are not there: {sorted(unused)}")

    def message(self, message, side, without=()):
        """An object with a member per field but those of `without` (paths and parameters have them)."""
        properties, required = {}, []
        for field in message.fields:
            if field.name in without:
                continue
            properties[field.json_name] = self.property(field, side)
            if self.is_required(field, side):
                required.append(field.json_name)
        schema = {"type": "object"}
        description = self.protos.comment(message.full_name)
        if description:
            schema["description"] = description
        schema["properties"] = properties
        if required:
            schema["required"] = required
        schema["additionalProperties"] = False
        return schema

    def is_required(self, field, side):
        """Answers hold all but unset messages; requests what the service asks for."""
        if side is Side.ANSWER:
            return field.full_name not in SOMETIMES_UNSET
        return side is Side.INPUT and ("REQUIRED" in self.protos.behaviours(field) or field.full_name in REQUIRED_TOO)

    # ---- Fields ----

    def property(self, field, side):
        behaviours = self.protos.behaviours(field)
        schema = self.field(field, side)
        if side is Side.PATCH and not behaviours & {"REQUIRED", "OUTPUT_ONLY"}:
            schema = nullable(schema)
        description = self.protos.comment(field.full_name)
        if description:
            schema["description"] = description
        if "OUTPUT_ONLY" in behaviours:
            schema["readOnly"] = True
        if "INPUT_ONLY" in behaviours:
            schema["writeOnly"] = True
        return schema

    def field(self, field, side):
        """Type and limits, without what is said about it."""
        limits = self.limits_of(field, side)
        if is_map(field):
            return {"type": "object", "additionalProperties": self.value(map_value(field), side), **limits}
        if field.is_repeated:
            items = {**self.value(field, side), **limits.get("items", {})}
            return {"type": "array", "items": items,
                    **{key: value for key, value in limits.items() if key != "items"}}
        return {**self.value(field, side), **limits}

    def limits_of(self, field, side):
        name = field.full_name
        self.used_limits.add(name)
        if name not in self.limits and side is not Side.ANSWER and not name.startswith("google."):
            raise ValueError(f"{name}: add its limits to deploy/dev/openapi/limits.py")
        return self.limits.get(name, {})

    def value(self, field, side):
        """One value, whether or not the field holds many."""
        if field.type in INTEGERS:
            low, high = INTEGERS[field.type]
            return {"type": "integer", "format": "int32" if low else "int64", "minimum": low, "maximum": high}
        if field.type in LONGS:
            return {"type": "string", "format": "int64", **INT64}
        if field.type == Field.TYPE_STRING:
            return {"type": "string"}
        if field.type == Field.TYPE_BOOL:
            return {"type": "boolean"}
        if field.type == Field.TYPE_BYTES:
            return {"type": "string", "contentEncoding": "base64"}
        if field.type == Field.TYPE_ENUM:
            return self.enum_ref(field.enum_type)
        if field.type == Field.TYPE_MESSAGE:
            return self.message_value(field, side)
        raise ValueError(f"{field.full_name}: no schema for its type is written yet")

    def message_value(self, field, side):
        message = field.message_type
        forms = {
            "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
            "google.protobuf.Duration": DURATION,
            "google.protobuf.FieldMask": {"type": "string"},
            "google.protobuf.Empty": {"type": "object", "additionalProperties": False},
        }
        if message.full_name in forms:
            return dict(forms[message.full_name])
        if message.full_name == "google.protobuf.Any":
            return self.any_ref()
        return self.ref(message, Side.INPUT if side is Side.PATCH else side)

    # ---- Enums and Any ----

    def enum_ref(self, enum_type):
        name = enum_type.full_name.removeprefix(enum_type.file.package + ".").replace(".", "")
        if name not in self.made:
            self.sources[name] = (enum_type.full_name, None)
            comments = [(value.name, self.protos.comment(f"{enum_type.full_name}.{value.name}"))
                        for value in enum_type.values]
            description = "\n".join(f"- `{value}`: {comment}" for value, comment in comments if comment)
            self.made[name] = {"type": "string", **({"description": description} if description else {}),
                               "enum": [value.name for value in enum_type.values]}
        if self.sources[name] != (enum_type.full_name, None):
            raise ValueError(f"{enum_type.full_name} and {self.sources[name]} are both called {name}")
        return {"$ref": f"#/components/schemas/{name}"}

    def any_ref(self):
        """A detail of an error: one of those this service sends, told apart by @type."""
        if "ErrorDetail" not in self.made:
            self.made["ErrorDetail"] = None
            self.sources["ErrorDetail"] = ("google.protobuf.Any", None)
            self.made["ErrorDetail"] = {
                "description": "More about an error, by `@type`. Exactly one of them is an ErrorInfo.",
                "oneOf": [self.detail_ref(name) for name in ERROR_DETAILS],
                "discriminator": {"propertyName": "@type", "mapping": {
                    type_url(name): f"#/components/schemas/{name}" for name in ERROR_DETAILS}},
            }
        return {"$ref": "#/components/schemas/ErrorDetail"}

    def detail_ref(self, name):
        ref = self.ref(self.protos.message(f"google.rpc.{name}"), Side.ANSWER)
        schema = self.made[name]
        schema["properties"] = {"@type": {"type": "string", "const": type_url(name)}, **schema["properties"]}
        schema["required"] = ["@type", *schema["required"]] if "required" in schema else ["@type"]
        return ref


def type_url(name):
    return f"type.googleapis.com/google.rpc.{name}"


def nullable(schema):
    if "$ref" in schema:
        return {"anyOf": [schema, {"type": "null"}]}
    return {**schema, "type": [schema["type"], "null"]}


def is_map(field):
    return field.type == Field.TYPE_MESSAGE and field.message_type.GetOptions().map_entry


def map_value(field):
    return field.message_type.fields_by_name["value"]
