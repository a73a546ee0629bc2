/* SPDX-License-Identifier: MIT */
/*
 * kvm_save.c: a vCPU's state as bytes, and back.  See kvm.h.
 *
 * The bytes are a magic number and parts, each a tag, its size and KVM's own
 * structure, whose layout is frozen by Linux.  They come from anywhere: a part is
 * taken only in the size that it has, and KVM checks what is in it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm.h"

#define KVM_SAVE_MAGIC UINT32_C(0x316d766b) /* "kvm1" */

enum kvm_save_tag {
	KVM_SAVE_CPUID = 1,
	KVM_SAVE_REGS = 2,
	KVM_SAVE_SREGS = 3,
	KVM_SAVE_DEBUG = 4,
	KVM_SAVE_EVENTS = 5,
	KVM_SAVE_MP = 6,
	KVM_SAVE_TSC_KHZ = 7,
	KVM_SAVE_XCRS = 8,
	KVM_SAVE_LAPIC = 9,
	KVM_SAVE_XSAVE = 10,
	KVM_SAVE_NESTED = 11,
	KVM_SAVE_MSRS = 12,
	KVM_SAVE_TAGS = 13,
};

struct kvm_part_head {
	uint32_t tag, size;
};

struct kvm_bytes {
	const uint8_t *at;
	uint32_t size;
};

/* --- CPUID, which a running guest has seen and which cannot change any more --- */

/* Bits that follow the guest's control registers and MSRs. */
static void kvm_cpuid_still(struct kvm_cpuid_entry2 *entry)
{
	enum { OSXSAVE = 1 << 27, MONITOR = 1 << 3, APIC = 1 << 9, OSPKE = 1 << 4 };

	switch (entry->function) {
	case 1:
		entry->ecx &= ~(uint32_t)(OSXSAVE | MONITOR);
		entry->edx &= ~(uint32_t)APIC;
		break;
	case 7:
		entry->ecx &= ~(uint32_t)OSPKE;
		break;
	case 0xd: /* bytes of what XCR0 and XSS enable */
		if (entry->index <= 1)
			entry->ebx = 0;
		break;
	case 0x80000001: /* AMD's copy of leaf 1 */
		entry->edx &= ~(uint32_t)APIC;
		break;
	default:
		break;
	}
}

/* The vCPU's leaves; the caller frees.  NULL: no memory, or KVM does not tell. */
static struct kvm_cpuid2 *kvm_cpuid_of(struct hv_vcpu *vcpu)
{
	struct kvm_cpuid2 *leaves =
		calloc(1, sizeof(*leaves) + HV_CPUID_MAX * sizeof(leaves->entries[0]));

	if (!leaves)
		return NULL;
	leaves->nent = HV_CPUID_MAX;
	if (kvm_call(vcpu->fd, KVM_GET_CPUID2, leaves) < 0) {
		free(leaves);
		return NULL;
	}
	for (uint32_t i = 0; i < leaves->nent; i++)
		kvm_cpuid_still(&leaves->entries[i]);
	return leaves;
}

static lichen_status kvm_cpuid_same(struct hv_vcpu *vcpu, const struct kvm_bytes *saved,
				    struct ld_error *error)
{
	struct kvm_cpuid2 *leaves = kvm_cpuid_of(vcpu);
	const uint32_t count = saved->size / (uint32_t)sizeof(struct kvm_cpuid_entry2);
	lichen_status status = 0;

	if (!leaves)
		return -LICHEN_ENOMEM;
	if (count != leaves->nent) {
		ld_error_set(error, "vCPU %u: %u CPUID leaves: this one has %u", vcpu->index,
			     count, leaves->nent);
		status = -LICHEN_EINVAL;
	}
	for (uint32_t i = 0; i < count && status == 0; i++) {
		const size_t size = sizeof(struct kvm_cpuid_entry2);

		if (memcmp(&leaves->entries[i], saved->at + i * size, size) == 0)
			continue;
		ld_error_set(
			error, "vCPU %u: CPUID leaf 0x%x, index %u: this one's is different",
			vcpu->index, leaves->entries[i].function, leaves->entries[i].index);
		status = -LICHEN_EINVAL;
	}
	free(leaves);
	return status;
}

/* --- to bytes --- */

struct kvm_writer {
	uint8_t *to;
	uint64_t room, size; /* bytes; size goes on where the room ends */
};

static void kvm_write(struct kvm_writer *writer, const void *from, uint64_t size)
{
	if (writer->size <= writer->room && size <= writer->room - writer->size && size)
		memcpy(writer->to + writer->size, from, size);
	writer->size += size;
}

static void kvm_write_part(struct kvm_writer *writer, enum kvm_save_tag tag, const void *from,
			   uint64_t size)
{
	const struct kvm_part_head head = { .tag = tag, .size = (uint32_t)size };

	kvm_write(writer, &head, sizeof(head));
	kvm_write(writer, from, size);
}

