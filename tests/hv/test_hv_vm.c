/* SPDX-License-Identifier: MIT */
/* A hypervisor: the VM, exits, MSRs, registers, doorbells. */
#include "hv_guest.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/eventfd.h>

#include "tap.h"

/* --- the VM --- */

TEST(a_vm_has_capabilities_and_at_most_so_many_vcpus)
{
	struct hv_vm *second = NULL;
	struct guest guest;
	struct hv_caps caps;

	guest_create(&guest, 1, 0);
	hv->caps(guest.vm, &caps);
	CHECK(caps.max_vcpus >= 32 && caps.max_slots >= 32 && caps.msi_routes >= 64);
	CHECK_EQ(-LICHEN_ERANGE, hv->vm_create(-1, caps.max_vcpus + 1, &second, &guest.error));
	CHECK(strstr(guest.error.text, "vCPUs") != NULL);
	CHECK_EQ(-LICHEN_ERANGE, hv->vm_create(-1, 0, &second, &guest.error));
	CHECK(second == NULL);
	guest_destroy(&guest);
}

#ifndef HV_FAKE

TEST(a_descriptor_that_is_no_kvm_is_refused_by_name_and_stays_open)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct hv_vm *vm = NULL;
	struct ld_error error = { "" };

	CHECK_EQ(-LICHEN_ENODEV, hv->vm_create(null, 1, &vm, &error));
	CHECK(strstr(error.text, "not a KVM device") != NULL);
	CHECK(vm == NULL);
	CHECK(fcntl(null, F_GETFD) >= 0);
	close(null);
	CHECK_EQ(-LICHEN_EBADF, hv->vm_create(null, 1, &vm, &error));
}

TEST(a_callers_descriptor_of_kvm_is_used_and_stays_the_callers)
{
	struct hv_vm *vm = NULL;
	struct guest guest;
	int device;

	guest_create(&guest, 1, 0); /* skips where there is none */
	device = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	CHECK_EQ(0, hv->vm_create(device, 1, &vm, &guest.error));
	hv->vm_destroy(vm);
	CHECK(fcntl(device, F_GETFD) >= 0);
	close(device);
	guest_destroy(&guest);
}

#endif

TEST(four_vcpus_are_created_each_with_its_own_apic_id_once)
{
	struct hv_vcpu *again = NULL;
	struct guest guest;

	guest_create(&guest, 4, GUEST_IRQCHIP);
	CHECK_EQ(-LICHEN_EEXIST,
		 hv->vcpu_create(guest.vm, 1, 1, NULL, 0, &again, &guest.error));
	CHECK(strstr(guest.error.text, "vCPU 1") != NULL);
	CHECK(again == NULL);
	guest_destroy(&guest);
}

TEST(cpuid_tells_of_apic_features_only_with_an_irqchip)
{
	static struct hv_cpuid leaves[HV_CPUID_MAX];
	const uint32_t x2apic = 1 << 21, deadline = 1 << 24;

	for (uint32_t flags = 0; flags <= GUEST_IRQCHIP; flags++) {
		uint32_t count = 3, ecx = 0;
		struct guest guest;

		guest_create(&guest, 1, flags);
		CHECK_EQ(-LICHEN_ENOSPC, hv->cpuid(guest.vm, leaves, &count));
		CHECK_EQ(3, count);
		count = HV_CPUID_MAX;
		CHECK_EQ(0, hv->cpuid(guest.vm, leaves, &count));
		CHECK(count > 8 && count <= HV_CPUID_MAX);
		for (uint32_t i = 0; i < count; i++)
			if (leaves[i].leaf == 1)
				ecx = leaves[i].ecx;
		CHECK_EQ(flags ? x2apic : 0, ecx & x2apic);
		CHECK_EQ(0, flags ? 0 : ecx & deadline);
		guest_destroy(&guest);
	}
}

