/* SPDX-License-Identifier: MIT */
/*
 * sdk/symbiotic.h: the steps that every symbiotic plugin's realize has in common.  Header-only.
 */
#ifndef LICHEN_SDK_SYMBIOTIC_H
#define LICHEN_SDK_SYMBIOTIC_H

#include <lichen/class.h>
#include <lichen/draft/symbiotic.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Claims the MSRs [first, first + count) of the discovery block and offers `features`; the
 * guest may ring them as soon as realize has returned.  *symbiotic is then the host's table.
 * -LICHEN_ENODEV, after a sentence: the VM has no discovery block; else what msr_claim and
 * offer return.  [control, created]
 */
static inline lichen_status lichen_symbiotic_begin(
	const struct lichen_dev *dev, uint32_t first, uint32_t count, uint64_t features,
	const struct lichen_symbiotic_host **symbiotic)
{
	const struct lichen_symbiotic_host *host =
		(const struct lichen_symbiotic_host *)dev->host->interface(
			dev->in, LICHEN_SYMBIOTIC_HOST);
	lichen_handle handle;
	lichen_status status;

	if (!host) {
		dev->host->error(dev->in, "the VM has no discovery block: its profile has no "
					  "`symbiotic` key");
		return -LICHEN_ENODEV;
	}
	*symbiotic = host;
	status = host->msr_claim(dev->in, first, count, &handle);
	return status < 0 ? status : host->offer(dev->in, features);
}

#ifdef __cplusplus
}
#endif

#endif