lichen_status kvm_vcpu_save(struct hv_vcpu *vcpu, uint8_t *to, uint64_t room, uint64_t *size)
{
	const uint32_t magic = KVM_SAVE_MAGIC;
	struct kvm_writer writer = { .to = to, .room = room };
	struct kvm_cpuid2 *leaves = kvm_cpuid_of(vcpu);
	struct kvm_cpu_state *s;
	lichen_status status = leaves ? kvm_cpu_state_get(vcpu, &s) : -LICHEN_EIO;

	if (status < 0) {
		free(leaves);
		return -LICHEN_EIO;
	}
	kvm_write(&writer, &magic, sizeof(magic));
	kvm_write_part(&writer, KVM_SAVE_CPUID, leaves->entries,
		       leaves->nent * sizeof(leaves->entries[0]));
	kvm_write_part(&writer, KVM_SAVE_REGS, &s->regs, sizeof(s->regs));
	kvm_write_part(&writer, KVM_SAVE_SREGS, &s->sregs, sizeof(s->sregs));
	kvm_write_part(&writer, KVM_SAVE_DEBUG, &s->debug, sizeof(s->debug));
	kvm_write_part(&writer, KVM_SAVE_EVENTS, &s->events, sizeof(s->events));
	kvm_write_part(&writer, KVM_SAVE_MP, &s->mp, sizeof(s->mp));
	kvm_write_part(&writer, KVM_SAVE_TSC_KHZ, &s->tsc_khz, sizeof(s->tsc_khz));
	if (s->has_xcrs)
		kvm_write_part(&writer, KVM_SAVE_XCRS, &s->xcrs, sizeof(s->xcrs));
	if (s->has_lapic)
		kvm_write_part(&writer, KVM_SAVE_LAPIC, &s->lapic, sizeof(s->lapic));
	kvm_write_part(&writer, KVM_SAVE_XSAVE, s->xsave, s->xsave_size);
	if (s->nested_size)
		kvm_write_part(&writer, KVM_SAVE_NESTED, s->nested, s->nested_size);
	kvm_write_part(&writer, KVM_SAVE_MSRS, s->msrs->entries,
		       s->msrs->nmsrs * sizeof(s->msrs->entries[0]));
	kvm_cpu_state_free(s);
	free(leaves);
	*size = writer.size;
	return writer.size <= room ? 0 : -LICHEN_E2BIG;
}

/* --- from bytes --- */

/* The parts by tag; size 0: it is not there.  Each at most once, nothing unknown. */
static int kvm_find_parts(const uint8_t *from, uint64_t size, struct kvm_bytes *parts)
{
	uint32_t magic;

	if (size < sizeof(magic))
		return -1;
	memcpy(&magic, from, sizeof(magic));
	from += sizeof(magic);
	size -= sizeof(magic);
	if (magic != KVM_SAVE_MAGIC)
		return -1;
	while (size) {
		struct kvm_part_head head;

		if (size < sizeof(head))
			return -1;
		memcpy(&head, from, sizeof(head));
		from += sizeof(head);
		size -= sizeof(head);
		if (head.tag == 0 || head.tag >= KVM_SAVE_TAGS || head.size == 0 ||
		    head.size > size || parts[head.tag].size)
			return -1;
		parts[head.tag] = (struct kvm_bytes){ .at = from, .size = head.size };
		from += head.size;
		size -= head.size;
	}
	return 0;
}

/* Parts whose size is known; 1: it was there. */
static int kvm_take(const struct kvm_bytes *part, void *to, uint32_t size)
{
	if (part->size != size)
		return 0;
	memcpy(to, part->at, size);
	return 1;
}

static int kvm_take_msrs(const struct kvm_bytes *part, struct kvm_cpu_state *state)
{
	const uint32_t each = sizeof(struct kvm_msr_entry), count = part->size / each;

	if (part->size % each || count > KVM_MSRS_MAX)
		return 0;
	state->msrs = kvm_msrs_new(count);
	if (!state->msrs)
		return -1;
	state->msrs->nmsrs = count;
	if (count)
		memcpy(state->msrs->entries, part->at, part->size);
	return 1;
}

/* Bytes of any length; 1: done, -1: no memory. */
static int kvm_take_bytes(const struct kvm_bytes *part, uint8_t **to, uint32_t *size)
{
	if (part->size == 0)
		return 1;
	*to = malloc(part->size);
	if (!*to)
		return -1;
	memcpy(*to, part->at, part->size);
	*size = part->size;
	return 1;
}

/* KVM reads as many bytes of the nested state as its head says. */
static int kvm_nested_sound(const struct kvm_cpu_state *state)
{
	struct kvm_nested_state head;

	if (state->nested_size == 0)
		return 1;
	if (state->nested_size < sizeof(head))
		return 0;
	memcpy(&head, state->nested, sizeof(head));
	return head.size == state->nested_size;
}

