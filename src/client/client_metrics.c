/* Names the series that provider.c counts. */
#include "client/client_metrics.h"

#include "client/clients.h"
#include "observe/metrics.h"

enum {
    LABEL_SIZE = 64
};

static const char *const effect_names[EFFECT_SERIES_COUNT] = {
    [EFFECT_SERIES_PAYMENT + STRIPE_OPEN] = "payment.open",
    [EFFECT_SERIES_PAYMENT + STRIPE_CONFIRM] = "payment.confirm",
    [EFFECT_SERIES_PAYMENT + STRIPE_LOOK] = "payment.look",
    [EFFECT_SERIES_PAYMENT + STRIPE_CANCEL] = "payment.cancel",
    [EFFECT_SERIES_PAYMENT + STRIPE_REFUND] = "payment.refund",
    [EFFECT_SERIES_PAYMENT + STRIPE_LOOK_REFUNDS] = "payment.look_refunds",
    [EFFECT_SERIES_FULFILLMENT + FULFILLMENT_CREATE] = "fulfillment.create",
    [EFFECT_SERIES_FULFILLMENT + FULFILLMENT_CANCEL] = "fulfillment.cancel",
    [EFFECT_SERIES_PAYMENT_LIST] = "payment.list",
};
static const char *const result_names[EFFECT_RESULT_COUNT] = {
    [EFFECT_DONE] = "done",
    [EFFECT_REFUSED] = "refused",
    [EFFECT_NOT_REACHED] = "not_reached",
    [EFFECT_UNKNOWN] = "unknown",
    [EFFECT_ASK] = "ask",
    [EFFECT_CONTRADICTED] = "contradicted",
    [EFFECT_HAS_LEFT] = "has_left",
};

static void name_seconds(void)
{
    char texts[EFFECT_SERIES_COUNT][LABEL_SIZE];
    const char *labels[EFFECT_SERIES_COUNT];

    for (int effect = 0; effect < EFFECT_SERIES_COUNT; effect++) {
        snprintf(texts[effect], LABEL_SIZE, "effect=\"%s\"", effect_names[effect]);
        labels[effect] = texts[effect];
    }
    metrics_series(METRIC_EFFECT_SECONDS, labels, EFFECT_SERIES_COUNT);
}

void clients_register_metrics(void)
{
    char texts[EFFECT_SERIES_COUNT * EFFECT_RESULT_COUNT][LABEL_SIZE];
    const char *labels[EFFECT_SERIES_COUNT * EFFECT_RESULT_COUNT];
    unsigned count = 0;

    for (int effect = 0; effect < EFFECT_SERIES_COUNT; effect++) {
        for (int result = 0; result < EFFECT_RESULT_COUNT; result++) {
            snprintf(texts[count], LABEL_SIZE, "effect=\"%s\",result=\"%s\"", effect_names[effect],
                     result_names[result]);
            labels[count] = texts[count];
            count++;
        }
    }
    metrics_series(METRIC_EFFECTS, labels, count);
    name_seconds();
}
