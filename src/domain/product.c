/* What a valid product is. Not for prices (money) or texts (the service's validation). */
#include "domain/product.h"

#include <stddef.h>

#include "base/limits.h"

static bool is_letter_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool id_is_valid(const char *id)
{
    size_t len;

    if (!is_letter_or_digit(id[0]))
        return false;
    for (len = 1; id[len] != '\0'; len++) {
        if (len >= LIMIT_ID_LEN)
            return false;
        if (!is_letter_or_digit(id[len]) && id[len] != '-' && id[len] != '_' && id[len] != '.')
            return false;
    }
    return true;
}
