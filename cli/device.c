/* SPDX-License-Identifier: MIT */
/*
 * device.c: `lichen device ...`.  Files that an entry names are opened here, where the
 * user's folder and rights are, and travel as descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli.h"
#include "remote.h"

enum { DEVICE_GRACE_MS = 10000 };

static int device_ends(struct cli_remote *remote, json_t *result, int status)
{
	json_decref(result);
	cli_remote_close(remote);
	return cli_flush(status);
}

/* --- list --- */

static void device_line(const json_t *device)
{
	const json_t *windows = json_object_get(device, "windows"), *window;
	size_t i;

	printf("%-16s %-16s %-8s %-9s", cli_text(device, "id"), cli_text(device, "plugin"),
	       cli_text(device, "version"), cli_text(device, "state"));
	json_array_foreach(windows, i, window)
	{
		const uint64_t at = cli_hex(window, "address"), size = cli_hex(window, "size");

		if (json_object_get(window, "address"))
			printf(" %s 0x%" PRIx64 "-0x%" PRIx64, cli_text(window, "bus"), at,
			       at + size - 1);
	}
	(void)putchar('\n');
}

int cli_device_list(const struct cli_options *options)
{
	struct cli_remote remote;
	json_t *result = NULL, *device;
	size_t i;
	int status = cli_remote_open(&remote, options->operand, 0);

	if (status)
		return status;
	status = cli_remote_call(&remote, "device.list", NULL, NULL, 0, &result);
	if (status == 0 && options->form == LICHEN_FORM_JSON) {
		cli_print_json(result);
	} else if (status == 0) {
		printf("%-16s %-16s %-8s %-9s %s\n", "ID", "PLUGIN", "VERSION", "STATE",
		       "WINDOWS");
		json_array_foreach(json_object_get(result, "devices"), i, device)
			device_line(device);
	}
	return device_ends(&remote, result, status);
}

/* --- add --- */

static int device_access(const json_t *file, const char *word)
{
	const json_t *access = json_object_get(file, "access"), *one;
	size_t i;

	json_array_foreach(access, i,
			   one) if (json_is_string(one) &&
				    strcmp(json_string_value(one), word) == 0) return 1;
	return 0;
}

static int device_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int file;

	errno = ENAMETOOLONG;
	if (strlen(path) >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, strlen(path) + 1);
	file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (file >= 0 &&
	    connect(file, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		(void)close(file);
		return -1;
	}
	return file;
}

/* Opens what the parameter asks for. */
static int device_open(const json_t *file, const char *path)
{
	const int read = device_access(file, "read"), write = device_access(file, "write");
	int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

	if (device_access(file, "socket"))
		return device_connect(path);
	if (device_access(file, "directory"))
		return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	flags |= write ? read ? O_RDWR : O_WRONLY : O_RDONLY;
	flags |= device_access(file, "create") ? O_CREAT : 0;
	flags |= device_access(file, "append") ? O_APPEND : 0;
	return open(path, flags, 0600);
}

/* Opens all of `wanted`; `given` gets {path, file}.  0, or the status after a sentence. */
static int device_open_all(const json_t *wanted, int *files, int *count, json_t *given)
{
	const json_t *file;
	size_t i;

	json_array_foreach(wanted, i, file)
	{
		const char *path = cli_text(file, "path");

		if (device_access(file, "listen")) {
			if (path[0] == '/')
				continue; /* the VM makes it, and removes it in the end */
			cli_say("%s: a socket to make: not a path from the root", path);
			return LICHEN_VM_BAD_INPUT;
		}
		if (*count == CLI_FILES_MAX) {
			cli_say("%s: more than %d files", path, (int)CLI_FILES_MAX);
			return LICHEN_VM_BAD_INPUT;
		}
		files[*count] = device_open(file, path);
		if (files[*count] < 0) {
			cli_say("%s: %s", path, strerror(errno));
			return LICHEN_VM_BAD_INPUT;
		}
		(void)json_array_append_new(
			given, json_pack("{s:s, s:i}", "path", path, "file", *count));
		++*count;
	}
	return 0;
}

int cli_device_send(struct cli_remote *remote, const char *entry, const char *section,
		    json_t **result)
{
	json_t *wanted = NULL, *given = json_array();
	int files[CLI_FILES_MAX], count = 0;
	int status = cli_remote_call(
		remote, "device.files",
		json_pack("{s:s, s:s}", "entry", entry, "section", section), NULL, 0, &wanted);

	*result = NULL;
	if (status == 0)
		status =
			device_open_all(json_object_get(wanted, "files"), files, &count, given);
	if (status == 0)
		status = cli_remote_call(remote, "device.add",
					 json_pack("{s:s, s:s, s:O}", "entry", entry, "section",
						   section, "files", given),
					 files, count, result);
	while (count > 0)
		(void)close(files[--count]);
	json_decref(wanted);
	json_decref(given);
	return status;
}