TEST(cpuid_is_the_same_whichever_processor_answers)
{
	static struct hv_cpuid leaves[HV_CPUID_MAX];
	uint32_t count = HV_CPUID_MAX;
	cpu_set_t before, one;
	struct guest guest;

	guest_create(&guest, 1, GUEST_IRQCHIP);
	CHECK_EQ(0, sched_getaffinity(0, sizeof(before), &before));
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &before))
			continue;
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		CHECK_EQ(0, sched_setaffinity(0, sizeof(one), &one));
		count = HV_CPUID_MAX;
		CHECK_EQ(0, hv->cpuid(guest.vm, leaves, &count));
		for (uint32_t i = 0; i < count; i++) {
			if (leaves[i].leaf == 1)
				CHECK_EQ(0, leaves[i].ebx >> 24);
			if (leaves[i].leaf == 0xb || leaves[i].leaf == 0x1f)
				CHECK_EQ(0, leaves[i].edx);
			if (leaves[i].leaf == 0x8000001e)
				CHECK_EQ(0, leaves[i].eax);
		}
	}
	CHECK_EQ(0, sched_setaffinity(0, sizeof(before), &before));
	guest_destroy(&guest);
}

/* --- ports --- */

GUEST(guest_ports, "mov $0x12, %al\n out %al, $0xe0\n"
		   "mov $0x3456, %ax\n mov $0x3f8, %dx\n out %ax, %dx\n"
		   "mov $0x789abcde, %eax\n out %eax, %dx\n"
		   "xor %eax, %eax\n in $0xe1, %al\n out %eax, $0xf4\n"
		   "in %dx, %ax\n out %eax, $0xf4\n"
		   "in %dx, %eax\n out %eax, $0xf4\n hlt");
SCRIPT(guest_ports, FAKE_OUT(0xe0, 1, 0x12), FAKE_OUT(0x3f8, 2, 0x3456),
       FAKE_OUT(0x3f8, 4, 0x789abcde), FAKE_MOVE(0), FAKE_IN(0xe1, 1), FAKE_OUT_RAX(0xf4, 4),
       FAKE_IN(0x3f8, 2), FAKE_OUT_RAX(0xf4, 4), FAKE_IN(0x3f8, 4), FAKE_OUT_RAX(0xf4, 4),
       FAKE_HALT());

TEST(port_accesses_arrive_with_port_size_and_value)
{
	static const uint32_t replies[] = { 0x5a, 0x7b6c, 0x9d8e7fa0 };
	static const uint8_t sizes[] = { 1, 2, 4 };
	struct guest guest;
	struct hv_exit exit;

	guest_create(&guest, 1, 0);
	GUEST_LOAD(&guest, guest_ports);
	CHECK_EQ(0x12, guest_out(&guest, 0xe0));
	CHECK_EQ(0x3456, guest_out(&guest, 0x3f8));
	CHECK_EQ(0x789abcde, guest_out(&guest, 0x3f8));
	for (uint32_t i = 0; i < 3; i++) {
		guest_run(&guest, &exit);
		CHECK_EQ(HV_EXIT_IO, exit.kind);
		CHECK_EQ(0, exit.io.write);
		CHECK_EQ(i ? 0x3f8 : 0xe1, exit.io.port);
		CHECK_EQ(sizes[i], exit.io.size);
		CHECK_EQ(1, exit.io.count);
		memcpy(exit.io.data, &replies[i], sizes[i]);
		CHECK_EQ(replies[i], guest_out(&guest, 0xf4));
	}
	guest_run(&guest, &exit);
	CHECK_EQ(HV_EXIT_HALT, exit.kind);
	guest_destroy(&guest);
}

GUEST(guest_strings, "cld\n mov $0x10000, %rsi\n mov $100, %rcx\n mov $0x3f8, %dx\n"
		     "rep outsb\n"
		     "mov $0x11000, %rdi\n mov $10, %rcx\n rep insw\n"
		     "mov %edi, %eax\n out %eax, $0xf4\n hlt");
SCRIPT(guest_strings, FAKE_OUTS(0x3f8, 1, 100, 0x10000), FAKE_INS(0x3f8, 2, 10, 0x11000),
       FAKE_MOVE(0x11014), FAKE_OUT_RAX(0xf4, 4), FAKE_HALT());

