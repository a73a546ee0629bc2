/* SPDX-License-Identifier: MIT */
/* symspy_host.c: the VMM's own set, in room that the guest gave.  See symspy.h. */
#include "symspy.h"

static const uint64_t SYMSPY_UPDATE_NS = 1000000000;

/* What the room is filled with; all of it fits its first page. */
struct symspy_room {
	struct lichen_directory head;
	struct lichen_directory_entry entry;
	char schema[128];
	struct lichen_spy_record record;
	struct lichen_spy_host host;
};

_Static_assert(sizeof(struct symspy_room) <= LICHEN_GUEST_PAGE, "one page is enough");
_Static_assert(sizeof(LICHEN_SPY_HOST_SCHEMA) <= 128, "the schema fits");

lichen_status symspy_host_begin(struct symspy *s)
{
	struct symspy_room room = {
		.head = { .magic = LICHEN_DIRECTORY_SPY,
			  .version = 1,
			  .size = sizeof(room),
			  .entries = offsetof(struct symspy_room, entry),
			  .count = 1 },
		.entry = { .name = LICHEN_SPY_HOST,
			   .offset = offsetof(struct symspy_room, record),
			   .size = sizeof(room.host),
			   .schema = offsetof(struct symspy_room, schema),
			   .schema_size = sizeof(LICHEN_SPY_HOST_SCHEMA) - 1 },
		.schema = LICHEN_SPY_HOST_SCHEMA,
	};
	const lichen_gpa record = s->host.gpa + offsetof(struct symspy_room, record);
	lichen_status status;

	if (s->host.size == 0) {
		s->dev.host->timer_cancel(s->dev.in, s->update);
		return 0;
	}
	/* Who reads it while the set is made anew sees that, whatever was there. */
	(void)s->dev.host->memory_read(s->dev.in, 0, record, &room.record, sizeof(room.record));
	room.record.sequence |= 1;
	status = s->dev.host->memory_write(s->dev.in, 0, s->host.gpa, &room, sizeof(room));
	if (status < 0)
		return status;
	symspy_host_due(s);
	return 0;
}

void symspy_host_update(struct symspy *s)
{
	const lichen_gpa at = s->host.gpa + offsetof(struct symspy_room, record);
	const uint32_t cpus = s->dev.host->cpu_count(s->dev.in);
	struct lichen_spy_host host = { .wish_bytes = s->wish };
	struct lichen_map map = { LICHEN_STRUCT(struct lichen_map) };
	struct lichen_spy_record *record;

	if (s->host.size == 0)
		return;
	host.updated_ns = s->dev.host->clock_now(s->dev.in, LICHEN_CLOCK_HOST);
	host.cpus = cpus < LICHEN_SPY_HOST_CPUS ? cpus : LICHEN_SPY_HOST_CPUS;
	for (uint32_t i = 0; i < host.cpus; i++)
		host.steal_ns[i] = s->symbiotic->steal_ns(s->dev.in, i);
	if (s->dev.host->memory_map(s->dev.in, 0, at, sizeof(*record) + sizeof(host),
				    LICHEN_ACCESS_WRITE, &map) < 0)
		return;
	/* The guest may have written the sequence: odd first, even last, whatever it was. */
	record = map.data;
	__atomic_store_n(&record->sequence, record->sequence | 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	memcpy(record + 1, &host, sizeof(host));
	__atomic_store_n(&record->sequence, (record->sequence | 1) + 1, __ATOMIC_RELEASE);
	s->dev.host->memory_unmap(s->dev.in, &map, sizeof(*record) + sizeof(host));
}

void symspy_host_due(struct symspy *s)
{
	const struct lichen_host *host = s->dev.host;

	symspy_host_update(s);
	host->timer_arm(s->dev.in, s->update,
			host->clock_now(s->dev.in, LICHEN_CLOCK_HOST) + SYMSPY_UPDATE_NS);
}
