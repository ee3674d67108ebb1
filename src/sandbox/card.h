/* The provider's test tokens: payment methods whose fate is known beforehand. */
#pragma once

#include "sandbox/refusal.h"

#include <stdbool.h>

struct card {
    const char *token;
    enum refusal refusal; /* REFUSAL_NONE: it pays */
    bool asks_customer;   /* with a customer present it waits for an action instead */
};

/* The card of that token, or NULL. Static. */
const struct card *card_find(const char *token);