TEST(string_instructions_lose_no_element_and_come_several_at_a_time)
{
	uint32_t got = 0, most = 0;
	uint16_t word = 0;
	struct guest guest;
	struct hv_exit exit;

	guest_create(&guest, 1, 0);
	for (uint32_t i = 0; i < 100; i++)
		guest.memory[GUEST_DATA + i] = (uint8_t)(i ^ 0x5a);
	GUEST_LOAD(&guest, guest_strings);
	while (got < 100) {
		guest_run(&guest, &exit);
		CHECK_EQ(HV_EXIT_IO, exit.kind);
		CHECK(exit.io.write && exit.io.size == 1 && exit.io.count >= 1);
		for (uint32_t i = 0; i < exit.io.count; i++, got++)
			CHECK_EQ((uint8_t)(got ^ 0x5a), exit.io.data[i]);
		most = exit.io.count > most ? exit.io.count : most;
	}
	CHECK_EQ(100, got);
	while (word < 10) {
		guest_run(&guest, &exit);
		CHECK_EQ(HV_EXIT_IO, exit.kind);
		CHECK(!exit.io.write && exit.io.size == 2);
		most = exit.io.count > most ? exit.io.count : most;
		for (uint32_t i = 0; i < exit.io.count; i++, word++)
			memcpy(exit.io.data + 2 * i, &(uint16_t){ (uint16_t)(0x4000 + word) },
			       2);
	}
	CHECK_EQ(0x11014, guest_out(&guest, 0xf4));
	for (word = 0; word < 10; word++)
		CHECK_EQ(0x4000 + word, guest.memory[0x11000 + 2 * word] |
						guest.memory[0x11001 + 2 * word] << 8);
	CHECK(most > 1);
	guest_destroy(&guest);
}

/* --- MMIO --- */

GUEST(guest_mmio, "mov $0x10000000, %rbx\n mov $0x1122334455667788, %rax\n"
		  "movb %al, 1(%rbx)\n movw %ax, 2(%rbx)\n movl %eax, 4(%rbx)\n"
		  "movq %rax, 8(%rbx)\n"
		  "mov 0x10(%rbx), %rax\n out %eax, $0xf4\n shr $32, %rax\n out %eax, $0xf4\n"
		  "movzbl 0x18(%rbx), %eax\n out %eax, $0xf4\n hlt");
SCRIPT(guest_mmio, FAKE_STORE(0x10000001, 1, 0x1122334455667788),
       FAKE_STORE(0x10000002, 2, 0x1122334455667788),
       FAKE_STORE(0x10000004, 4, 0x1122334455667788),
       FAKE_STORE(0x10000008, 8, 0x1122334455667788), FAKE_LOAD(0x10000010, 8),
       FAKE_OUT_RAX(0xf4, 4), FAKE_SHIFT(32), FAKE_OUT_RAX(0xf4, 4), FAKE_MOVE(0),
       FAKE_LOAD(0x10000018, 1), FAKE_OUT_RAX(0xf4, 4), FAKE_HALT());

TEST(accesses_where_no_memory_is_arrive_with_address_size_and_value)
{
	static const uint64_t value = UINT64_C(0x1122334455667788);
	static const uint64_t reply = UINT64_C(0x99aabbccddeeff00);
	struct guest guest;
	struct hv_exit exit;

	guest_create(&guest, 1, 0);
	GUEST_LOAD(&guest, guest_mmio);
	for (uint32_t size = 1; size <= 8; size *= 2) {
		guest_access(&guest, &exit, 0x10000000 + size, size, 1);
		CHECK_EQ(0, memcmp(exit.mmio.data, &value, size));
	}
	guest_access(&guest, &exit, 0x10000010, 8, 0);
	memcpy(exit.mmio.data, &reply, 8);
	CHECK_EQ(0xddeeff00, guest_out(&guest, 0xf4));
	CHECK_EQ(0x99aabbcc, guest_out(&guest, 0xf4));
	guest_access(&guest, &exit, 0x10000018, 1, 0);
	exit.mmio.data[0] = 0xc3;
	CHECK_EQ(0xc3, guest_out(&guest, 0xf4));
	guest_destroy(&guest);
}