/* Returns 1, or 0: malformed, or -1: no memory. */
static int kvm_take_all(const struct kvm_bytes *parts, struct kvm_cpu_state *s)
{
	int taken;

	if (!kvm_take(&parts[KVM_SAVE_REGS], &s->regs, sizeof(s->regs)) ||
	    !kvm_take(&parts[KVM_SAVE_SREGS], &s->sregs, sizeof(s->sregs)) ||
	    !kvm_take(&parts[KVM_SAVE_DEBUG], &s->debug, sizeof(s->debug)) ||
	    !kvm_take(&parts[KVM_SAVE_EVENTS], &s->events, sizeof(s->events)) ||
	    !kvm_take(&parts[KVM_SAVE_MP], &s->mp, sizeof(s->mp)) ||
	    !kvm_take(&parts[KVM_SAVE_TSC_KHZ], &s->tsc_khz, sizeof(s->tsc_khz)) ||
	    parts[KVM_SAVE_CPUID].size % sizeof(struct kvm_cpuid_entry2) ||
	    parts[KVM_SAVE_XSAVE].size < sizeof(struct kvm_xsave))
		return 0;
	s->has_xcrs = parts[KVM_SAVE_XCRS].size != 0;
	s->has_lapic = parts[KVM_SAVE_LAPIC].size != 0;
	if ((s->has_xcrs && !kvm_take(&parts[KVM_SAVE_XCRS], &s->xcrs, sizeof(s->xcrs))) ||
	    (s->has_lapic && !kvm_take(&parts[KVM_SAVE_LAPIC], &s->lapic, sizeof(s->lapic))))
		return 0;
	taken = kvm_take_bytes(&parts[KVM_SAVE_XSAVE], &s->xsave, &s->xsave_size);
	if (taken == 1)
		taken = kvm_take_bytes(&parts[KVM_SAVE_NESTED], &s->nested, &s->nested_size);
	if (taken == 1)
		taken = kvm_take_msrs(&parts[KVM_SAVE_MSRS], s);
	return taken == 1 ? kvm_nested_sound(s) : taken;
}

/* What a target of another make could not hold. */
static lichen_status kvm_fits(struct hv_vcpu *vcpu, const struct kvm_bytes *parts,
			      const struct kvm_cpu_state *s, struct ld_error *error)
{
	if (s->has_lapic != (vcpu->vm->pins != 0)) {
		ld_error_set(error, "vCPU %u: its state has %s local APIC, this one %s",
			     vcpu->index, s->has_lapic ? "a" : "no",
			     s->has_lapic ? "none" : "one");
		return -LICHEN_EINVAL;
	}
	if (s->xsave_size != kvm_xsave_size(vcpu->vm)) {
		ld_error_set(error,
			     "vCPU %u: %u bytes of floating-point and vector registers: this "
			     "KVM has %u",
			     vcpu->index, s->xsave_size, kvm_xsave_size(vcpu->vm));
		return -LICHEN_EINVAL;
	}
	return kvm_cpuid_same(vcpu, &parts[KVM_SAVE_CPUID], error);
}

lichen_status kvm_vcpu_load(struct hv_vcpu *vcpu, const uint8_t *from, uint64_t size,
			    struct ld_error *error)
{
	struct kvm_bytes parts[KVM_SAVE_TAGS] = { 0 };
	struct kvm_cpu_state *state;
	lichen_status status = 0;
	int taken;

	if (kvm_find_parts(from, size, parts) < 0) {
		ld_error_set(error, "vCPU %u: its %llu bytes are no state of KVM's",
			     vcpu->index, (unsigned long long)size);
		return -LICHEN_EBADMSG;
	}
	state = calloc(1, sizeof(*state));
	taken = state ? kvm_take_all(parts, state) : -1;
	if (taken <= 0) {
		ld_error_set(error,
			     taken < 0 ? "vCPU %u: out of memory"
				       : "vCPU %u: a part of its state is missing or of a "
					 "wrong size",
			     vcpu->index);
		status = taken < 0 ? -LICHEN_ENOMEM : -LICHEN_EBADMSG;
	}
	if (status == 0)
		status = kvm_fits(vcpu, parts, state, error);
	if (status == 0)
		status = kvm_cpu_state_put(vcpu, state, error);
	kvm_cpu_state_free(state);
	return status;
}

/* --- the clock --- */

lichen_status kvm_clock_get(struct hv_vm *vm, uint64_t *ns)
{
	struct kvm_clock_data clock = { 0 };
	const int result = kvm_call(vm->fd, KVM_GET_CLOCK, &clock);

	if (result >= 0)
		*ns = clock.clock;
	return kvm_outcome(result);
}

lichen_status kvm_clock_set(struct hv_vm *vm, uint64_t ns)
{
	struct kvm_clock_data clock = { .clock = ns };

	return kvm_outcome(kvm_call(vm->fd, KVM_SET_CLOCK, &clock));
}
