/* SPDX-License-Identifier: MIT */
/*
 * methods_instance.c: methods and events of instances (<lichen/draft/control.h>), called by
 * name like the server's own.
 *
 * A call is owed an answer from the moment it is handed over.  Answers come from any
 * thread and are posted; a token that is not owed any more is dropped.
 */
#include <stdlib.h>
#include <string.h>

#include <lichen/draft/control.h>

#include "control/server.h"
#include "inspect.h"

/* A call that an instance has, and has not answered. */
struct fw_owed {
	struct fw_owed *next;
	struct lichen_instance *in;
	struct fw_call *call;
	uint64_t token;
	uint32_t cancelled; /* it was told that nobody waits */
};

/* --- what instances declare --- */

static const struct lichen_control_ops *instance_control(const struct lichen_instance *in)
{
	const struct lichen_provide *provide = fw_provided(in->class, LICHEN_CONTROL);

	return provide ? provide->ops : NULL;
}

/* As the plugin knows it, which may be shorter or longer than ours. */
static struct lichen_control_method instance_method(const struct lichen_control_ops *ops,
						    uint32_t index)
{
	const uint8_t *at =
		(const uint8_t *)ops->methods.items + (size_t)index * ops->methods.item_size;
	struct lichen_control_method method = { 0 };

	memcpy(&method, at,
	       ops->methods.item_size < sizeof(method) ? ops->methods.item_size
						       : sizeof(method));
	return method;
}

/* The instance that has the method; NULL: none. */
static struct lichen_instance *instance_of_method(const struct lichen_vm *vm, const char *name,
						  uint32_t *index)
{
	for (uint32_t i = 0; i < vm->instance_count; i++) {
		struct lichen_instance *in = vm->instances[i];
		const struct lichen_control_ops *ops = in ? instance_control(in) : NULL;

		for (uint32_t m = 0; ops && m < ops->methods.count; m++)
			if (strcmp(instance_method(ops, m).name, name) == 0) {
				*index = m;
				return in;
			}
	}
	return NULL;
}

void fw_instance_methods(const struct lichen_vm *vm, json_t *names, json_t *schemas)
{
	for (uint32_t i = 0; i < vm->instance_count; i++) {
		const struct lichen_control_ops *ops = instance_control(vm->instances[i]);

		for (uint32_t m = 0; ops && m < ops->methods.count; m++) {
			const struct lichen_control_method method = instance_method(ops, m);
			json_t *params = json_loads(method.parameters, 0, NULL);
			json_t *result = json_loads(method.result, 0, NULL);

			if (names)
				(void)json_array_append_new(names, json_string(method.name));
			if (schemas)
				(void)json_object_set_new(
					schemas, method.name,
					json_pack("{s:s, s:s, s:O, s:O}", "description",
						  method.summary, "instance",
						  vm->instances[i]->spec->id, "params",
						  params ? params : json_null(), "result",
						  result ? result : json_null()));
			json_decref(params);
			json_decref(result);
		}
	}
}

/* --- calls --- */

static void owed_call(struct fw_owed *owed, uint32_t index, struct fw_call *call)
{
	char *text = json_dumps(call->params, JSON_COMPACT);
	struct lichen_instance *in = owed->in;
	int32_t files[FW_RPC_FILES_MAX];
	uint32_t count = 0;

	for (uint32_t i = 0; i < call->files->count; i++)
		if (call->files->files[i] >= 0)
			files[count++] = call->files->files[i];
	fw_lock(in);
	instance_control(in)->call(in->self, 0, owed->token, index, text ? text : "{}",
				   text ? (uint32_t)strlen(text) : 2, files, count);
	fw_unlock(in);
	free(text);
}

static void run_instance(struct fw_call *call)
{
	struct lichen_vm *vm = fw_call_vm(call);
	struct fw_control *control = vm->control_state;
	struct lichen_instance *in;
	struct fw_owed *owed;
	uint32_t index;

	in = instance_of_method(vm, call->name, &index);
	if (!in || atomic_load(&in->state) < FW_REALIZED ||
	    atomic_load(&in->state) > FW_PAUSED) {
		fw_call_fail(call, FW_RPC_METHOD, 0, "%.64s: its instance is not there yet",
			     call->name);
		return;
	}
	owed = calloc(1, sizeof(*owed));
	if (!owed) {
		fw_call_fail(call, FW_RPC_FAILED, -LICHEN_ENOMEM, "%.64s: out of memory",
			     call->name);
		return;
	}
	*owed = (struct fw_owed){
		.next = control->owed, .in = in, .call = call, .token = ++control->tokens
	};
	control->owed = owed;
	owed_call(owed, index, call);
}

