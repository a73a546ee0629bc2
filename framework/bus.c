/* SPDX-License-Identifier: MIT */
/*
 * bus.c: finds the window that answers an access.  See bus.h.
 *
 * What readers see is a map: disjoint spans sorted by address, ranks already
 * resolved, never changed while it is published.  A reader searches it inside an
 * RCU read section, and before leaving the section pins the node that it found;
 * lock and handler come after the section, under the pin.  So a read section
 * never waits for anything, and synchronize ends soon whatever its caller holds,
 * also on a vCPU's thread inside a handler.
 *
 * Removal publishes a map without the node, synchronizes (from here on nobody new
 * can pin it), and waits until the pins left are those of the calling thread
 * itself.  One who waits for the instance's lock has pinned the node as well, and
 * the remover may be the one who holds that lock; so waiting for the lock is done
 * in short turns that look at `gone`, and given up when it is set.  Hence removal
 * never waits for a thread that waits for the remover, and afterwards nothing of
 * the target, its lock included, is touched but by the caller's own handlers.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bus.h"
#include "count.h"
#include "likely.h"
#include "rcu.h"

enum {
	BUS_ROOM_MIN = 16,	   /* targets */
	BUS_LOCK_TURN_NS = 500000, /* how long a removal may wait for one in line for a lock */
	BUS_WAIT_YIELDS = 100,
	BUS_WAIT_NS = 20000,
};

/* What is published of a target: copies, so that the target may change once it is removed. */
struct node {
	const struct lichen_window *window;
	void *self;
	struct fw_mutex *lock;
	uint64_t start, last;
	struct fw_target *target; /* its name; only writers compare it */
	const void *owner;
	struct node *next; /* of those taken out together */
	uint32_t hidden;   /* not in the map; guarded by the bus's lock */
	uint32_t counter;  /* in bus_counts */
	uint32_t pins;	   /* atomic; one is the bus's, until removal is over */
	uint32_t gone;	   /* atomic; removal has begun */
};

struct span {
	uint64_t start, last;
	struct node *node;
};

struct map {
	uint32_t count;
	uint32_t recent; /* atomic; a guess at the span that is looked for next */
	struct span spans[];
};

struct fw_bus {
	struct map *map;       /* what readers find; RCU */
	pthread_mutex_t write; /* guards all below, and who may publish */
	struct map *spare;     /* as large as map, so that removal needs no memory */
	struct node **nodes;   /* by rank, ascending */
	uint32_t count, room;
	uint64_t last; /* the highest address */
};

/* One use of a node by this thread; they nest where a handler makes an access. */
struct use {
	struct node *node;
	struct use *outer;
};

static _Thread_local struct use *bus_uses;
static _Thread_local uint64_t *bus_counts; /* fw_bus_tally() */

/* Each node painted over those of lower rank leaves at most two spans more. */
static struct map *bus_map_new(uint32_t room)
{
	return calloc(1, sizeof(struct map) + 2 * (size_t)room * sizeof(struct span));
}

struct fw_bus *fw_bus_create(uint64_t limit)
{
	struct fw_bus *bus = calloc(1, sizeof(*bus));

	if (!bus)
		return NULL;
	bus->room = BUS_ROOM_MIN;
	bus->last = limit - 1; /* 0: 2^64 - 1 */
	bus->map = bus_map_new(bus->room);
	bus->spare = bus_map_new(bus->room);
	bus->nodes = calloc(bus->room, sizeof(struct node *));
	if (!bus->map || !bus->spare || !bus->nodes) {
		free(bus->map);
		free(bus->spare);
		free(bus->nodes);
		free(bus);
		return NULL;
	}
	pthread_mutex_init(&bus->write, NULL);
	return bus;
}

void fw_bus_destroy(struct fw_bus *bus)
{
	if (!bus)
		return;
	for (uint32_t i = 0; i < bus->count; i++)
		free(bus->nodes[i]);
	pthread_mutex_destroy(&bus->write);
	free(bus->map);
	free(bus->spare);
	free(bus->nodes);
	free(bus);
}

