/* SPDX-License-Identifier: MIT */
/* fake_irq.c: lines, messages, eventfds and doorbells of hv_fake.  See fake.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake_parts.h"

enum {
	FAKE_CASCADE = 2, /* the GSI that is no line, as in hv.h */
	FAKE_VECTOR_BASE = 0x20,
};

#define FAKE_MSI_BASE UINT64_C(0xfee00000)
#define FAKE_QUIT UINT64_MAX /* epoll's name of what ends the thread */

/* --- controllers --- */

lichen_status fake_irqchip_create(struct hv_vm *vm, uint32_t *pins)
{
	lichen_status status = fake_asked(FAKE_IRQCHIP_CREATE);

	if (status < 0)
		return status;
	pthread_mutex_lock(&vm->irq_lock);
	if (vm->pins)
		status = -LICHEN_EEXIST;
	else if (atomic_load(&vm->vcpu_count))
		status = -LICHEN_EINVAL;
	else
		*pins = vm->pins = FAKE_PINS;
	pthread_mutex_unlock(&vm->irq_lock);
	return status;
}

/* 0, or why this part of the irqchip is not there.  Caller holds irq_lock. */
static lichen_status fake_part(const struct hv_vm *vm, uint32_t part)
{
	if (vm->pins == 0)
		return -LICHEN_ENODEV;
	return part > LICHEN_IRQCHIP_IOAPIC ? -LICHEN_EINVAL : 0;
}

lichen_status fake_irqchip_get(struct hv_vm *vm, uint32_t part,
			       uint8_t state[static LICHEN_IRQCHIP_STATE_SIZE])
{
	lichen_status status;

	pthread_mutex_lock(&vm->irq_lock);
	status = fake_part(vm, part);
	if (status == 0)
		memcpy(state, vm->irqchip_state[part], LICHEN_IRQCHIP_STATE_SIZE);
	pthread_mutex_unlock(&vm->irq_lock);
	return status;
}

lichen_status fake_irqchip_set(struct hv_vm *vm, uint32_t part,
			       const uint8_t state[static LICHEN_IRQCHIP_STATE_SIZE])
{
	lichen_status status;

	pthread_mutex_lock(&vm->irq_lock);
	status = fake_part(vm, part);
	if (status == 0)
		memcpy(vm->irqchip_state[part], state, LICHEN_IRQCHIP_STATE_SIZE);
	pthread_mutex_unlock(&vm->irq_lock);
	return status;
}

lichen_status fake_pit_create(struct hv_vm *vm)
{
	lichen_status status = fake_asked(FAKE_PIT_CREATE);

	if (status < 0)
		return status;
	pthread_mutex_lock(&vm->irq_lock);
	if (vm->pins == 0)
		status = -LICHEN_ENODEV;
	else if (vm->pit)
		status = -LICHEN_EEXIST;
	else
		vm->pit = 1;
	pthread_mutex_unlock(&vm->irq_lock);
	return status;
}

lichen_status fake_pit_get(struct hv_vm *vm, uint8_t state[static LICHEN_PIT_STATE_SIZE])
{
	lichen_status status = -LICHEN_ENODEV;

	pthread_mutex_lock(&vm->irq_lock);
	if (vm->pit) {
		memcpy(state, vm->pit_state, LICHEN_PIT_STATE_SIZE);
		status = 0;
	}
	pthread_mutex_unlock(&vm->irq_lock);
	return status;
}

lichen_status fake_pit_set(struct hv_vm *vm, const uint8_t state[static LICHEN_PIT_STATE_SIZE])
{
	lichen_status status = -LICHEN_ENODEV;

	pthread_mutex_lock(&vm->irq_lock);
	if (vm->pit) {
		memcpy(vm->pit_state, state, LICHEN_PIT_STATE_SIZE);
		status = 0;
	}
	pthread_mutex_unlock(&vm->irq_lock);
	return status;
}

/* --- raising interrupts; callers hold irq_lock --- */

static void fake_raise(struct hv_vm *vm, uint32_t gsi, uint32_t level)
{
	struct hv_vcpu *boot = atomic_load(&vm->vcpus[0]);

	if (level && !vm->seen.level[gsi]) {
		vm->seen.edges[gsi]++;
		if (boot)
			fake_interrupt(boot, FAKE_VECTOR_BASE + gsi);
	}
	vm->seen.level[gsi] = level;
}