/* --- MSRs --- */

GUEST(guest_msr, "mov $0x4b564df0, %ecx\n rdmsr\n out %eax, $0xf4\n mov %edx, %eax\n"
		 "out %eax, $0xf4\n mov $0x11223344, %eax\n mov $0x55667788, %edx\n inc %ecx\n"
		 "wrmsr\n out %al, $0xf5\n wrmsr\n hlt");
SCRIPT(guest_msr, FAKE_RDMSR(0x4b564df0), FAKE_OUT_RAX(0xf4, 4), FAKE_SHIFT(32),
       FAKE_OUT_RAX(0xf4, 4), FAKE_WRMSR(0x4b564df1, 0x5566778811223344), FAKE_OUT(0xf5, 1, 0),
       FAKE_WRMSR(0x4b564df1, 0x5566778811223344), FAKE_HALT());

static const struct hv_msr_range msr_range = { 0x4b564df0, 2 };

TEST(claimed_msrs_are_read_written_and_may_fault)
{
	struct guest guest;
	struct hv_exit exit;

	guest_create(&guest, 1, 0);
	CHECK_EQ(0, hv->msrs(guest.vm, &msr_range, 1));
	GUEST_LOAD(&guest, guest_msr);
	guest_run(&guest, &exit);
	CHECK_EQ(HV_EXIT_MSR, exit.kind);
	CHECK_EQ(0, exit.msr.write);
	CHECK_EQ(0x4b564df0, exit.msr.index);
	*exit.msr.data = UINT64_C(0xaabbccdd01020304);
	CHECK_EQ(0x01020304, guest_out(&guest, 0xf4));
	CHECK_EQ(0xaabbccdd, guest_out(&guest, 0xf4));
	guest_run(&guest, &exit);
	CHECK_EQ(HV_EXIT_MSR, exit.kind);
	CHECK_EQ(1, exit.msr.write);
	CHECK_EQ(0x4b564df1, exit.msr.index);
	CHECK(*exit.msr.data == UINT64_C(0x5566778811223344));
	guest_out(&guest, 0xf5);
	guest_run(&guest, &exit);
	CHECK_EQ(HV_EXIT_MSR, exit.kind);
	*exit.msr.fault = 1; /* #GP, of which this guest dies */
	guest_run(&guest, &exit);
	CHECK_EQ(HV_EXIT_SHUTDOWN, exit.kind);
	guest_destroy(&guest);
}

TEST(msrs_that_are_claimed_no_more_are_the_hypervisors_again)
{
	struct guest guest;
	struct hv_exit exit;

	guest_create(&guest, 1, 0);
	CHECK_EQ(0, hv->msrs(guest.vm, &msr_range, 1));
	GUEST_LOAD(&guest, guest_msr);
	guest_run(&guest, &exit);
	CHECK_EQ(HV_EXIT_MSR, exit.kind);
	CHECK_EQ(0, hv->msrs(guest.vm, NULL, 0)); /* may change while one is under way */
	guest_out(&guest, 0xf4);
	guest_out(&guest, 0xf4);
	guest_run(&guest, &exit); /* KVM knows no such MSR */
	CHECK_EQ(HV_EXIT_SHUTDOWN, exit.kind);
	guest_destroy(&guest);
}

