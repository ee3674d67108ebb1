/* Tables of text. What stands in them is ctl_view's. */
#include "ctl/ctl_table.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct ctl_row {
    char cells[CTL_COLUMNS_MAX][CTL_CELL_SIZE];
    STAILQ_ENTRY(ctl_row) link;
};

struct ctl_table {
    const char *const *titles;
    unsigned column_count, next;
    size_t widths[CTL_COLUMNS_MAX]; /* characters */
    STAILQ_HEAD(, ctl_row) rows;
    struct ctl_row *last;
    bool failed;
};

/* Terminals would obey them: what stands in a cell was written by others. */
static void remove_control_characters(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = '?';
        }
    }
}

struct ctl_table *ctl_table_new(const char *const *titles)
{
    struct ctl_table *table = calloc(1, sizeof(*table));

    if (table == NULL) {
        return NULL;
    }
    table->titles = titles;
    STAILQ_INIT(&table->rows);
    for (; titles[table->column_count] != NULL; table->column_count++) {
        table->widths[table->column_count] = strlen(titles[table->column_count]);
    }
    return table;
}

void ctl_table_free(struct ctl_table *table)
{
    struct ctl_row *row;

    if (table == NULL) {
        return;
    }
    while ((row = STAILQ_FIRST(&table->rows)) != NULL) {
        STAILQ_REMOVE_HEAD(&table->rows, link);
        free(row);
    }
    free(table);
}

void ctl_table_row(struct ctl_table *table)
{
    struct ctl_row *row = calloc(1, sizeof(*row));

    table->next = row == NULL ? table->column_count : 0;
    table->failed = table->failed || row == NULL;
    if (row != NULL) {
        STAILQ_INSERT_TAIL(&table->rows, row, link);
        table->last = row;
    }
}

void ctl_table_cell(struct ctl_table *table, const char *format, ...)
{
    va_list args;

    if (table->next >= table->column_count) {
        return;
    }
    char *cell = table->last->cells[table->next];
    va_start(args, format);
    vsnprintf(cell, CTL_CELL_SIZE, format, args);
    va_end(args);
    cell[text_cut(cell, strlen(cell))] = '\0';
    remove_control_characters(cell);
    table->widths[table->next] = MAX_OF(table->widths[table->next], text_char_count(cell));
    table->next++;
}

static void print_row(const struct ctl_table *table, const char *const *cells, FILE *out)
{
    for (unsigned i = 0; i < table->column_count; i++) {
        const bool is_last = i + 1 == table->column_count;
        const size_t pad = table->widths[i] - text_char_count(cells[i]);
        fprintf(out, "%s%*s", cells[i], is_last ? 0 : (int)pad + 2, "");
    }
    fputc('\n', out);
}

bool ctl_table_print(const struct ctl_table *table, FILE *out)
{
    const struct ctl_row *row;

    print_row(table, table->titles, out);
    STAILQ_FOREACH (row, &table->rows, link) {
        const char *cells[CTL_COLUMNS_MAX];
        for (unsigned i = 0; i < table->column_count; i++) {
            cells[i] = row->cells[i];
        }
        print_row(table, cells, out);
    }
    return !table->failed;
}
