/* SPDX-License-Identifier: MIT */
/* hv_kvm: what KVM's state of a vCPU must carry, and what is refused, by what it is. */
#include "hv_guest.h"

#include <stdlib.h>
#include <time.h>

#include "hv/kvm.h"
#include "tap.h"

enum {
	TAG_CPUID = 1, /* as in kvm_save.c */
	TAG_MP = 6,
	TAG_LAPIC = 9,
	TAG_XSAVE = 10,
	TAG_MSRS = 12,
	MAGIC = 4, /* bytes */
	HEAD = 8,  /* of a part: tag, size */
};
#define MSR_LSTAR 0xc0000082u
#define MSR_KERNEL_GS 0xc0000102u

/* Fills the vector registers and DR0, says so, and later says what it finds in them. */
GUEST(guest_keeps, "mov %cr4, %rax\n or $0x600, %eax\n mov %rax, %cr4\n"
		   "mov $0x10000, %ebx\n movups (%rbx), %xmm0\n movups 16(%rbx), %xmm15\n"
		   "mov $0x1234, %eax\n mov %rax, %db0\n"
		   "mov $0xc0000082, %ecx\n mov $0x5678, %eax\n xor %edx, %edx\n wrmsr\n"
		   "out %al, $0xf4\n"
		   "movups %xmm0, 32(%rbx)\n movups %xmm15, 48(%rbx)\n"
		   "mov %db0, %rax\n out %eax, $0xf4\n"
		   "rdmsr\n out %eax, $0xf4\n"
		   "hlt");
SCRIPT(guest_keeps, FAKE_HALT());

GUEST(guest_ticks, "1: rdtsc\n out %eax, $0xf4\n mov %edx, %eax\n out %eax, $0xf4\n jmp 1b");
SCRIPT(guest_ticks, FAKE_HALT());

static struct guest one, two;
static uint8_t *state;
static uint64_t size;

static void save(struct guest *guest, uint32_t cpu)
{
	struct hv_exit exit = { 0 };

	free(state);
	size = 0;
	CHECK_EQ(0, hv->vcpu_settle(guest->cpu[cpu], &exit));
	CHECK_EQ(HV_EXIT_KICK, exit.kind);
	CHECK_EQ(-LICHEN_E2BIG, hv->vcpu_save(guest->cpu[cpu], NULL, 0, &size));
	state = malloc(size);
	CHECK_EQ(0, hv->vcpu_save(guest->cpu[cpu], state, size, &size));
}

/* The part with this tag; *bytes: of its content. */
static uint8_t *part(uint32_t tag, uint32_t *bytes)
{
	for (uint64_t at = MAGIC; at < size;) {
		uint32_t head[2];

		memcpy(head, state + at, sizeof(head));
		if (head[0] == tag) {
			*bytes = head[1];
			return state + at + HEAD;
		}
		at += HEAD + head[1];
	}
	tap_fail("no part %u", tag);
}

/* struct kvm_msr_entry as the state has it: at any address. */
struct entry {
	uint32_t index, reserved;
	uint64_t data;
} __attribute__((packed));
_Static_assert(sizeof(struct entry) == sizeof(struct kvm_msr_entry), "KVM's own");

/* The entry of an MSR in the state. */
static struct entry *msr(uint32_t index)
{
	uint32_t bytes;
	struct entry *entries = (void *)part(TAG_MSRS, &bytes);

	for (uint32_t i = 0; i < bytes / sizeof(*entries); i++)
		if (entries[i].index == index)
			return &entries[i];
	tap_fail("no MSR 0x%x", index);
}

static void refused(lichen_status want, const char *why)
{
	two.error.text[0] = '\0';
	CHECK_EQ(want, hv->vcpu_load(two.cpu[0], state, size, &two.error));
	if (!strstr(two.error.text, why))
		tap_fail("want \"%s\" in \"%s\"", why, two.error.text);
}

static void begin(uint32_t cpus, uint32_t flags)
{
	guest_create(&one, cpus, flags);
	guest_create(&two, cpus, flags);
}

static void finish(void)
{
	free(state);
	state = NULL;
	guest_destroy(&two);
	guest_destroy(&one);
}

TEST(vector_debug_and_model_specific_registers_are_in_it)
{
	begin(1, GUEST_IRQCHIP);
	for (uint32_t i = 0; i < 32; i++)
		one.memory[GUEST_DATA + i] = (uint8_t)(i + 1);
	GUEST_LOAD(&one, guest_keeps);
	CHECK_EQ(0x78, guest_out(&one, 0xf4));
	save(&one, 0);
	memcpy(two.memory + GUEST_CODE, guest_keeps, (size_t)(guest_keeps_end - guest_keeps));
	CHECK_EQ(0, hv->vcpu_load(two.cpu[0], state, size, &two.error));
	hv->vcpu_destroy(one.cpu[0]); /* this thread runs the other now */
	one.cpus = 0;
	guest_attach(&two);
	CHECK_EQ(0x1234, guest_out(&two, 0xf4));
	CHECK_EQ(0x5678, guest_out(&two, 0xf4));
	CHECK_EQ(0, memcmp(one.memory + GUEST_DATA, two.memory + GUEST_DATA + 32, 32));
	finish();
}

static uint64_t ticks(struct guest *guest)
{
	const uint64_t low = guest_out(guest, 0xf4);

	return low | (uint64_t)guest_out(guest, 0xf4) << 32;
}