#ifndef HV_FAKE
TEST(msr_ranges_have_limits)
{
	struct hv_msr_range ranges[17];
	struct guest guest;

	guest_create(&guest, 1, 0);
	for (uint32_t i = 0; i < 17; i++)
		ranges[i] = (struct hv_msr_range){ 0x4b564d00 + 4 * i, 1 };
	CHECK_EQ(0, hv->msrs(guest.vm, ranges, 16));
	CHECK_EQ(-LICHEN_ENOSPC, hv->msrs(guest.vm, ranges, 17));
	ranges[0] = (struct hv_msr_range){ 0x40000000, 20000 }; /* takes two of KVM's */
	CHECK_EQ(0, hv->msrs(guest.vm, ranges, 15));
	CHECK_EQ(-LICHEN_ENOSPC, hv->msrs(guest.vm, ranges, 16));
	ranges[0] = (struct hv_msr_range){ 0, UINT32_MAX };
	CHECK_EQ(-LICHEN_ENOSPC, hv->msrs(guest.vm, ranges, 1));
	ranges[0] = (struct hv_msr_range){ UINT32_MAX, 2 };
	CHECK_EQ(-LICHEN_EINVAL, hv->msrs(guest.vm, ranges, 1));
	ranges[0].count = 0;
	CHECK_EQ(-LICHEN_EINVAL, hv->msrs(guest.vm, ranges, 1));
	guest_destroy(&guest);
}
#endif

/* --- the end --- */

GUEST(guest_crash, "ud2");
SCRIPT(guest_crash, FAKE_EXIT(HV_EXIT_SHUTDOWN, 0));

TEST(a_triple_fault_is_a_shutdown)
{
	struct guest guest;
	struct hv_exit exit;

	guest_create(&guest, 1, 0);
	GUEST_LOAD(&guest, guest_crash);
	guest_run(&guest, &exit);
	CHECK_EQ(HV_EXIT_SHUTDOWN, exit.kind);
	guest_destroy(&guest);
}

/* --- registers --- */

TEST(registers_are_read_back_as_they_were_set)
{
	struct lichen_cpu want, got;
	struct guest guest;

	guest_create(&guest, 1, 0);
	guest_cpu(&want);
	want.rax = 0x1111111111111111, want.rbx = 2, want.rcx = 3, want.rdx = 4;
	want.rsi = 5, want.rdi = 6, want.rbp = 7, want.r8 = 8, want.r9 = 9, want.r10 = 10;
	want.r11 = 11, want.r12 = 12, want.r13 = 13, want.r14 = 14, want.r15 = UINT64_MAX;
	want.rflags = 0x246;
	want.fs.base = 0x7f0012345678;
	want.gs.base = 0x1000;
	want.idt_base = 0xffff800000001000;
	want.idt_limit = 0xfff;
	CHECK_EQ(0, hv->vcpu_set(guest.cpu[0], &want));
	CHECK_EQ(0, hv->vcpu_get(guest.cpu[0], &got));
	CHECK_EQ(sizeof(want), got.struct_size);
	CHECK_EQ(0, memcmp(&want, &got, offsetof(struct lichen_cpu, cs)));
	CHECK_EQ(0, memcmp(&want.cs, &got.cs, sizeof(want.cs)));
	CHECK_EQ(0, memcmp(&want.ss, &got.ss, sizeof(want.ss)));
	CHECK_EQ(0, memcmp(&want.tr, &got.tr, sizeof(want.tr)));
	CHECK_EQ(want.fs.base, got.fs.base);
	CHECK_EQ(want.gs.base, got.gs.base);
	CHECK_EQ(0, got.ldt.present);
	CHECK_EQ(0, memcmp(&want.gdt_base, &got.gdt_base,
			   sizeof(want) - offsetof(struct lichen_cpu, gdt_base)));
	guest_destroy(&guest);
}

