/* SPDX-License-Identifier: MIT */
/* server.c: lets clients in; and the table by which the VM reaches all this.  See server.h. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <lichen/control.h>

#include "control/server.h"
#include "inspect.h"

/* How soon a client is let in where descriptors had run out. */
#define SERVER_AGAIN_NS UINT64_C(100000000)

enum { SERVER_ACCEPTS = 16 }; /* clients let in in one turn */

/* Those who may do to this process what they like anyway. */
static int server_may(int client)
{
	struct ucred who;
	socklen_t size = sizeof(who);

	return getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
	       (who.uid == 0 || who.uid == geteuid());
}

static void server_let_in(struct fw_control *control, int client)
{
	control->clients_seen++;
	if (control->client_count < FW_CLIENTS_MAX && server_may(client)) {
		if (fw_client_open(control, client) < 0)
			control->clients_refused++;
		return;
	}
	control->clients_refused++;
	(void)close(client);
}

static void server_accept(struct fw_watch *watch, uint32_t events)
{
	struct fw_control *control =
		(struct fw_control *)((char *)watch - offsetof(struct fw_control, accept));

	(void)events;
	for (uint32_t i = 0; i < SERVER_ACCEPTS; i++) {
		const int client =
			accept4(control->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (client >= 0) {
			server_let_in(control, client);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			/* It stays ready; without looking away the loop would spin. */
			fw_watch_update(watch, 0);
			fw_timer_arm(&control->again, fw_now_ns() + SERVER_AGAIN_NS);
		}
		return;
	}
}

static void server_again(struct fw_timer *timer)
{
	struct fw_control *control =
		(struct fw_control *)((char *)timer - offsetof(struct fw_control, again));

	if (fw_timer_fired(timer))
		fw_watch_update(&control->accept, LICHEN_WATCH_READ);
}

static void server_close(struct lichen_vm *vm)
{
	struct fw_control *control = vm->control_state;

	if (control->relay)
		fw_relay_close(control->relay);
	if (control->listener >= 0) {
		fw_timer_cancel(&control->again);
		fw_watch_stop(&control->accept);
		(void)close(control->listener);
	}
	/* Before clients see their end: they may want to start another of the name. */
	fw_name_leave(control);
	while (control->clients)
		fw_client_close(control->clients);
	fw_instance_calls_drop(vm, NULL);
	free(control);
	vm->control_state = NULL;
}

static lichen_status server_open(struct lichen_vm *vm, const char *folder, uint32_t console,
				 struct ld_error *error)
{
	struct fw_control *control = calloc(1, sizeof(*control));
	lichen_status status;

	if (!control) {
		ld_error_set(error, "control socket: out of memory");
		return -LICHEN_ENOMEM;
	}
	control->vm = vm;
	control->folder = control->lock = control->listener = -1;
	vm->control_state = control;
	status = fw_name_take(control, folder, error);
	if (status == 0 && console) {
		control->relay = fw_relay_open(vm);
		if (!control->relay) {
			ld_error_set(error, "console: no descriptor or memory is left");
			status = -LICHEN_EIO;
		}
	}
	if (status < 0)
		server_close(vm);
	return status;
}

static lichen_status server_start(struct lichen_vm *vm, struct ld_error *error)
{
	struct fw_control *control = vm->control_state;
	lichen_status status = control->relay ? fw_relay_start(control->relay) : 0;
	int listener;

	if (status < 0) {
		ld_error_set(error, "console: it cannot be watched");
		return -LICHEN_EIO;
	}
	listener = fw_name_listen(control, error);
	if (listener < 0)
		return -LICHEN_EIO;
	control->again = (struct fw_timer){ .loop = &vm->loop,
					    .clock = LICHEN_CLOCK_HOST,
					    .due = server_again };
	control->accept.ready = server_accept;
	if (fw_watch_start(&vm->loop, &control->accept, listener, LICHEN_WATCH_READ) < 0) {
		(void)close(listener);
		ld_error_set(error, "control socket: it cannot be watched");
		return -LICHEN_EIO;
	}
	control->listener = listener;
	return 0;
}

static void server_flush(struct lichen_vm *vm)
{
	struct fw_control *control = vm->control_state;

	if (control->relay)
		fw_relay_flush(control->relay);
}

const struct lichen_control lichen_control = {
	.open = server_open,
	.start = server_start,
	.event = fw_event_post,
	.flush = server_flush,
	.host = &fw_control_host,
	.leave = fw_instance_calls_drop,
	.close = server_close,
};

const struct fw_methods *const fw_method_groups[] = {
	&fw_methods_meta,   &fw_methods_vm,	   &fw_methods_console,
	&fw_methods_device, &fw_methods_dump,	   &fw_methods_metrics,
	&fw_methods_plugin, &fw_methods_symbiotic, NULL,
};

int lichen_control_schema(FILE *to)
{
	json_t *schema = fw_rpc_schema(fw_method_groups, &fw_events);
	const int failed = fw_json_write(schema, to);

	json_decref(schema);
	return failed ? LICHEN_VM_FAILED : 0;
}