/* Young and old: KVM itself takes values near 0 for an attempt to make counters equal. */
TEST(the_time_stamp_counter_goes_on_from_where_it_was)
{
	const uint64_t starts[] = { UINT64_C(1) << 50, 1000000, UINT64_C(2000000000) };

	for (uint32_t i = 0; i < 3; i++) {
		uint64_t now;

		begin(1, GUEST_IRQCHIP);
		GUEST_LOAD(&two, guest_ticks);
		(void)ticks(&two);
		save(&two, 0);
		msr(KVM_MSR_TSC)->data = starts[i];
		if (hv->vcpu_load(two.cpu[0], state, size, &two.error) < 0) {
			CHECK(i == 0 && strstr(two.error.text, "time stamp counter"));
			SKIP("this KVM's counter is the host's");
		}
		now = ticks(&two);
		CHECK(now >= starts[i]);
		CHECK(now - starts[i] < UINT64_C(100000000000));
		finish();
	}
}

TEST(an_msr_that_kvm_does_not_take_is_refused_by_number)
{
	begin(1, GUEST_IRQCHIP);
	GUEST_LOAD(&one, guest_ticks);
	save(&one, 0);
	msr(MSR_KERNEL_GS)->data = UINT64_C(1) << 63; /* not canonical */
	refused(-LICHEN_EINVAL, "MSR 0xc0000102: this KVM does not take 0x8000000000000000");
	msr(MSR_KERNEL_GS)->data = 0;
	CHECK_EQ(0, hv->vcpu_load(two.cpu[0], state, size, &two.error));
	msr(MSR_LSTAR)->index = 0x12345678; /* unknown, with 0: nothing is lost */
	CHECK_EQ(0, hv->vcpu_load(two.cpu[0], state, size, &two.error));
	msr(0x12345678)->data = 1;
	refused(-LICHEN_EINVAL, "MSR 0x12345678: this KVM does not take 0x1");
	finish();
}

TEST(another_cpuid_is_refused_by_leaf)
{
	struct kvm_cpuid_entry2 *leaves;
	uint32_t bytes;

	begin(1, GUEST_IRQCHIP);
	GUEST_LOAD(&one, guest_ticks);
	save(&one, 0);
	leaves = (void *)part(TAG_CPUID, &bytes);
	CHECK(bytes / sizeof(*leaves) > 2);
	for (uint32_t i = 0; i < bytes / sizeof(*leaves); i++)
		if (leaves[i].function == 7 && leaves[i].index == 0)
			leaves[i].ebx ^= 1u << 20;
	refused(-LICHEN_EINVAL, "CPUID leaf 0x7, index 0: this one's is different");
	finish();
}

TEST(a_vcpu_with_a_local_apic_does_not_fit_one_without)
{
	guest_create(&one, 1, GUEST_IRQCHIP);
	guest_create(&two, 1, 0);
	GUEST_LOAD(&one, guest_ticks);
	save(&one, 0);
	refused(-LICHEN_EINVAL, "its state has a local APIC, this one none");
	finish();
}

TEST(parts_of_another_size_tag_or_number_are_refused)
{
	const uint32_t tags[] = { TAG_CPUID, TAG_MP, TAG_LAPIC, TAG_XSAVE, TAG_MSRS };
	uint32_t bytes, wrong;

	begin(1, GUEST_IRQCHIP);
	GUEST_LOAD(&one, guest_ticks);
	for (uint32_t i = 0; i < sizeof(tags) / sizeof(tags[0]); i++) {
		uint8_t *at;

		save(&one, 0);
		at = part(tags[i], &bytes);
		wrong = bytes - 1;
		memcpy(at - 4, &wrong, 4);
		CHECK_EQ(-LICHEN_EBADMSG, hv->vcpu_load(two.cpu[0], state, size, &two.error));
		memcpy(at - 4, &bytes, 4);
		wrong = 99;
		memcpy(at - 8, &wrong, 4);
		CHECK_EQ(-LICHEN_EBADMSG, hv->vcpu_load(two.cpu[0], state, size, &two.error));
		wrong = 2; /* the registers', which are there */
		memcpy(at - 8, &wrong, 4);
		CHECK_EQ(-LICHEN_EBADMSG, hv->vcpu_load(two.cpu[0], state, size, &two.error));
	}
	finish();
}

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

TEST(mutated_states_are_taken_or_refused)
{
	uint64_t random = 1;
	uint32_t n, taken = 0;
	double until;
	uint8_t *good;

	begin(1, GUEST_IRQCHIP);
	GUEST_LOAD(&one, guest_ticks);
	save(&one, 0);
	good = malloc(size);
	memcpy(good, state, size);
	until = seconds() + 3;
	for (n = 0; n < 20000 && seconds() < until; n++) {
		memcpy(state, good, size);
		for (uint32_t i = 0; i < 4; i++) {
			random = random * 6364136223846793005u + 1442695040888963407u;
			state[(random >> 33) % size] ^= (uint8_t)(1u << (random >> 60 & 7));
		}
		two.error.text[0] = '\0';
		if (hv->vcpu_load(two.cpu[0], state, size, &two.error) == 0)
			taken++;
		else
			CHECK(two.error.text[0]);
	}
	printf("# %u mutations of %llu bytes, %u taken\n", n, (unsigned long long)size, taken);
	memcpy(state, good, size);
	CHECK_EQ(0, hv->vcpu_load(two.cpu[0], state, size, &two.error));
	free(good);
	finish();
}
