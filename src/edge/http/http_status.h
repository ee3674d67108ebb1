/* Statuses of HTTP. */
#pragma once

/* "Not Found"; "Unknown" of a status nobody here uses. */
const char *http_status_text(int status);