TEST(registers_that_cannot_be_are_refused_and_nothing_changes)
{
	struct lichen_cpu bad, before, after;
	struct guest guest;

	guest_create(&guest, 1, 0);
	guest_cpu(&bad);
	CHECK_EQ(0, hv->vcpu_set(guest.cpu[0], &bad));
	CHECK_EQ(0, hv->vcpu_get(guest.cpu[0], &before));
	bad.cs.type = 16;
	CHECK_EQ(-LICHEN_EINVAL, hv->vcpu_set(guest.cpu[0], &bad));
	bad.cs.type = 11;
	bad.ds.dpl = 4;
	CHECK_EQ(-LICHEN_EINVAL, hv->vcpu_set(guest.cpu[0], &bad));
	bad.ds.dpl = 0;
	bad.cr0 = 0x80000000; /* paging without protection */
	bad.rax = 99;
	CHECK_EQ(-LICHEN_EINVAL, hv->vcpu_set(guest.cpu[0], &bad));
	CHECK_EQ(0, hv->vcpu_get(guest.cpu[0], &after));
	CHECK_EQ(0, memcmp(&before, &after, sizeof(before)));
	guest_destroy(&guest);
}

TEST(registers_after_an_exit_are_those_behind_the_instruction)
{
	struct lichen_cpu cpu;
	struct guest guest;
	struct hv_exit exit;

	guest_create(&guest, 1, 0);
	GUEST_LOAD(&guest, guest_ports);
	for (uint32_t i = 0; i < 3; i++)
		guest_run(&guest, &exit);
	guest_run(&guest, &exit); /* in $0xe1, %al */
	exit.io.data[0] = 0xab;
	CHECK_EQ(0, hv->vcpu_get(guest.cpu[0], &cpu));
	CHECK_EQ(0xab, cpu.rax);
#ifdef HV_FAKE
	CHECK_EQ(GUEST_CODE + 5, cpu.rip); /* its sixth step */
#else
	CHECK_EQ(0, memcmp(guest.memory + cpu.rip, "\xe7\xf4", 2)); /* out %eax, $0xf4 */
#endif
	CHECK_EQ(0xab, guest_out(&guest, 0xf4));
	guest_destroy(&guest);
}

GUEST(guest_lstar, "mov $0xc0000082, %ecx\n rdmsr\n out %eax, $0xf4\n"
		   "mov $0x12340000, %eax\n xor %edx, %edx\n wrmsr\n rdmsr\n out %eax, $0xf4");
SCRIPT(guest_lstar, FAKE_RDMSR(0xc0000082), FAKE_OUT_RAX(0xf4, 4),
       FAKE_WRMSR(0xc0000082, 0x12340000), FAKE_RDMSR(0xc0000082), FAKE_OUT_RAX(0xf4, 4));

TEST(a_reset_vcpu_has_its_first_msrs)
{
	struct guest guest;

	guest_create(&guest, 1, 0);
	for (uint32_t i = 0; i < 2; i++) {
		GUEST_LOAD(&guest, guest_lstar);
		CHECK_EQ(0, guest_out(&guest, 0xf4));
		CHECK_EQ(0x12340000, guest_out(&guest, 0xf4));
		CHECK_EQ(0, hv->vcpu_reset(guest.cpu[0]));
	}
	guest_destroy(&guest);
}

TEST(a_reset_vcpu_is_as_it_was_created_and_runs_again)
{
	struct lichen_cpu fresh, cpu;
	struct guest guest;
	struct hv_exit exit;

	guest_create(&guest, 1, GUEST_IRQCHIP);
	CHECK_EQ(0, hv->vcpu_get(guest.cpu[0], &fresh));
	CHECK_EQ(0xfff0, fresh.rip);
	CHECK_EQ(0xffff0000, fresh.cs.base);
	CHECK_EQ(0, hv->msrs(guest.vm, &msr_range, 1));
	for (uint32_t i = 0; i < 3; i++) {
		GUEST_LOAD(&guest, guest_mmio);
		guest_access(&guest, &exit, 0x10000001, 1, 1);
		CHECK_EQ(0, hv->vcpu_reset(guest.cpu[0])); /* in the midst of an access */
		CHECK_EQ(0, hv->vcpu_get(guest.cpu[0], &cpu));
		CHECK_EQ(0, memcmp(&fresh, &cpu, sizeof(cpu)));
		GUEST_LOAD(&guest, guest_msr);
		guest_run(&guest, &exit);
		CHECK_EQ(HV_EXIT_MSR, exit.kind);
		CHECK_EQ(0, hv->vcpu_reset(guest.cpu[0]));
		GUEST_LOAD(&guest, guest_crash);
		guest_run(&guest, &exit);
		CHECK_EQ(HV_EXIT_SHUTDOWN, exit.kind);
		CHECK_EQ(0, hv->vcpu_reset(guest.cpu[0]));
		CHECK_EQ(0, hv->vcpu_get(guest.cpu[0], &cpu));
		CHECK_EQ(0, memcmp(&fresh, &cpu, sizeof(cpu)));
	}
	guest_destroy(&guest);
}

