/* Payments that are processing and refunds that are pending, and how they end: on demand, or by
 * themselves after a while. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct sandbox;
struct settlement;

LIST_HEAD(settlement_list, settlement);

/* Ends what is under way with that payment or refund; false when nothing is. */
bool settlement_now(struct sandbox *sandbox, const char *id, bool succeeds);
/* Lets it succeed after the delay, unless it has ended before. Without memory it stays under way. */
void settlement_later(struct sandbox *sandbox, const char *id, int64_t delay_ms);
/* Those still waiting never come. */
void settlement_free_all(struct sandbox *sandbox);
