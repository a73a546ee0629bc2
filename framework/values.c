/* SPDX-License-Identifier: MIT */
/* values.c: puts a spec's values into an instance; opens its files. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profile.h"
#include "socket.h"

static const char *values_reason(int error)
{
	switch (error) {
#define VALUES_REASON(name, number, text) \
	case number:                      \
		return text;
		LICHEN_STATUS_MAP(VALUES_REASON)
#undef VALUES_REASON
	case ENOTDIR:
		return "not found: part of the path is no folder";
	case EISDIR:
		return "is a folder";
	case EROFS:
		return "on a read-only file system";
	case ENXIO:
		return "not a regular file";
	case ENAMETOOLONG:
		return "longer than a path may be";
	case EMFILE:
	case ENFILE:
		return "too many files are open";
	default:
		return "cannot be opened";
	}
}

static int values_flags(const struct lichen_param *param)
{
	/* Not blocking: a fifo or a modem line would keep us waiting for its other end. */
	int flags = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;

	if (param->flags & LICHEN_PARAM_DIRECTORY)
		return O_CLOEXEC | O_PATH;
	if (!(param->flags & LICHEN_PARAM_WRITE))
		return flags | O_RDONLY;
	flags |= param->flags & LICHEN_PARAM_READ ? O_RDWR : O_WRONLY;
	if (param->flags & LICHEN_PARAM_CREATE)
		flags |= O_CREAT;
	if (param->flags & LICHEN_PARAM_APPEND)
		flags |= O_APPEND;
	return flags;
}

/* Why what was opened is not what the parameter asks for, or NULL. */
static const char *values_refuse(const struct lichen_param *param, int file)
{
	struct stat status;

	if (fstat(file, &status) < 0)
		return values_reason(errno);
	if (param->flags & LICHEN_PARAM_DIRECTORY)
		return S_ISDIR(status.st_mode) ? NULL : "not a folder";
	if (param->flags & LICHEN_PARAM_DEVICE)
		return S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode) ? NULL
									  : "not a device node";
	if (S_ISDIR(status.st_mode))
		return "is a folder";
	return S_ISREG(status.st_mode) ? NULL : "not a regular file";
}

/* A descriptor, or -1 and the reason. */
static int values_open(const struct lichen_param *param, const char *path, const char **why)
{
	const int flags = values_flags(param);
	int file;

	if (param->flags & LICHEN_PARAM_LISTEN)
		return fw_socket_listen(path, why);
	if (param->flags & LICHEN_PARAM_SOCKET)
		return fw_socket_connect(path, why);
	file = open(path, flags, S_IRUSR | S_IWUSR);
	if (file < 0) {
		*why = values_reason(errno);
		return -1;
	}
	*why = values_refuse(param, file);
	if (!*why && !(flags & O_PATH) &&
	    fcntl(file, F_SETFL, flags & (O_ACCMODE | O_APPEND)) < 0)
		*why = values_reason(errno);
	if (!*why)
		return file;
	(void)close(file);
	return -1;
}

/* A duplicate of what was opened elsewhere, where it is what the parameter asks for. */
static int values_duplicate(const struct lichen_param *param, int given, const char **why)
{
	const uint32_t sockets = LICHEN_PARAM_SOCKET | LICHEN_PARAM_LISTEN;
	const int mode = fcntl(given, F_GETFL) & O_ACCMODE;
	int file;

	if (!(param->flags & sockets)) {
		*why = values_refuse(param, given);
		if (!*why && (param->flags & LICHEN_PARAM_WRITE) && mode == O_RDONLY)
			*why = "the descriptor is not open for writing";
		if (*why)
			return -1;
	}
	file = fcntl(given, F_DUPFD_CLOEXEC, 3);
	if (file < 0)
		*why = values_reason(errno);
	else if (param->flags & sockets)
		(void)fcntl(file, F_SETFL, fcntl(file, F_GETFL) | O_NONBLOCK);
	return file;
}

/* An instance whose open files another one takes over. */
struct values_old {
	const struct fw_spec *spec;
	const void *instance;
};

/*
 * The parameter of `spec` that is a FILE of that name, opened in this way from this path;
 * NULL: there is none.
 */
static const struct lichen_param *values_same(const struct fw_spec *spec,
					      const struct lichen_param *param,
					      const char *text)
{
	const struct lichen_param *params = spec->class->params.items;

	for (uint32_t i = 0; text && i < spec->class->params.count; i++)
		if (params[i].type == LICHEN_FILE && params[i].flags == param->flags &&
		    strcmp(params[i].name, param->name) == 0)
			return spec->values[i].text && strcmp(spec->values[i].text, text) == 0
				       ? &params[i]
				       : NULL;
	return NULL;
}