int cli_device_add(const struct cli_options *options)
{
	struct cli_remote remote;
	json_t *result = NULL;
	int status = cli_remote_open(&remote, options->operand, 0);

	if (status)
		return status;
	status = cli_device_send(&remote, options->operands[1],
				 options->backend ? "backends" : "devices", &result);
	if (status == 0 && options->form == LICHEN_FORM_JSON)
		cli_print_json(result);
	else if (status == 0)
		puts(cli_text(result, "id"));
	return device_ends(&remote, result, status);
}

/* --- remove --- */

int cli_device_remove(const struct cli_options *options)
{
	const uint64_t ms = options->timeout_ns / 1000000;
	struct cli_remote remote;
	json_t *result = NULL;
	int status = cli_remote_open(&remote, options->operand, 0);

	if (status)
		return status;
	if (ms > 86400000) {
		cli_say("--timeout: more than a day");
		return device_ends(&remote, NULL, LICHEN_VM_BAD_INPUT);
	}
	status = cli_remote_call_for(&remote, "device.remove",
				     json_pack("{s:s, s:b, s:I}", "id", options->operands[1],
					       "force", options->force, "timeout_ms",
					       (json_int_t)ms),
				     NULL, 0, (int)ms + DEVICE_GRACE_MS, &result);
	if (status == 0 && json_object_get(result, "pinned"))
		fprintf(stderr, "%s: %s\n", options->operand, cli_text(result, "pinned"));
	if (status == 0 && options->form == LICHEN_FORM_JSON)
		cli_print_json(result);
	return device_ends(&remote, result, status);
}

/* --- dump --- */

static void dump_fields(const json_t *fields, int depth);

static void dump_value(const json_t *field, int depth)
{
	const json_t *value = json_object_get(field, "value"), *one;
	const char *type = cli_text(field, "type");
	const int nested = strcmp(type, "nested") == 0 || strcmp(type, "list") == 0;
	size_t i;

	if (json_is_string(value)) {
		printf(" %s", json_string_value(value));
	} else if (json_is_integer(value)) {
		const json_int_t number = json_integer_value(value);

		printf(" %" JSON_INTEGER_FORMAT, number);
		if (number > 9)
			printf(" (0x%" PRIx64 ")", (uint64_t)number);
	} else if (nested) {
		const int one_only = !json_is_array(json_array_get(value, 0));

		json_array_foreach(value, i, one)
		{
			if (one_only)
				break;
			printf("\n%*s[%zu]", 2 * depth + 4, "", i);
			dump_fields(one, depth + 2);
		}
		if (one_only)
			dump_fields(value, depth + 1);
	} else {
		json_array_foreach(value, i, one)
			printf(" %s%" JSON_INTEGER_FORMAT, "", json_integer_value(one));
	}
}

/* Each on a line of its own, the help behind it. */
static void dump_fields(const json_t *fields, int depth)
{
	const json_t *field;
	size_t i;

	json_array_foreach(fields, i, field)
	{
		const char *help = json_string_value(json_object_get(field, "help"));

		printf("\n%*s%s:", 2 * depth + 2, "", cli_text(field, "name"));
		dump_value(field, depth);
		if (json_is_true(json_object_get(field, "cut")))
			printf("  # it claims more than there can be");
		if (help)
			printf("  # %s", help);
	}
}

int cli_device_dump(const struct cli_options *options)
{
	struct cli_remote remote;
	json_t *result = NULL, *device;
	size_t i;
	int status = cli_remote_open(&remote, options->operand, 0);

	if (status)
		return status;
	status = cli_remote_call(&remote, "device.dump",
				 options->operand_count > 1
					 ? json_pack("{s:s}", "id", options->operands[1])
					 : NULL,
				 NULL, 0, &result);
	if (status == 0 && options->form == LICHEN_FORM_JSON) {
		cli_print_json(result);
	} else if (status == 0) {
		json_array_foreach(json_object_get(result, "devices"), i, device)
		{
			const json_t *version = json_object_get(device, "state_version");

			printf("%s: %s %s, ", cli_text(device, "id"),
			       cli_text(device, "plugin"), cli_text(device, "version"));
			if (json_integer_value(version))
				printf("state version %" JSON_INTEGER_FORMAT,
				       json_integer_value(version));
			else
				printf("no state");
			dump_fields(json_object_get(device, "state"), 0);
			(void)putchar('\n');
		}
	}
	return device_ends(&remote, result, status);
}
