/* The table of test tokens, spelled as Stripe spells them. */
#include "sandbox/card.h"

#include "base/macros.h"

#include <string.h>

/* clang-format off */
static const struct card card_rows[] = {
    { "pm_card_visa",                                REFUSAL_NONE,                    false },
    { "pm_card_mastercard",                          REFUSAL_NONE,                    false },
    { "pm_card_amex",                                REFUSAL_NONE,                    false },
    { "pm_card_chargeDeclined",                      REFUSAL_DECLINED,                false },
    { "pm_card_visa_chargeDeclined",                 REFUSAL_DECLINED,                false },
    { "pm_card_chargeDeclinedInsufficientFunds",     REFUSAL_INSUFFICIENT_FUNDS,      false },
    { "pm_card_visa_chargeDeclinedInsufficientFunds", REFUSAL_INSUFFICIENT_FUNDS,     false },
    { "pm_card_chargeDeclinedLostCard",              REFUSAL_LOST_CARD,               false },
    { "pm_card_visa_chargeDeclinedLostCard",         REFUSAL_LOST_CARD,               false },
    { "pm_card_chargeDeclinedStolenCard",            REFUSAL_STOLEN_CARD,             false },
    { "pm_card_visa_chargeDeclinedStolenCard",       REFUSAL_STOLEN_CARD,             false },
    { "pm_card_chargeDeclinedExpiredCard",           REFUSAL_EXPIRED_CARD,            false },
    { "pm_card_chargeDeclinedIncorrectCvc",          REFUSAL_INCORRECT_CVC,           false },
    { "pm_card_chargeDeclinedProcessingError",       REFUSAL_PROCESSING_ERROR,        false },
    { "pm_card_authenticationRequired",              REFUSAL_AUTHENTICATION_REQUIRED, true  },
};
/* clang-format on */

const struct card *card_find(const char *token)
{
    for (size_t i = 0; i < COUNT_OF(card_rows); i++) {
        if (strcmp(card_rows[i].token, token) == 0)
            return &card_rows[i];
    }
    return NULL;
}