static void fake_send(struct hv_vm *vm, uint64_t address, uint32_t data)
{
	const uint32_t target = (uint32_t)(address - FAKE_MSI_BASE) >> 12 & 0xff;

	vm->seen.messages++;
	vm->seen.last_address = address;
	vm->seen.last_data = data;
	for (uint32_t i = 0; i < FAKE_VCPUS_MAX; i++) {
		struct hv_vcpu *vcpu = atomic_load(&vm->vcpus[i]);

		if (vcpu && vcpu->apic_id == target)
			fake_interrupt(vcpu, data & 0xff);
	}
}

static void fake_trigger(struct hv_vm *vm, struct fake_irqfd *irqfd)
{
	if (irqfd->gsi < vm->pins) {
		fake_raise(vm, irqfd->gsi, 1);
		irqfd->high = irqfd->resample >= 0;
		if (!irqfd->high)
			fake_raise(vm, irqfd->gsi, 0);
		return;
	}
	for (uint32_t i = 0; i < vm->seen.route_count; i++) {
		const struct hv_route *route = &vm->seen.routes[i];

		if (route->gsi != irqfd->gsi)
			continue;
		fake_send(vm, route->address, route->data);
		return;
	}
	vm->seen.lost++;
}

lichen_status fake_line(struct hv_vm *vm, uint32_t gsi, uint32_t level)
{
	lichen_status status = 0;

	pthread_mutex_lock(&vm->irq_lock);
	if (vm->pins == 0)
		status = -LICHEN_ENODEV;
	else if (gsi >= vm->pins || gsi == FAKE_CASCADE)
		status = -LICHEN_ERANGE;
	if (status == 0) {
		vm->seen.drives++;
		fake_raise(vm, gsi, level != 0);
	}
	pthread_mutex_unlock(&vm->irq_lock);
	return status;
}

lichen_status fake_message(struct hv_vm *vm, uint64_t address, uint32_t data)
{
	lichen_status status = -LICHEN_ENODEV;

	pthread_mutex_lock(&vm->irq_lock);
	if (vm->pins) {
		fake_send(vm, address, data);
		status = 0;
	}
	pthread_mutex_unlock(&vm->irq_lock);
	return status;
}

static lichen_status fake_routes_check(const struct hv_vm *vm, const struct hv_route *routes,
				       uint32_t count)
{
	if (vm->pins == 0)
		return -LICHEN_ENODEV;
	if (count > FAKE_GSIS)
		return -LICHEN_ENOSPC;
	for (uint32_t i = 0; i < count; i++) {
		const struct hv_route *route = &routes[i];

		if (route->gsi == FAKE_CASCADE || route->gsi >= FAKE_GSIS ||
		    (route->gsi < vm->pins) == (route->is_message != 0))
			return -LICHEN_EINVAL;
	}
	return fake_asked(FAKE_ROUTES);
}

lichen_status fake_routes(struct hv_vm *vm, const struct hv_route *routes, uint32_t count)
{
	lichen_status status;

	pthread_mutex_lock(&vm->irq_lock);
	status = fake_routes_check(vm, routes, count);
	if (status == 0) {
		if (count)
			memcpy(vm->seen.routes, routes, count * sizeof(*routes));
		vm->seen.route_count = count;
	}
	pthread_mutex_unlock(&vm->irq_lock);
	return status;
}

/* --- eventfds that raise interrupts --- */

static void fake_signal(int descriptor)
{
	const uint64_t one = 1;

	/* Fails only where 2^64 - 2 were not yet read: then it is signalled already. */
	if (write(descriptor, &one, sizeof(one)) < 0)
		return;
}

static void *fake_wait(void *argument)
{
	struct hv_vm *vm = argument;
	struct epoll_event event;

	for (;;) {
		struct fake_irqfd *irqfd;
		uint64_t times;

		if (epoll_wait(vm->epoll, &event, 1, -1) != 1)
			continue;
		if (event.data.u64 == FAKE_QUIT)
			return NULL;
		pthread_mutex_lock(&vm->irq_lock);
		irqfd = &vm->irqfds[event.data.u64];
		/* It may have been detached, and its entry used again, meanwhile. */
		if (irqfd->own >= 0 && read(irqfd->own, &times, sizeof(times)) > 0)
			fake_trigger(vm, irqfd);
		pthread_mutex_unlock(&vm->irq_lock);
	}
}

