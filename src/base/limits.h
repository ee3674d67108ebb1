/* Every fixed limit of the service, in one place, each with its reason. Those an operator may change
 * are settings (app/setting) and only have their defaults there. */
#pragma once

enum {
    LIMIT_MESSAGE_SIZE = 256 * 1024,     /* api.md; gRPC core's own limit is set to twice that */
    LIMIT_ARENA_SIZE = 8 * 1024 * 1024,  /* a message of 256 KiB unpacks to at most a few MiB */
    LIMIT_REPLY_SIZE = 1024 * 1024,      /* pages end early before it; clients accept 4 MiB */
    LIMIT_ERROR_TRAILER_SIZE = 6 * 1024, /* clients accept 8 KiB of metadata */
    LIMIT_LINES_PER_ORDER = 100,
    LIMIT_QUANTITY_PER_LINE = 10000,
    LIMIT_IDS_PER_BATCH = 100,
    LIMIT_PAGE_SIZE = 100,
    LIMIT_PAGE_SIZE_DEFAULT = 20,
    LIMIT_PAGE_OFFSET = 10000, /* numbered pages; further ones by token */
    LIMIT_PAGE_TOKEN_SIZE = 512,
    LIMIT_ID_LEN = 63, /* product, category and customer ids */
    LIMIT_NAME_CHARS = 200,
    LIMIT_DESCRIPTION_CHARS = 4000,
    LIMIT_REQUEST_ID_LEN = 255,
    LIMIT_PAYMENT_METHOD_LEN = 255,
    LIMIT_ADDRESS_LINES = 4,
    LIMIT_ADDRESS_CHARS = 200, /* each text of an address */
    LIMIT_ATTEMPTS_PER_ORDER = 20,
    LIMIT_ORDERS = 100 * 1000, /* largest MAX_ORDERS: 1 GB of orders under way */
    LIMIT_STREAMS_PER_CONNECTION = 100,
    LIMIT_WAITERS_PER_ORDER = 100,
    LIMIT_ANSWER_SIZE = 64 * 1024, /* body of an answer of a payment or shipping provider */
    LIMIT_LIST_ANSWER_SIZE = 2 * 1024 * 1024, /* of a list of 100 payments with their charges */
    LIMIT_DEADLINE_MS_DEFAULT = 30 * 1000,
    LIMIT_DEADLINE_MS = 60 * 1000,
};