/* --- doorbells --- */

GUEST(guest_bells, "mov $7, %al\n out %al, $0xe0\n mov $8, %al\n out %al, $0xe0\n"
		   "movl $1, 0x10000000\n movl $2, 0x10000004\n hlt");
SCRIPT(guest_bells, FAKE_OUT(0xe0, 1, 7), FAKE_OUT(0xe0, 1, 8), FAKE_STORE(0x10000000, 4, 1),
       FAKE_STORE(0x10000004, 4, 2), FAKE_HALT());

static uint64_t bell_count(int descriptor)
{
	uint64_t rung = 0;

	return read(descriptor, &rung, sizeof(rung)) == sizeof(rung) ? rung : 0;
}

TEST(doorbells_ring_without_an_exit)
{
	struct hv_doorbell port = {
		.address = 0xe0, .is_port = 1, .size = 1, .match = 1, .value = 7
	};
	struct hv_doorbell mmio = { .address = 0x10000000, .size = 4 };
	struct guest guest;
	struct hv_exit exit;

	guest_create(&guest, 1, 0);
	port.descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	mmio.descriptor = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	CHECK_EQ(0, hv->doorbell(guest.vm, &port, 1));
	CHECK_EQ(0, hv->doorbell(guest.vm, &mmio, 1));
	GUEST_LOAD(&guest, guest_bells);
	CHECK_EQ(8, guest_out(&guest, 0xe0)); /* 7 went to the bell */
	CHECK_EQ(1, bell_count(port.descriptor));
	guest_access(&guest, &exit, 0x10000004, 4, 1);
	CHECK_EQ(1, bell_count(mmio.descriptor));
	CHECK_EQ(0, bell_count(port.descriptor));
	CHECK_EQ(0, hv->doorbell(guest.vm, &port, 0));
	CHECK_EQ(0, hv->doorbell(guest.vm, &mmio, 0));
	GUEST_LOAD(&guest, guest_bells);
	CHECK_EQ(7, guest_out(&guest, 0xe0));
	close(port.descriptor);
	close(mmio.descriptor);
	guest_destroy(&guest);
}

TEST(doorbells_that_cannot_be_are_refused)
{
	struct hv_doorbell bell = { .address = 0xe0, .is_port = 1, .size = 2 };
	struct guest guest;

	guest_create(&guest, 1, 0);
	bell.descriptor = eventfd(0, EFD_CLOEXEC);
	CHECK_EQ(0, hv->doorbell(guest.vm, &bell, 1));
	CHECK_EQ(-LICHEN_EEXIST, hv->doorbell(guest.vm, &bell, 1));
	CHECK_EQ(0, hv->doorbell(guest.vm, &bell, 0));
	CHECK_EQ(-LICHEN_ENOENT, hv->doorbell(guest.vm, &bell, 0));
	bell.size = 3;
	CHECK_EQ(-LICHEN_EINVAL, hv->doorbell(guest.vm, &bell, 1));
	bell.size = 8; /* no port access is so wide */
	CHECK_EQ(-LICHEN_EINVAL, hv->doorbell(guest.vm, &bell, 1));
	bell.size = 0;
	CHECK_EQ(-LICHEN_EINVAL, hv->doorbell(guest.vm, &bell, 1));
	bell.size = 1;
	close(bell.descriptor);
	CHECK_EQ(-LICHEN_EBADF, hv->doorbell(guest.vm, &bell, 1));
	guest_destroy(&guest);
}
