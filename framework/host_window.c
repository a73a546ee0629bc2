/* SPDX-License-Identifier: MIT */
/* host_window.c: windows and doorbells, as an instance asks for them. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "host.h"
#include "vm.h"

lichen_status fw_host_place_port(struct lichen_instance *in, uint32_t window, uint16_t port)
{
	return fw_place(in, window, in->vm->ports, port);
}

lichen_status fw_host_place_mmio(struct lichen_instance *in, uint32_t window,
				 lichen_space space, lichen_gpa gpa)
{
	if (space != 0)
		return -LICHEN_ENOTSUP;
	return fw_place(in, window, in->vm->mmio, gpa);
}

lichen_status fw_host_unplace(struct lichen_instance *in, uint32_t window)
{
	return fw_unplace(in, window);
}

static lichen_status fw_bell_check(const struct lichen_instance *in,
				   const struct lichen_doorbell *bell)
{
	const struct lichen_window *windows =
		FW_ITEMS(struct lichen_window, in->class->windows);
	uint64_t size;

	if (bell->flags & ~(uint32_t)LICHEN_DOORBELL_MATCH)
		return -LICHEN_ENOTSUP;
	if (bell->window >= in->class->windows.count)
		return -LICHEN_EINVAL;
	if (windows[bell->window].kind != LICHEN_IO)
		return -LICHEN_EINVAL;
	if (bell->size > 8 || (bell->size & (bell->size - 1)))
		return -LICHEN_EINVAL;
	size = windows[bell->window].size;
	if (bell->offset >= size || bell->size > size - bell->offset)
		return -LICHEN_EINVAL;
	return 0;
}

lichen_status fw_host_doorbell_claim(struct lichen_instance *in,
				     const struct lichen_doorbell *bell, lichen_handle *handle)
{
	lichen_status status = fw_bell_check(in, bell);
	struct fw_claim *claim;
	lichen_handle entered;

	if (status < 0)
		return status;
	claim = fw_claim_new(in, FW_CLAIM_DOORBELL, 0);
	if (!claim)
		return -LICHEN_ENOMEM;
	claim->bell.window = bell->window;
	claim->bell.offset = bell->offset;
	claim->bell.hv.size = bell->size;
	claim->bell.hv.match = bell->flags & LICHEN_DOORBELL_MATCH;
	claim->bell.hv.value = bell->value;
	claim->bell.hv.descriptor = fcntl(bell->eventfd, F_DUPFD_CLOEXEC, 3);
	if (claim->bell.hv.descriptor < 0) {
		status = -errno;
		free(claim);
		return status;
	}
	pthread_mutex_lock(&in->vm->place_lock);
	status = in->stage ? 0 : fw_bell_attach(claim); /* staged: when it is published */
	entered = status < 0 ? 0 : fw_claim_enter(claim);
	if (!entered)
		fw_bell_detach(claim);
	pthread_mutex_unlock(&in->vm->place_lock);
	if (!entered) {
		close(claim->bell.hv.descriptor);
		free(claim);
		return status < 0 ? status : -LICHEN_ENOSPC;
	}
	*handle = entered;
	return 0;
}

void fw_host_doorbell_release(struct lichen_instance *in, lichen_handle handle)
{
	struct fw_claim *claim = fw_claim_at(in, handle, FW_CLAIM_DOORBELL, "doorbell_release");

	if (claim)
		fw_claim_drop(claim);
}
