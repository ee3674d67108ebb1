/* What a run has exercised, counted: every edge of the table of states, every crash point, every row
 * of answers. Plain numbers in memory that processes share, so that they can be added up. */
#pragma once

#include "sim_faults.h"
#include "sim_world.h"

enum {
    SIM_POINTS_MAX = 160,
    SIM_ANSWERS_MAX = 48,
    SIM_SQL_CLASSES_MAX = 24,
};

struct sim_coverage {
    uint64_t seed; /* of the world that runs */
    uint64_t worlds, orders, events, calls, takeovers;
    int64_t virtual_ms;
    uint64_t edges[ORDER_STATE_COUNT][ORDER_STATE_COUNT];
    uint64_t points[SIM_POINTS_MAX];
    uint64_t answers[SIM_ANSWERS_MAX][SIM_METHOD_COUNT];
    uint64_t fates[SIM_OP_COUNT][SIM_FATE_COUNT];
    uint64_t sql_classes[SIM_SQL_CLASSES_MAX][SIM_STORE_OPS];
    uint64_t reasons[REASON_COUNT];
};

void sim_cover_point(struct sim_coverage *coverage, const char *name);
void sim_cover_answer(struct sim_coverage *coverage, enum sim_method method, enum reason reason,
                      const char *variant);
void sim_cover_sqlstate(struct sim_coverage *coverage, enum sim_op op, const char *sqlstate);

/* One of the crash points whose name has `part` in it, in any case of letters; by any number. */
const char *sim_point_like(const char *part, uint32_t number);

void sim_coverage_add(struct sim_coverage *to, const struct sim_coverage *from);
/* Prints the table; returns how many rows that must be reached were not. */
unsigned sim_coverage_print(const struct sim_coverage *coverage);