/* The same open file as the old one's, one that was given, or a fresh one; -1: none, and why.
 */
static int values_file(const struct values_old *old, const struct lichen_param *param,
		       const struct fw_value *value, const char **why)
{
	const struct lichen_param *same =
		old ? values_same(old->spec, param, value->text) : NULL;
	int32_t file = -1;

	if (same)
		memcpy(&file, (const unsigned char *)old->instance + same->offset,
		       sizeof(file));
	if (file < 0 && value->given)
		return values_duplicate(param, value->given, why);
	if (file < 0) /* not there, or closed by the plugin itself */
		return values_open(param, value->text, why);
	file = fcntl(file, F_DUPFD_CLOEXEC, 3);
	if (file < 0)
		*why = values_reason(errno);
	return file;
}

/* Stores one value; -1: told. */
static int values_store_one(const struct fw_spec *spec, const struct lichen_param *param,
			    const struct fw_value *value, unsigned char *member,
			    const struct values_old *old, struct fw_diags *diags)
{
	const uint8_t u8 = (uint8_t)value->number;
	const uint16_t u16 = (uint16_t)value->number;
	const uint32_t u32 = (uint32_t)value->number;
	const char *why = NULL, *text = value->text;
	int32_t file = -1;

	switch (param->type) {
	case LICHEN_U8:
	case LICHEN_S8:
	case LICHEN_BOOL:
		memcpy(member, &u8, sizeof(u8));
		break;
	case LICHEN_U16:
	case LICHEN_S16:
		memcpy(member, &u16, sizeof(u16));
		break;
	case LICHEN_U32:
	case LICHEN_S32:
	case LICHEN_CHOICE:
		memcpy(member, &u32, sizeof(u32));
		break;
	case LICHEN_TEXT:
		memcpy(member, &text, sizeof(text));
		break;
	case LICHEN_FILE:
		if (text)
			file = values_file(old, param, value, &why);
		if (why)
			fw_diag(diags, value->mark.file ? value->mark : spec->mark,
				"%s %s: %s %s: %s", spec->path, spec->id, param->name,
				value->written ? value->written : text, why);
		memcpy(member, &file, sizeof(file));
		break;
	default:
		memcpy(member, &value->number, sizeof(value->number));
		break;
	}
	return why ? -1 : 0;
}

static lichen_status values_store(const struct fw_spec *spec, void *instance,
				  const struct values_old *old, struct fw_diags *diags)
{
	const struct lichen_param *params = spec->class->params.items;
	int failed = 0;

	for (uint32_t i = 0; i < spec->class->params.count; i++)
		failed |= values_store_one(spec, &params[i], &spec->values[i],
					   (unsigned char *)instance + params[i].offset, old,
					   diags);
	if (!failed)
		return 0;
	fw_values_leave(spec, instance, old ? old->spec : NULL);
	return -LICHEN_EINVAL;
}

lichen_status fw_values_store(const struct fw_spec *spec, void *instance,
			      struct fw_diags *diags)
{
	return values_store(spec, instance, NULL, diags);
}

lichen_status fw_values_inherit(const struct fw_spec *spec, void *instance,
				const struct fw_spec *old, const void *old_instance,
				struct fw_diags *diags)
{
	const struct values_old from = { .spec = old, .instance = old_instance };

	return values_store(spec, instance, &from, diags);
}

void fw_values_close(const struct fw_spec *spec, void *instance)
{
	fw_values_leave(spec, instance, NULL);
}

void fw_values_leave(const struct fw_spec *spec, void *instance, const struct fw_spec *heir)
{
	const struct lichen_param *params = spec->class->params.items;

	for (uint32_t i = 0; i < spec->class->params.count; i++) {
		unsigned char *member = (unsigned char *)instance + params[i].offset;
		int32_t file;

		if (params[i].type != LICHEN_FILE)
			continue;
		memcpy(&file, member, sizeof(file));
		if (file >= 0)
			(void)close(file);
		if (file >= 0 && (params[i].flags & LICHEN_PARAM_LISTEN) &&
		    !spec->values[i].given &&
		    !(heir && values_same(heir, &params[i], spec->values[i].text)))
			fw_socket_remove(spec->values[i].text);
		file = -1;
		memcpy(member, &file, sizeof(file));
	}
}
