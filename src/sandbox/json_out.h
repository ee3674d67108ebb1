/* Writes JSON into an evbuffer, one value after the other, commas included.
 *
 * A value inside an object has a name; in an array, and at the top, its name is NULL. Names are ours
 * and written as they are; texts come from outside and are escaped (they must be UTF-8, which form
 * and JSON reading have made sure of). Nothing fails: an evbuffer that finds no memory loses bytes,
 * and the caller of the answer sees broken JSON. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct evbuffer;

struct json_out {
    struct evbuffer *buffer; /* borrowed */
    bool needs_comma;
};

void json_out_init(struct json_out *json, struct evbuffer *buffer);

/* Structure. `bracket` is '{' or '[', and its counterpart to end. */
void json_out_begin(struct json_out *json, const char *name, char bracket);
void json_out_end(struct json_out *json, char bracket);

/* Values. A NULL text is written as null; raw is JSON already. */
void json_out_text(struct json_out *json, const char *name, const char *text);
void json_out_number(struct json_out *json, const char *name, int64_t number);
void json_out_bool(struct json_out *json, const char *name, bool value);
void json_out_raw(struct json_out *json, const char *name, const char *raw);
