/* Frames of HTTP/2 (RFC 9113) as bytes. What they mean to a connection is load.c's. */
#pragma once

#include "die.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    FRAME_HEAD = 9,
    FRAME_SIZE_MAX = 16384
};

enum frame_type {
    FRAME_DATA = 0,
    FRAME_HEADERS = 1,
    FRAME_RST_STREAM = 3,
    FRAME_SETTINGS = 4,
    FRAME_PING = 6,
    FRAME_GOAWAY = 7,
    FRAME_WINDOW_UPDATE = 8,
    FRAME_CONTINUATION = 9
};
enum {
    FLAG_END_STREAM = 1,
    FLAG_ACK = 1,
    FLAG_END_HEADERS = 4,
    FLAG_PADDED = 8,
    FLAG_PRIORITY = 32
};
enum {
    SETTING_HEADER_TABLE_SIZE = 1,
    SETTING_ENABLE_PUSH = 2,
    SETTING_MAX_STREAMS = 3,
    SETTING_INITIAL_WINDOW = 4
};

struct frame {
    size_t len;
    uint8_t type, flags;
    uint32_t stream;
    const uint8_t *payload;
};

static inline void put_u32(uint8_t *out, uint32_t number)
{
    uint32_t big = htonl(number);
    memcpy(out, &big, sizeof(big));
}

static inline uint32_t get_u32(const uint8_t *in)
{
    uint32_t big;
    memcpy(&big, in, sizeof(big));
    return ntohl(big);
}

static inline size_t put_frame_head(uint8_t *out, size_t len, enum frame_type type, unsigned flags,
                                    uint32_t stream)
{
    put_u32(out, (uint32_t)len << 8 | (uint32_t)type);
    out[4] = (uint8_t)flags;
    put_u32(out + 5, stream);
    return FRAME_HEAD;
}

/* Without padding and priority, which come in front. */
static inline void frame_strip(struct frame *frame)
{
    size_t front = 0, back = 0;
    if ((frame->flags & FLAG_PADDED) != 0) {
        back = frame->payload[0];
        front = 1;
    }
    if (frame->type == FRAME_HEADERS && (frame->flags & FLAG_PRIORITY) != 0) {
        front += 5;
    }
    if (front + back > frame->len) {
        die("a frame of %zu bytes has %zu of padding", frame->len, front + back);
    }
    frame->payload += front;
    frame->len -= front + back;
}
