/* SPDX-License-Identifier: MIT */
/* thread.c: see thread.h. */
#include <signal.h>
#include <stdio.h>

#include "thread.h"

lichen_status fw_thread_start(pthread_t *thread, const char *name, void *(*run)(void *),
			      void *argument)
{
	char short_name[16];
	sigset_t all, before;
	int error;

	/* Blocked around the creation, so that there is no moment in which it takes one. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(thread, NULL, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (error)
		return -error;
	(void)snprintf(short_name, sizeof(short_name), "%s", name);
	pthread_setname_np(*thread, short_name);
	return 0;
}