static const struct fw_method instance_entry = {
	.name = "instance", .help = "a method of an instance", .open = 1, .run = run_instance
};

const struct fw_method *fw_instance_method(struct fw_peer *peer, const char *name)
{
	uint32_t index;

	return instance_of_method(peer->context, name, &index) ? &instance_entry : NULL;
}

/* --- answers --- */

struct answer_post {
	struct fw_post post;
	struct lichen_vm *vm;
	struct lichen_instance *in; /* compared only: it may have gone */
	uint64_t token;
	lichen_status status;
	uint32_t size;
	char text[];
};

/* Takes it out of the list; NULL: it is not owed. */
static struct fw_owed *owed_take(struct fw_control *control, const struct lichen_instance *in,
				 uint64_t token)
{
	for (struct fw_owed **at = &control->owed; *at; at = &(*at)->next) {
		struct fw_owed *owed = *at;

		if (owed->token != token || owed->in != in)
			continue;
		*at = owed->next;
		return owed;
	}
	return NULL;
}

static void answer_give(struct fw_call *call, const struct answer_post *answer)
{
	json_t *result;

	if (answer->status < 0) {
		fw_call_status(call, answer->status, answer->text);
		return;
	}
	result = answer->size ? json_loadb(answer->text, answer->size, JSON_DECODE_ANY, NULL)
			      : json_null();
	if (result)
		fw_call_answer(call, result);
	else
		fw_call_fail(call, FW_RPC_FAILED, 0, "the instance's answer is not JSON");
}

static void answer_run(struct fw_post *post)
{
	const struct answer_post *answer = (const struct answer_post *)post;
	struct fw_control *control = answer->vm->control_state;
	struct fw_owed *owed = control ? owed_take(control, answer->in, answer->token) : NULL;

	if (owed) {
		answer_give(owed->call, answer);
		free(owed);
		return;
	}
	for (uint32_t i = 0; i < answer->vm->instance_count; i++)
		if (answer->vm->instances[i] == answer->in)
			fw_host.log_guest(answer->in, LICHEN_LOG_PLUGIN_MISBEHAVING,
					  "answer: 0x%llx is not owed",
					  (unsigned long long)answer->token);
}

/* Without memory the call stays owed, and its client waits. */
static void host_answer(struct lichen_instance *in, uint64_t token, lichen_status status,
			const char *result, uint32_t size)
{
	struct answer_post *answer;

	if (!result)
		size = 0;
	answer = calloc(1, sizeof(*answer) + size + 1);
	if (!answer)
		return;
	*answer = (struct answer_post){ .post = { .run = answer_run },
					.vm = in->vm,
					.in = in,
					.token = token,
					.status = status,
					.size = size };
	if (size)
		memcpy(answer->text, result, size);
	fw_loop_post(&in->vm->loop, &answer->post);
}

/* --- events --- */

static void host_event(struct lichen_instance *in, const char *name, const char *data,
		       uint32_t size)
{
	fw_event_instance(in->vm, in->spec->id, name, data, size);
}

const struct lichen_control_host fw_control_host = {
	LICHEN_STRUCT(struct lichen_control_host),
	.answer = host_answer,
	.event = host_event,
};

/* --- who goes --- */

void fw_instance_calls_gone(struct fw_control *control)
{
	for (struct fw_owed *owed = control->owed; owed; owed = owed->next) {
		const struct lichen_control_ops *ops = instance_control(owed->in);

		if (fw_call_peer(owed->call) || owed->cancelled)
			continue;
		owed->cancelled = 1;
		fw_lock(owed->in);
		if (ops->cancelled)
			ops->cancelled(owed->in->self, 0, owed->token);
		fw_unlock(owed->in);
	}
}

void fw_instance_calls_drop(struct lichen_vm *vm, const struct lichen_instance *in)
{
	struct fw_control *control = vm->control_state;
	const char *why = in && atomic_load(&in->replaced)
				  ? "the plugin of the instance that was asked was reloaded"
				  : "the instance that was asked has gone";
	struct fw_owed **at;

	/* What it has answered is on its way. */
	fw_loop_drain_of(&vm->loop, answer_run);
	at = control ? &control->owed : NULL;
	while (at && *at) {
		struct fw_owed *owed = *at;

		if (in && owed->in != in) {
			at = &owed->next;
			continue;
		}
		*at = owed->next;
		fw_call_fail(owed->call, FW_RPC_FAILED, -LICHEN_ENODEV, "%s", why);
		free(owed);
	}
}
