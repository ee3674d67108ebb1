/* Statuses of HTTP. */
#pragma once

/* "404 Not Found". Of the statuses in the table only: others are nobody's. */
const char *http_status_text(int status);
