/* A table of text, its columns as wide as their widest cell. */
#pragma once

#include "base/macros.h"

#include <stdbool.h>
#include <stdio.h>

enum {
    CTL_COLUMNS_MAX = 12,
    CTL_CELL_SIZE = 512, /* a longer text is cut */
};

struct ctl_table;

/* `titles` ends with NULL; they must live as long as the table. NULL: out of memory. */
struct ctl_table *ctl_table_new(const char *const *titles) NODISCARD;
void ctl_table_free(struct ctl_table *table);

/* Begins a row, and fills its next cell. Cells that are not filled are empty; without memory for a row it
 * is left out, and ctl_table_print says false. */
void ctl_table_row(struct ctl_table *table);
void ctl_table_cell(struct ctl_table *table, const char *format, ...) PRINTF_LIKE(2, 3);
bool ctl_table_print(const struct ctl_table *table, FILE *out);
