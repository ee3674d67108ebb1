/* For the loop, which wakes itself through its mailbox when it is to stop. */
#pragma once

struct mailbox;

/* From any thread: makes wake_fd readable without a letter. */
void mailbox__wake(struct mailbox *mailbox);