/* Starts the thread that waits.  Caller holds irq_lock. */
static lichen_status fake_waiter_start(struct hv_vm *vm)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = FAKE_QUIT };

	if (vm->epoll >= 0)
		return 0;
	vm->epoll = epoll_create1(EPOLL_CLOEXEC);
	vm->quit = eventfd(0, EFD_CLOEXEC);
	if (vm->epoll >= 0 && vm->quit >= 0 &&
	    epoll_ctl(vm->epoll, EPOLL_CTL_ADD, vm->quit, &event) == 0 &&
	    pthread_create(&vm->waiter, NULL, fake_wait, vm) == 0)
		return 0;
	if (vm->epoll >= 0)
		close(vm->epoll);
	if (vm->quit >= 0)
		close(vm->quit);
	vm->epoll = vm->quit = -1;
	return -LICHEN_EIO;
}

static void fake_irqfd_drop(struct hv_vm *vm, struct fake_irqfd *irqfd)
{
	(void)epoll_ctl(vm->epoll, EPOLL_CTL_DEL, irqfd->own, NULL);
	close(irqfd->own);
	if (irqfd->resample >= 0)
		close(irqfd->resample);
	if (irqfd->high)
		fake_raise(vm, irqfd->gsi, 0);
	*irqfd = (struct fake_irqfd){ .own = -1, .resample = -1 };
}

static lichen_status fake_irqfd_add(struct hv_vm *vm, uint32_t gsi, int trigger, int resample)
{
	struct epoll_event event = { .events = EPOLLIN };
	struct fake_irqfd *irqfd;
	lichen_status status = fake_asked(FAKE_IRQFD);
	uint32_t at = 0;

	if (status == 0)
		status = fake_waiter_start(vm);
	if (status < 0)
		return status;
	while (at < FAKE_IRQFDS_MAX && vm->irqfds[at].own >= 0)
		at++;
	if (at == FAKE_IRQFDS_MAX)
		return -LICHEN_ENOSPC;
	irqfd = &vm->irqfds[at];
	*irqfd = (struct fake_irqfd){ .gsi = gsi, .trigger = trigger, .resample = -1 };
	irqfd->own = fcntl(trigger, F_DUPFD_CLOEXEC, 0);
	if (irqfd->own < 0)
		return -errno;
	if (resample >= 0)
		irqfd->resample = fcntl(resample, F_DUPFD_CLOEXEC, 0);
	event.data.u64 = at;
	if ((resample >= 0 && irqfd->resample < 0) ||
	    epoll_ctl(vm->epoll, EPOLL_CTL_ADD, irqfd->own, &event) < 0) {
		status = -errno;
		fake_irqfd_drop(vm, irqfd);
	}
	return status;
}

lichen_status fake_irqfd(struct hv_vm *vm, uint32_t gsi, int trigger, int resample, int attach)
{
	struct fake_irqfd *found = NULL;
	lichen_status status = 0;

	pthread_mutex_lock(&vm->irq_lock);
	for (uint32_t i = 0; i < FAKE_IRQFDS_MAX; i++)
		if (vm->irqfds[i].own >= 0 && vm->irqfds[i].trigger == trigger)
			found = &vm->irqfds[i];
	if (vm->pins == 0)
		status = -LICHEN_ENODEV;
	else if (gsi >= FAKE_GSIS || gsi == FAKE_CASCADE)
		status = -LICHEN_ERANGE;
	else if (attach)
		status = found ? -LICHEN_EBUSY : fake_irqfd_add(vm, gsi, trigger, resample);
	else if (found && found->gsi == gsi)
		fake_irqfd_drop(vm, found);
	pthread_mutex_unlock(&vm->irq_lock);
	return status;
}

