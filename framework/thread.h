/* SPDX-License-Identifier: MIT */
/* thread.h: threads of the library's own. */
#ifndef FW_THREAD_H
#define FW_THREAD_H

#include <pthread.h>

#include <lichen/status.h>

/*
 * Starts a thread that takes no signal: those are the embedder's, for its own
 * threads; and a backend's EPIPE is an error, never a SIGPIPE.  name: the first 15
 * bytes count.  Returns a negative status where there is no thread to be had.
 */
lichen_status fw_thread_start(pthread_t *thread, const char *name, void *(*run)(void *),
			      void *argument);

#endif
