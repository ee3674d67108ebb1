"""A descriptor set with its comments, and the options this project uses: google.api.http, google.api.field_behavior.

Not for what becomes of them in OpenAPI.
"""

import dataclasses

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

# Numbers of fields in descriptor.proto: the path of a comment is made of them.
FILE_SYNTAX, FILE_MESSAGE, FILE_ENUM, FILE_SERVICE = 12, 4, 5, 6
MESSAGE_FIELD, MESSAGE_NESTED, MESSAGE_ENUM = 2, 3, 4
ENUM_VALUE, SERVICE_METHOD = 2, 2

# The others of proto/ are asked for by this service, not served.
SERVED = ("shop.v1.Catalog", "shop.v1.Orders", "shop.v1.OrderEvents")
VERBS = ("get", "put", "post", "delete", "patch")


@dataclasses.dataclass(frozen=True)
class Rule:
    """One google.api.http rule: a verb, a path, and what the body is ("*": all that is not in the path)."""
    verb: str
    path: str
    body: str


class Protos:
    """All files of a serialized FileDescriptorSet."""

    def __init__(self, serialized):
        self.files = descriptor_pb2.FileDescriptorSet.FromString(serialized).file
        self.pool = descriptor_pool.DescriptorPool()
        for file in self.files:
            self.pool.Add(file)
        self.comments = {}
        for file in self.files:
            self._read_comments(file)

    # ---- Comments ----

    def _read_comments(self, file):
        by_path = {tuple(location.path): location for location in file.source_code_info.location}

        def note(name, path):
            location = by_path.get(path)
            self.comments[name] = comment_of(location) if location else ""
        note(file.name, (FILE_SYNTAX,))
        for i, message in enumerate(file.message_type):
            self._note_message(note, f"{file.package}.{message.name}", message, (FILE_MESSAGE, i))
        for i, enum in enumerate(file.enum_type):
            self._note_enum(note, f"{file.package}.{enum.name}", enum, (FILE_ENUM, i))
        for i, service in enumerate(file.service):
            name = f"{file.package}.{service.name}"
            note(name, (FILE_SERVICE, i))
            for j, method in enumerate(service.method):
                note(f"{name}.{method.name}", (FILE_SERVICE, i, SERVICE_METHOD, j))

    def _note_message(self, note, name, message, path):
        note(name, path)
        for i, field in enumerate(message.field):
            note(f"{name}.{field.name}", (*path, MESSAGE_FIELD, i))
        for i, nested in enumerate(message.nested_type):
            self._note_message(note, f"{name}.{nested.name}", nested, (*path, MESSAGE_NESTED, i))
        for i, enum in enumerate(message.enum_type):
            self._note_enum(note, f"{name}.{enum.name}", enum, (*path, MESSAGE_ENUM, i))

    @staticmethod
    def _note_enum(note, name, enum, path):
        note(name, path)
        for i, value in enumerate(enum.value):
            note(f"{name}.{value.name}", (*path, ENUM_VALUE, i))

    def comment(self, name):
        """What stands above and behind something in its proto, as one paragraph."""
        return self.comments.get(name, "")

    # ---- Options ----

    def _option(self, options, extension_name):
        """The value of an extension. The options were read before the extensions were known, so once more."""
        kind = message_factory.GetMessageClass(self.pool.FindMessageTypeByName(options.DESCRIPTOR.full_name))
        extension = self.pool.FindExtensionByName(extension_name)
        return kind.FromString(options.SerializeToString()).Extensions[extension]

    def rules(self, method):
        """The rules of a method, additional bindings last; none when it has no route."""
        first = self._option(method.GetOptions(), "google.api.http")
        found = []
        for rule in (first, *first.additional_bindings):
            verb = rule.WhichOneof("pattern")
            if verb is None:
                continue
            if verb not in VERBS or rule.response_body:
                raise ValueError(f"{method.full_name}: custom methods and response_body are not served")
            found.append(Rule(verb, getattr(rule, verb), rule.body))
        return found

    def behaviours(self, field):
        """The names of a field's google.api.field_behavior: {"REQUIRED"}."""
        enum = self.pool.FindEnumTypeByName("google.api.FieldBehavior")
        values = self._option(field.GetOptions(), "google.api.field_behavior")
        return {enum.values_by_number[number].name for number in values}

    def services_served(self):
        """The services of the HTTP door, in the order of their files."""
        for name in SERVED:
            yield self.pool.FindServiceByName(name)

    def message(self, name):
        return self.pool.FindMessageTypeByName(name)


def comment_of(location):
    parts = (location.leading_comments, location.trailing_comments)
    return " ".join(" ".join(part.split()) for part in parts if part.strip())