void fake_eoi(struct hv_vm *vm, uint32_t gsi)
{
	pthread_mutex_lock(&vm->irq_lock);
	for (uint32_t i = 0; i < FAKE_IRQFDS_MAX; i++) {
		struct fake_irqfd *irqfd = &vm->irqfds[i];

		if (irqfd->own < 0 || irqfd->gsi != gsi || !irqfd->high)
			continue;
		irqfd->high = 0;
		fake_raise(vm, gsi, 0);
		fake_signal(irqfd->resample);
	}
	pthread_mutex_unlock(&vm->irq_lock);
}

void fake_irq_clear(struct hv_vm *vm)
{
	if (vm->epoll >= 0) {
		fake_signal(vm->quit);
		pthread_join(vm->waiter, NULL);
	}
	for (uint32_t i = 0; i < FAKE_IRQFDS_MAX; i++)
		if (vm->irqfds[i].own >= 0)
			fake_irqfd_drop(vm, &vm->irqfds[i]);
	if (vm->epoll >= 0) {
		close(vm->epoll);
		close(vm->quit);
	}
	for (uint32_t i = 0; i < vm->bell_count; i++)
		close(vm->bells[i].own);
}

/* --- doorbells --- */

static int fake_bell_valid(const struct hv_doorbell *bell)
{
	switch (bell->size) {
	case 0:
		return !bell->is_port && !bell->match;
	case 1:
	case 2:
	case 4:
		return 1;
	case 8:
		return !bell->is_port;
	default:
		return 0;
	}
}

/* Whether a write could be for both. */
static int fake_bells_clash(const struct hv_doorbell *a, const struct hv_doorbell *b)
{
	return a->is_port == b->is_port && a->address == b->address &&
	       (a->size == 0 || b->size == 0 ||
		(a->size == b->size && (!a->match || !b->match || a->value == b->value)));
}

/* Caller holds the lock for writing. */
static lichen_status fake_bell_add(struct hv_vm *vm, const struct hv_doorbell *bell)
{
	struct fake_bell *added = &vm->bells[vm->bell_count];
	lichen_status status = fake_asked(FAKE_DOORBELL);

	if (status < 0)
		return status;
	for (uint32_t i = 0; i < vm->bell_count; i++)
		if (fake_bells_clash(&vm->bells[i].told, bell))
			return -LICHEN_EEXIST;
	if (vm->bell_count == FAKE_BELLS_MAX)
		return -LICHEN_ENOSPC;
	added->told = *bell;
	added->own = fcntl(bell->descriptor, F_DUPFD_CLOEXEC, 0);
	if (added->own < 0)
		return -errno;
	vm->bell_count++;
	return 0;
}

/* Caller holds the lock for writing. */
static lichen_status fake_bell_remove(struct hv_vm *vm, const struct hv_doorbell *bell)
{
	for (uint32_t i = 0; i < vm->bell_count; i++) {
		const struct hv_doorbell *told = &vm->bells[i].told;

		if (told->descriptor != bell->descriptor || told->address != bell->address ||
		    told->is_port != bell->is_port || told->size != bell->size ||
		    told->match != bell->match || (told->match && told->value != bell->value))
			continue;
		close(vm->bells[i].own);
		vm->bells[i] = vm->bells[--vm->bell_count];
		return 0;
	}
	return -LICHEN_ENOENT;
}

lichen_status fake_doorbell(struct hv_vm *vm, const struct hv_doorbell *bell, int attach)
{
	lichen_status status;

	if (!fake_bell_valid(bell))
		return -LICHEN_EINVAL;
	pthread_rwlock_wrlock(&vm->lock);
	status = attach ? fake_bell_add(vm, bell) : fake_bell_remove(vm, bell);
	pthread_rwlock_unlock(&vm->lock);
	return status;
}

int fake_bell_ring(struct hv_vm *vm, uint32_t is_port, uint64_t address, uint32_t size,
		   uint64_t value)
{
	const struct hv_doorbell write = {
		.address = address, .is_port = is_port, .size = size, .match = 1, .value = value
	};
	int rung = 0;

	pthread_rwlock_rdlock(&vm->lock);
	for (uint32_t i = 0; i < vm->bell_count && !rung; i++) {
		if (!fake_bells_clash(&vm->bells[i].told, &write))
			continue;
		fake_signal(vm->bells[i].own);
		rung = 1;
	}
	pthread_rwlock_unlock(&vm->lock);
	return rung;
}
