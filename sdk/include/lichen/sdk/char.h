/* SPDX-License-Identifier: MIT */
/*
 * sdk/char.h: the consumer's side of "lichen.char/1", with enter and leave done.
 * `dev` is the first member of the instance, `link` the member that the need
 * fills.  The instance's lock is held by the caller, as in every handler.
 */
#ifndef LICHEN_SDK_CHAR_H
#define LICHEN_SDK_CHAR_H

#include <lichen/char.h>
#include <lichen/class.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Hands `size` bytes to the backend; *taken says how many it took, and WRITABLE
 * follows when it is fewer.  -LICHEN_ENODEV: there is no backend; -LICHEN_EIO: it
 * failed for good; *taken is then unchanged.  [vcpu or control or io, running]
 */
static inline lichen_status lichen_char_write(const struct lichen_dev *dev,
					      const struct lichen_link *link,
					      const uint8_t *data, uint32_t size,
					      uint32_t *taken)
{
	const struct lichen_char_ops *ops;
	lichen_status status = dev->host->enter(dev->in, link);

	if (status < 0)
		return status;
	ops = (const struct lichen_char_ops *)link->ops;
	status = ops->write(link->self, link->client, data, size, taken);
	dev->host->leave(dev->in, link);
	return status;
}

/*
 * From now on the backend may post at most `size` bytes as RECEIVED.
 * -LICHEN_ENODEV: there is no backend.  [vcpu or control or io, running]
 */
static inline lichen_status lichen_char_ask(const struct lichen_dev *dev,
					    const struct lichen_link *link, uint32_t size)
{
	const struct lichen_char_ops *ops;
	lichen_status status = dev->host->enter(dev->in, link);

	if (status < 0)
		return status;
	ops = (const struct lichen_char_ops *)link->ops;
	ops->ask(link->self, link->client, size);
	dev->host->leave(dev->in, link);
	return 0;
}

#ifdef __cplusplus
}
#endif

#endif
