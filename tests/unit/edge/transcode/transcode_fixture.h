/* What the tests of transcoding stand on: an arena, the shapes of all types, and short ways from text
 * to a message and back. */
#pragma once

#include "base/arena.h"
#include "base/error.h"
#include "edge/transcode/json_to_message.h"
#include "edge/transcode/message_shape.h"

#include <stdbool.h>
#include <stddef.h>

struct fixture {
    struct arena *arena;
    struct message_shapes *shapes;
};

int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Shape of a type by its full name. */
const struct message_shape *fixture_shape(const struct fixture *fixture, const char *type);

/* Reads JSON as such a message; *err is zeroed first. */
enum status fixture_read(const struct fixture *fixture, const char *type, const char *json,
                         struct json_message *out, struct error *err);
/* The same, and back to JSON, in the arena; NULL when it was refused. */
const char *fixture_round(const struct fixture *fixture, const char *type, const char *json,
                          struct error *err);
const char *fixture_write(const struct fixture *fixture, const ProtobufCMessage *message);

/* The description of the violation of a field; NULL when there is none. */
const char *violation_of(const struct error *err, const char *field);
