/* SPDX-License-Identifier: MIT */
/* acpi_publish.c: asks the instances that want to be described, and writes the tables. */
#include <stdlib.h>

#include "acpi_tables.h"

lichen_status acpi_tables_reserve(const struct lichen_dev *dev)
{
	static const struct {
		uint32_t gpa, size, type;
	} part[] = {
		{ ACPI_TABLES_GPA, ACPI_TABLES_SIZE, LICHEN_RANGE_ACPI },
		{ ACPI_FACS_GPA, ACPI_FACS_PAGE, LICHEN_RANGE_ACPI_NVS },
	};

	for (uint32_t i = 0; i < sizeof(part) / sizeof(part[0]); i++) {
		const lichen_status status = dev->host->memory_reserve(
			dev->in, part[i].gpa, part[i].size, part[i].type);

		if (status < 0) {
			dev->host->error(dev->in, "%u bytes for tables at 0x%x: %s",
					 part[i].size, part[i].gpa,
					 status == -LICHEN_EFAULT
						 ? "not memory of the guest, which needs 1M"
						 : "taken");
			return status;
		}
	}
	return 0;
}

/* Appends the nodes of one instance, which has been entered, to the *count in `nodes`. */
static lichen_status acpi_describe_one(const struct lichen_dev *dev,
				       const struct lichen_link *link,
				       struct lichen_acpi_node *nodes, uint32_t *count)
{
	const struct lichen_acpi_node_ops *ops = link->ops;

	for (uint32_t i = 0;; i++) {
		struct lichen_acpi_node node = { LICHEN_STRUCT(struct lichen_acpi_node) };
		const lichen_status status = ops->describe(link->self, link->client, i, &node);

		if (status == -LICHEN_ENOENT)
			return 0;
		if (status < 0)
			return status;
		if (i == LICHEN_ACPI_NODES_MAX) {
			dev->host->error(dev->in,
					 "nodes of the instance that describes %s: "
					 "above %u",
					 node.hid ? node.hid : "a node without hardware id",
					 (unsigned)LICHEN_ACPI_NODES_MAX);
			return -LICHEN_E2BIG;
		}
		if (*count == ACPI_NODES_MAX) {
			dev->host->error(dev->in, "nodes of all instances: above %u",
					 (unsigned)ACPI_NODES_MAX);
			return -LICHEN_E2BIG;
		}
		nodes[(*count)++] = node;
	}
}

/* Asks all instances; one that has just gone is left out. */
static lichen_status acpi_describe(const struct lichen_dev *dev, uint32_t need,
				   struct lichen_acpi_node nodes[ACPI_NODES_MAX],
				   uint32_t *count)
{
	const struct lichen_host *host = dev->host;
	const uint32_t instances = host->link_count(dev->in, need);

	*count = 0;
	for (uint32_t i = 0; i < instances; i++) {
		const struct lichen_link *link = host->link_at(dev->in, need, i);
		lichen_status status;

		if (host->enter(dev->in, link) < 0)
			continue;
		status = acpi_describe_one(dev, link, nodes, count);
		host->leave(dev->in, link);
		if (status < 0)
			return status;
	}
	return 0;
}

/* buf: empty, with room for the tables. */
static lichen_status acpi_write(const struct lichen_dev *dev,
				const struct acpi_machine *machine, struct acpi_buf *buf)
{
	uint8_t facs[ACPI_FACS_SIZE];
	lichen_status status = acpi_tables_build(dev, machine, buf);

	if (status < 0)
		return status;
	acpi_tables_facs(facs);
	status = dev->host->memory_write(dev->in, 0, ACPI_FACS_GPA, facs, sizeof(facs));
	if (status < 0)
		return status;
	return dev->host->memory_write(dev->in, 0, ACPI_TABLES_GPA, buf->bytes, buf->used);
}

lichen_status acpi_tables_publish(const struct lichen_dev *dev, uint32_t need, uint16_t port,
				  uint32_t sci)
{
	struct acpi_machine machine = { .port = port,
					.sci = sci,
					.cpus = dev->host->cpu_count(dev->in) };
	struct acpi_buf buf = { .room = ACPI_TABLES_SIZE };
	struct lichen_acpi_node *nodes;
	lichen_status status;

	nodes = calloc(ACPI_NODES_MAX, sizeof(*nodes));
	buf.bytes = malloc(buf.room);
	if (nodes && buf.bytes) {
		machine.nodes = nodes;
		status = acpi_describe(dev, need, nodes, &machine.count);
		if (status >= 0)
			status = acpi_write(dev, &machine, &buf);
	} else {
		dev->host->error(dev->in, "%u bytes for tables: out of memory", buf.room);
		status = -LICHEN_ENOMEM;
	}
	free(nodes);
	free(buf.bytes);
	return status;
}