/* The first span that ends at or after `address`; map->count where there is none. */
static uint32_t map_find(const struct map *map, uint64_t address)
{
	uint32_t low = 0, high = map->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (map->spans[middle].last < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Lays node over what is there: at most the ends of the spans below remain. */
static void map_paint(struct map *map, struct node *node)
{
	struct span pieces[3];
	uint32_t count = 0, from = map_find(map, node->start), to = from;

	while (to < map->count && map->spans[to].start <= node->last)
		to++;
	if (from < to && map->spans[from].start < node->start)
		pieces[count++] = (struct span){ map->spans[from].start, node->start - 1,
						 map->spans[from].node };
	pieces[count++] = (struct span){ node->start, node->last, node };
	if (from < to && map->spans[to - 1].last > node->last)
		pieces[count++] = (struct span){ node->last + 1, map->spans[to - 1].last,
						 map->spans[to - 1].node };
	memmove(&map->spans[from + count], &map->spans[to],
		(map->count - to) * sizeof(struct span));
	memcpy(&map->spans[from], pieces, count * sizeof(struct span));
	map->count = map->count - (to - from) + count;
}

/* Fills `fresh` from the nodes and makes it the map; nobody reads the one returned. */
static struct map *bus_publish(struct fw_bus *bus, struct map *fresh)
{
	struct map *old = bus->map;

	fresh->count = 0;
	fresh->recent = 0;
	fresh->spans[0].node = NULL; /* what `recent` finds where there is no span */
	for (uint32_t i = 0; i < bus->count; i++)
		if (!bus->nodes[i]->hidden)
			map_paint(fresh, bus->nodes[i]);
	fw_rcu_publish(&bus->map, fresh);
	fw_rcu_synchronize();
	return old;
}

/* Room for `more` nodes more: new maps, of which *fresh is to be published first. */
static lichen_status bus_grow(struct fw_bus *bus, uint32_t more, struct map **fresh)
{
	uint32_t room = bus->room;
	struct map *map, *spare;
	struct node **nodes;

	*fresh = NULL;
	while (room - bus->count < more)
		room *= 2;
	if (room == bus->room)
		return 0;
	nodes = realloc(bus->nodes, room * sizeof(struct node *));
	if (!nodes)
		return -LICHEN_ENOMEM;
	bus->nodes = nodes; /* larger than `room` says, should a map be missing */
	map = bus_map_new(room);
	spare = bus_map_new(room);
	if (!map || !spare) {
		free(map);
		free(spare);
		return -LICHEN_ENOMEM;
	}
	free(bus->spare);
	bus->spare = spare;
	bus->room = room;
	*fresh = map;
	return 0;
}

static uint32_t node_rank(const struct node *node)
{
	return node->window->rank;
}

/* 1: two windows that cannot both be there. */
static int target_clashes(const struct fw_target *one, const struct fw_target *other)
{
	return one->window->rank == other->window->rank &&
	       other->start <= one->start + (one->window->size - 1) &&
	       one->start <= other->start + (other->window->size - 1);
}

static int bus_holds(const struct fw_bus *bus, const struct fw_target *target)
{
	const uint64_t size = target->window->size;

	return size != 0 && target->start <= bus->last && size - 1 <= bus->last - target->start;
}

/* Where nodes of `rank` go in: behind their equals. */
static void bus_enter(struct fw_bus *bus, struct node *node)
{
	uint32_t at = bus->count++;

	for (; at > 0 && node_rank(bus->nodes[at - 1]) > node_rank(node); at--)
		bus->nodes[at] = bus->nodes[at - 1];
	bus->nodes[at] = node;
}

static lichen_status bus_insert(struct fw_bus *bus, struct node *node,
				const struct fw_target **clash)
{
	struct map *fresh;
	lichen_status status;

	for (uint32_t i = 0; i < bus->count; i++) {
		if (!target_clashes(node->target, bus->nodes[i]->target))
			continue;
		if (clash)
			*clash = bus->nodes[i]->target;
		return -LICHEN_EEXIST;
	}
	status = bus_grow(bus, 1, &fresh);
	if (status < 0)
		return status;
	bus_enter(bus, node);
	if (fresh)
		free(bus_publish(bus, fresh));
	else
		bus->spare = bus_publish(bus, bus->spare);
	return 0;
}

static struct node *node_new(struct fw_target *target)
{
	struct node *node = malloc(sizeof(*node));

	if (node)
		*node = (struct node){ .window = target->window,
				       .self = target->self,
				       .lock = target->lock,
				       .start = target->start,
				       .last = target->start + (target->window->size - 1),
				       .target = target,
				       .owner = target->owner,
				       .counter = target->counter,
				       .hidden = target->hidden,
				       .pins = 1 };
	return node;
}

lichen_status fw_bus_insert(struct fw_bus *bus, struct fw_target *target,
			    const struct fw_target **clash)
{
	struct node *node;
	lichen_status status;

	if (!bus_holds(bus, target))
		return -LICHEN_ERANGE;
	node = node_new(target);
	if (!node)
		return -LICHEN_ENOMEM;
	pthread_mutex_lock(&bus->write);
	status = bus_insert(bus, node, clash);
	pthread_mutex_unlock(&bus->write);
	if (status < 0)
		free(node);
	return status;
}

/* While the node is pinned: who reuses its counter waits for that. */
static inline void node_count(const struct node *node)
{
	if (fw_likely(bus_counts))
		(void)fw_count(&bus_counts[node->counter]);
}

/* Who takes the last pin away frees: the remover, or a handler that removed itself. */
static inline void node_unpin(struct node *node)
{
	if (fw_unlikely(__atomic_sub_fetch(&node->pins, 1, __ATOMIC_ACQ_REL) == 0))
		free(node);
}

static int node_gone(const struct node *node)
{
	return __atomic_load_n(&node->gone, __ATOMIC_ACQUIRE) != 0;
}

/* Until nobody but the bus and this thread's own handlers has it pinned. */
static void node_wait(struct node *node)
{
	const struct timespec pause = { .tv_nsec = BUS_WAIT_NS };
	uint32_t own = 1, turn = 0;

	for (const struct use *use = bus_uses; use; use = use->outer)
		own += use->node == node;
	for (; __atomic_load_n(&node->pins, __ATOMIC_ACQUIRE) > own; turn++) {
		if (turn < BUS_WAIT_YIELDS)
			sched_yield();
		else
			nanosleep(&pause, NULL);
	}
}

/* Takes it out of the writers' list; NULL: it is not there. */
static struct node *bus_leave(struct fw_bus *bus, const struct fw_target *target)
{
	struct node *node = NULL;
	uint32_t i = 0;

	while (i < bus->count && bus->nodes[i]->target != target)
		i++;
	if (i < bus->count) {
		node = bus->nodes[i];
		bus->count--;
		memmove(&bus->nodes[i], &bus->nodes[i + 1],
			(bus->count - i) * sizeof(struct node *));
		__atomic_store_n(&node->gone, 1, __ATOMIC_RELEASE);
	}
	return node;
}

/*
 * Publishes a map without the nodes of that target, or, where it is NULL, of that
 * owner.  Returns them in a chain.
 */
static struct node *bus_take(struct fw_bus *bus, const struct fw_target *target,
			     const void *owner)
{
	struct node *taken = NULL;
	uint32_t kept = 0;

	pthread_mutex_lock(&bus->write);
	for (uint32_t i = 0; i < bus->count; i++) {
		struct node *node = bus->nodes[i];

		if (target ? node->target != target : node->owner != owner) {
			bus->nodes[kept++] = node;
			continue;
		}
		node->next = taken;
		taken = node;
		__atomic_store_n(&node->gone, 1, __ATOMIC_RELEASE);
	}
	bus->count = kept;
	if (taken)
		bus->spare = bus_publish(bus, bus->spare);
	pthread_mutex_unlock(&bus->write);
	return taken;
}

static void bus_wait(struct node *taken)
{
	struct node *next;

	for (; taken; taken = next) {
		next = taken->next;
		node_wait(taken);
		node_unpin(taken);
	}
}

lichen_status fw_bus_remove(struct fw_bus *bus, struct fw_target *target)
{
	struct node *taken = bus_take(bus, target, NULL);

	bus_wait(taken);
	return taken ? 0 : -LICHEN_ENOENT;
}

void fw_bus_remove_all(struct fw_bus *bus, const void *owner)
{
	bus_wait(bus_take(bus, NULL, owner));
}

void fw_bus_show(struct fw_bus *bus, const void *owner)
{
	uint32_t shown = 0;

	pthread_mutex_lock(&bus->write);
	for (uint32_t i = 0; i < bus->count; i++) {
		shown += bus->nodes[i]->owner == owner && bus->nodes[i]->hidden;
		if (bus->nodes[i]->owner == owner)
			bus->nodes[i]->hidden = 0;
	}
	if (shown)
		bus->spare = bus_publish(bus, bus->spare);
	pthread_mutex_unlock(&bus->write);
}

void fw_bus_visit(struct fw_bus *bus, void (*visit)(void *, const struct fw_bus_part *),
		  void *context)
{
	pthread_mutex_lock(&bus->write);
	for (uint32_t i = 0; i < bus->map->count; i++) {
		const struct span *span = &bus->map->spans[i];
		const struct fw_bus_part part = { .window = span->node->window,
						  .self = span->node->self,
						  .base = span->node->start,
						  .start = span->start,
						  .last = span->last };

		visit(context, &part);
	}
	pthread_mutex_unlock(&bus->write);
}

uint32_t fw_bus_count(struct fw_bus *bus)
{
	uint32_t count;

	pthread_mutex_lock(&bus->write);
	count = bus->count;
	pthread_mutex_unlock(&bus->write);
	return count;
}

/* --- several at a time --- */

struct fw_bus_change {
	struct fw_bus *bus;
	struct map *fresh; /* to be published first; NULL: the spare */
	struct node **in;  /* what comes; then `out`, what goes */
	struct fw_target **out;
	uint32_t ins, outs;
};

static int change_takes_out(const struct fw_bus_change *change, const struct fw_target *target)
{
	for (uint32_t i = 0; i < change->outs; i++)
		if (change->out[i] == target)
			return 1;
	return 0;
}

/* Target `index` of `in` against what stays and those before it. */
static lichen_status change_check(const struct fw_bus_change *change,
				  struct fw_target *const *in, uint32_t index,
				  const struct fw_target **clash)
{
	const struct fw_bus *bus = change->bus;

	if (!bus_holds(bus, in[index]))
		return -LICHEN_ERANGE;
	for (uint32_t i = 0; i < bus->count; i++) {
		const struct fw_target *other = bus->nodes[i]->target;

		if (change_takes_out(change, other) || !target_clashes(in[index], other))
			continue;
		*clash = other;
		return -LICHEN_EEXIST;
	}
	for (uint32_t i = 0; i < index; i++) {
		if (!target_clashes(in[index], in[i]))
			continue;
		*clash = in[i];
		return -LICHEN_EEXIST;
	}
	return 0;
}

static lichen_status change_fill(struct fw_bus_change *change, struct fw_target *const *in,
				 uint32_t ins, const struct fw_target **clash)
{
	for (uint32_t i = 0; i < ins; i++) {
		lichen_status status = change_check(change, in, i, clash);

		if (status < 0)
			return status;
		change->in[i] = node_new(in[i]);
		if (!change->in[i])
			return -LICHEN_ENOMEM;
		change->ins++;
	}
	return bus_grow(change->bus, ins, &change->fresh);
}

lichen_status fw_bus_prepare(struct fw_bus *bus, struct fw_target *const *out, uint32_t outs,
			     struct fw_target *const *in, uint32_t ins,
			     struct fw_bus_change **prepared, const struct fw_target **clash)
{
	struct fw_bus_change *change = calloc(1, sizeof(*change));
	const struct fw_target *other = NULL;
	lichen_status status = -LICHEN_ENOMEM;

	if (!change)
		return status;
	change->bus = bus;
	change->in = calloc((size_t)ins + 1, sizeof(struct node *));
	change->out = calloc((size_t)outs + 1, sizeof(struct fw_target *));
	if (change->in && change->out) {
		memcpy(change->out, out, outs * sizeof(struct fw_target *));
		change->outs = outs;
		pthread_mutex_lock(&bus->write);
		status = change_fill(change, in, ins, &other);
		pthread_mutex_unlock(&bus->write);
	}
	if (status < 0) {
		if (clash)
			*clash = other;
		fw_bus_abandon(change);
		return status;
	}
	*prepared = change;
	return 0;
}

static void change_free(struct fw_bus_change *change)
{
	free(change->in);
	free(change->out);
	free(change);
}

void fw_bus_abandon(struct fw_bus_change *change)
{
	if (!change)
		return;
	for (uint32_t i = 0; i < change->ins; i++)
		free(change->in[i]);
	if (change->fresh) { /* it has grown, and so must the map that becomes the spare */
		pthread_mutex_lock(&change->bus->write);
		free(bus_publish(change->bus, change->fresh));
		pthread_mutex_unlock(&change->bus->write);
	}
	change_free(change);
}

void fw_bus_commit(struct fw_bus_change *change)
{
	struct fw_bus *bus = change->bus;
	struct node *gone = NULL;

	pthread_mutex_lock(&bus->write);
	for (uint32_t i = 0; i < change->outs; i++) {
		struct node *node = bus_leave(bus, change->out[i]);

		if (node) {
			node->next = gone;
			gone = node;
		}
	}
	for (uint32_t i = 0; i < change->ins; i++)
		bus_enter(bus, change->in[i]);
	if (change->fresh)
		free(bus_publish(bus, change->fresh));
	else if (change->ins || gone)
		bus->spare = bus_publish(bus, bus->spare);
	pthread_mutex_unlock(&bus->write);
	bus_wait(gone);
	change_free(change);
}

lichen_status fw_bus_check(struct fw_bus *bus, const struct fw_target *target,
			   const void *owner, const struct fw_target **clash)
{
	lichen_status status = 0;

	if (!bus_holds(bus, target))
		return -LICHEN_ERANGE;
	pthread_mutex_lock(&bus->write);
	for (uint32_t i = 0; i < bus->count && status == 0; i++) {
		const struct fw_target *other = bus->nodes[i]->target;

		if (other->owner == owner || !target_clashes(target, other))
			continue;
		*clash = other;
		status = -LICHEN_EEXIST;
	}
	pthread_mutex_unlock(&bus->write);
	return status;
}

/*
 * The node that answers at `address`, pinned, or NULL.  *length is cut to what
 * lies in the same span, or in the same gap.
 */
static struct node *bus_pin(struct fw_bus *bus, uint64_t address, uint32_t *length)
{
	struct node *node = NULL;
	const struct map *map;
	uint64_t to_end = *length - 1u; /* from address to the last byte that counts */
	uint32_t i;

	fw_rcu_read_lock();
	map = fw_rcu_load(&bus->map);
	i = map_find(map, address);
	if (i < map->count) {
		const struct span *span = &map->spans[i];

		if (span->start <= address) {
			node = span->node;
			__atomic_add_fetch(&node->pins, 1, __ATOMIC_ACQUIRE);
			if (to_end > span->last - address)
				to_end = span->last - address;
		} else if (to_end > span->start - address - 1) {
			to_end = span->start - address - 1;
		}
	}
	fw_rcu_read_unlock();
	*length = (uint32_t)to_end + 1;
	return node;
}

/* 0: the node's lock is held, where it has one.  -1: the node is gone. */
static int node_lock(const struct node *node)
{
	if (!node->lock || fw_mutex_try(node->lock))
		return 0;
	do {
		if (node_gone(node))
			return -1;
	} while (!fw_mutex_wait_for(node->lock, BUS_LOCK_TURN_NS));
	return 0;
}

static uint64_t bytes_mask(uint32_t size)
{
	return size >= 8 ? UINT64_MAX : (UINT64_C(1) << 8 * size) - 1;
}

/* What its handlers take: a sum of 1, 2, 4, 8. */
static inline uint32_t node_sizes(const struct lichen_window *window)
{
	return window->access_sizes ? window->access_sizes : 1 | 2 | 4 | 8;
}

/* An access as it comes; `value` is what is read, or to be written. */
struct access {
	uint64_t address, value;
	uint32_t size, write;
};

/* One call of the handlers: size is 1, 2, 4 or 8 and divides off. */
static inline uint64_t node_call(const struct node *node, uint64_t off, uint32_t size,
				 uint32_t write, uint64_t value)
{
	const struct lichen_window *window = node->window;
	const struct lichen_io_ops *ops = window->ops;

	if (write) {
		if (fw_likely(ops && ops->write))
			ops->write(node->self, window->cookie, off, size,
				   value & bytes_mask(size));
	} else if (fw_likely(ops && ops->read)) {
		return ops->read(node->self, window->cookie, off, size);
	}
	return UINT64_MAX;
}

/* A read narrower than the narrowest access: the aligned whole, and of it the part. */
static uint64_t node_read_part(const struct node *node, uint64_t off, uint32_t narrowest)
{
	uint64_t whole = off & ~(uint64_t)(narrowest - 1);

	if (narrowest - 1 > node->last - node->start - whole)
		return UINT64_MAX; /* the window ends before the whole does */
	return node_call(node, whole, narrowest, 0, 0) >> 8 * (off - whole);
}

/*
 * Serves up to `length` bytes at `off` with at most one call; returns how many,
 * and what was read in *value.
 */
static uint32_t node_step(const struct node *node, uint64_t off, uint32_t length,
			  uint32_t write, uint64_t *value)
{
	const struct lichen_window *window = node->window;
	uint32_t sizes = node_sizes(window), size = 8, narrower;

	/* Handlers see aligned powers of two only, whatever the guest does. */
	while (size > length || off & (size - 1))
		size /= 2;
	if (sizes & size) {
		*value = node_call(node, off, size, write, *value);
		return size;
	}
	if (window->split == LICHEN_REFUSE) {
		*value = UINT64_MAX;
		return size;
	}
	narrower = sizes & (size - 1);
	if (narrower) {
		size = 1u << (31 - __builtin_clz(narrower));
		*value = node_call(node, off, size, write, *value);
		return size;
	}
	*value = write ? 0 : node_read_part(node, off, sizes & -sizes);
	return size;
}

/* Serves bytes [done, end) of the access; stops where the node went.  Returns the new done. */
static uint32_t node_serve(const struct node *node, struct access *access, uint32_t done,
			   uint32_t end)
{
	if (node_lock(node) < 0)
		return done;
	node_count(node);
	while (done < end && !node_gone(node)) {
		uint64_t value = access->write ? access->value >> 8 * done : 0;
		uint32_t size = node_step(node, access->address + done - node->start,
					  end - done, access->write, &value);

		if (!access->write) {
			access->value &= ~(bytes_mask(size) << 8 * done);
			access->value |= (value & bytes_mask(size)) << 8 * done;
		}
		done += size;
	}
	if (node->lock)
		fw_mutex_unlock(node->lock);
	return done;
}

/*
 * Each turn serves a part, skips a gap, or finds that a node went: the access
 * ends after at most eight turns and one more a removal.
 */
static int bus_access(struct fw_bus *bus, struct access *access)
{
	uint32_t done = 0;
	int hit = 0;

	while (done < access->size && access->address <= UINT64_MAX - done) {
		uint32_t length = access->size - done, served;
		struct use use = { .outer = bus_uses };

		use.node = bus_pin(bus, access->address + done, &length);
		if (!use.node) {
			done += length;
			continue;
		}
		bus_uses = &use;
		served = node_serve(use.node, access, done, done + length);
		hit |= served > done;
		done = served;
		bus_uses = use.outer;
		node_unpin(use.node);
	}
	return hit;
}

/* Whether [address, address + size) lies in the span. */
static inline int span_holds(const struct span *span, uint64_t address, uint32_t size)
{
	return fw_likely(span->start <= address) && fw_likely(address <= span->last) &&
	       fw_likely(size - 1 <= span->last - address);
}

/* The span that holds all of the access, or NULL; remembered as the recent one. */
__attribute__((noinline)) static const struct span *map_search(struct map *map,
							       uint64_t address, uint32_t size)
{
	const uint32_t i = map_find(map, address);

	if (i == map->count || !span_holds(&map->spans[i], address, size))
		return NULL;
	__atomic_store_n(&map->recent, i, __ATOMIC_RELAXED);
	return &map->spans[i];
}

/* The node of the span that holds all of the access, pinned, or NULL. */
static inline struct node *bus_pin_whole(struct fw_bus *bus, uint64_t address, uint32_t size)
{
	const struct span *span;
	struct node *node = NULL;
	struct map *map;

	fw_rcu_read_lock();
	map = fw_rcu_load(&bus->map);
	/* A guest that polls, or fills a FIFO, comes back to the same window. */
	span = &map->spans[__atomic_load_n(&map->recent, __ATOMIC_RELAXED)];
	if (fw_unlikely(!span_holds(span, address, size)))
		span = map_search(map, address, size);
	if (fw_likely(span && span->node)) {
		node = span->node;
		__atomic_add_fetch(&node->pins, 1, __ATOMIC_ACQUIRE);
	}
	fw_rcu_read_unlock();
	return node;
}

/* 1: the handler takes the access as it is: a power of two that divides off, and is allowed. */
static inline int node_takes(const struct node *node, uint64_t off, uint32_t size)
{
	return fw_likely(!((off | size) & (size - 1))) &&
	       fw_likely(node_sizes(node->window) & size);
}

/*
 * The access as nearly all are: aligned, of a size that the window takes, inside one span,
 * nobody waited for.  Returns 0 for any other, and has done nothing.
 */
static inline int bus_usual(struct fw_bus *bus, uint64_t address, uint32_t size, uint32_t write,
			    uint64_t *value)
{
	struct use use = { .node = bus_pin_whole(bus, address, size), .outer = bus_uses };
	const struct node *node = use.node;
	int done = 0;

	if (fw_unlikely(!node))
		return 0;
	if (node_takes(node, address - node->start, size) &&
	    (fw_unlikely(!node->lock) || fw_likely(fw_mutex_try(node->lock)))) {
		bus_uses = &use;
		if (fw_likely(!node_gone(node))) {
			node_count(node);
			*value = node_call(node, address - node->start, size, write, *value);
			done = 1;
		}
		if (fw_likely(node->lock))
			fw_mutex_unlock(node->lock);
		bus_uses = use.outer;
	}
	node_unpin(use.node);
	return done;
}

__attribute__((cold, noinline)) static int bus_read(struct fw_bus *bus, uint64_t address,
						    uint32_t size, uint64_t *value)
{
	struct access access = { .address = address, .size = size, .value = bytes_mask(size) };
	int hit = bus_access(bus, &access);

	*value = access.value;
	return hit;
}

__attribute__((cold, noinline)) static int bus_write(struct fw_bus *bus, uint64_t address,
						     uint32_t size, uint64_t value)
{
	struct access access = { .address = address, .size = size, .value = value, .write = 1 };

	return bus_access(bus, &access);
}

__attribute__((hot)) int fw_bus_read(struct fw_bus *bus, uint64_t address, uint32_t size,
				     uint64_t *value)
{
	if (fw_unlikely(!bus_usual(bus, address, size, 0, value)))
		return bus_read(bus, address, size, value);
	*value &= bytes_mask(size);
	return 1;
}

__attribute__((hot)) int fw_bus_write(struct fw_bus *bus, uint64_t address, uint32_t size,
				      uint64_t value)
{
	if (fw_unlikely(!bus_usual(bus, address, size, 1, &value)))
		return bus_write(bus, address, size, value);
	return 1;
}

void fw_bus_tally(uint64_t *counts)
{
	bus_counts = counts;
}

void fw_bus_thread_enter(void)
{
	fw_rcu_thread_enter();
}

void fw_bus_thread_leave(void)
{
	fw_rcu_thread_leave();
}
