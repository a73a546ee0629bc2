/* SPDX-License-Identifier: MIT */
/*
 * sdk/rsdp.h: where the guest's ACPI tables start, for boot protocols that hand
 * it over.  `link` is the member that an optional need of LICHEN_ACPI fills.
 */
#ifndef LICHEN_SDK_RSDP_H
#define LICHEN_SDK_RSDP_H

#include <lichen/acpi.h>
#include <lichen/class.h>

#ifdef __cplusplus
extern "C" {
#endif

/* *rsdp: its address; unchanged where the VM has no ACPI, which is no error.  Errors of
 * the provider; says why.  [control, realized or paused] */
static inline lichen_status lichen_rsdp(const struct lichen_dev *dev,
					const struct lichen_link *link, lichen_gpa *rsdp)
{
	const struct lichen_acpi_ops *acpi;
	lichen_status status;

	if (dev->host->enter(dev->in, link) < 0)
		return 0;
	acpi = (const struct lichen_acpi_ops *)link->ops;
	status = acpi->rsdp(link->self, link->client, rsdp);
	dev->host->leave(dev->in, link);
	if (status < 0)
		dev->host->error(dev->in, "the ACPI tables have no address");
	return status;
}

#ifdef __cplusplus
}
#endif

#endif
