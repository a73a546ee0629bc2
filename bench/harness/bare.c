/* SPDX-License-Identifier: MIT */
/*
 * bare: the least that runs a guest with KVM, for comparison: no plugin, no profile, no thread,
 * no check.  What it makes is what Lichen makes of the benches' profiles: an irqchip, vCPUs,
 * anonymous memory, a flat image at 1 MiB in long mode, and debug-exit's four ports.
 *
 *	bare IMAGE MEMORY-MIB CPUS
 *
 * Exit status: the guest's, 1 for a write of 0; 4 where KVM fails, with a line that says where.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BARE_FAILED = 4,
	BARE_TABLES =
		0x1000, /* PML4, PDPT and four of 2 MiB entries, as boot plugin flat has */
	BARE_GDT = 0x7000,
	BARE_IMAGE = 0x100000,
	BARE_STACK = 0x90000,
	BARE_PORT = 0xf4,
	BARE_PORTS = 4,
	BARE_CPUID_MAX = 256,
	BARE_CPUS_MAX = 64,
};

struct bare {
	int kvm, vm, vcpus[BARE_CPUS_MAX];
	struct kvm_run *run; /* of vCPU 0 */
	uint8_t *ram;
	uint64_t size; /* bytes of ram */
	uint32_t cpus;
	uint32_t writes;
	int status; /* -1 until the guest asks for the end */
};

/* One handler of a range of ports: what a table of devices comes down to. */
struct bare_window {
	uint16_t first, last;
	uint64_t (*read)(struct bare *bare, uint64_t off, uint32_t size);
	void (*write)(struct bare *bare, uint64_t off, uint32_t size, uint64_t value);
};

__attribute__((noreturn)) static void bare_fail(const char *what)
{
	perror(what);
	exit(BARE_FAILED);
}

static int bare_call(int fd, unsigned long request, void *argument, const char *what)
{
	const int result = ioctl(fd, request, argument);

	if (result < 0)
		bare_fail(what);
	return result;
}

static void bare_machine(struct bare *bare)
{
	struct kvm_userspace_memory_region region = { .memory_size = bare->size };

	bare->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (bare->kvm < 0)
		bare_fail("/dev/kvm");
	bare->vm = bare_call(bare->kvm, KVM_CREATE_VM, NULL, "KVM_CREATE_VM");
	(void)ioctl(bare->vm, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	bare_call(bare->vm, KVM_CREATE_IRQCHIP, NULL, "KVM_CREATE_IRQCHIP");
	bare->ram = mmap(NULL, bare->size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bare->ram == MAP_FAILED)
		bare_fail("memory");
	madvise(bare->ram, bare->size, MADV_HUGEPAGE);
	region.userspace_addr = (uintptr_t)bare->ram;
	bare_call(bare->vm, KVM_SET_USER_MEMORY_REGION, &region, "KVM_SET_USER_MEMORY_REGION");
}

static void bare_vcpus(struct bare *bare)
{
	union {
		struct kvm_cpuid2 list;
		uint8_t room[sizeof(struct kvm_cpuid2) +
			     BARE_CPUID_MAX * sizeof(struct kvm_cpuid_entry2)];
	} cpuid = { .list.nent = BARE_CPUID_MAX };
	int size;

	bare_call(bare->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid, "KVM_GET_SUPPORTED_CPUID");
	for (uint32_t i = 0; i < bare->cpus; i++) {
		bare->vcpus[i] = ioctl(bare->vm, KVM_CREATE_VCPU, (unsigned long)i);
		if (bare->vcpus[i] < 0)
			bare_fail("KVM_CREATE_VCPU");
		bare_call(bare->vcpus[i], KVM_SET_CPUID2, &cpuid, "KVM_SET_CPUID2");
	}
	size = bare_call(bare->kvm, KVM_GET_VCPU_MMAP_SIZE, NULL, "KVM_GET_VCPU_MMAP_SIZE");
	bare->run =
		mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, bare->vcpus[0], 0);
	if (bare->run == MAP_FAILED)
		bare_fail("a vCPU's page");
}

static void bare_load(struct bare *bare, const char *image)
{
	const int fd = open(image, O_RDONLY | O_CLOEXEC);
	uint64_t done = 0, size;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		bare_fail(image);
	size = (uint64_t)st.st_size;
	if (size > bare->size - BARE_IMAGE) {
		fprintf(stderr, "%s: larger than the guest's memory\n", image);
		exit(BARE_FAILED);
	}
	while (done < size) {
		const ssize_t n =
			pread(fd, bare->ram + BARE_IMAGE + done, size - done, (off_t)done);

		if (n <= 0)
			bare_fail(image);
		done += (uint64_t)n;
	}
	close(fd);
}

/* Tables and registers of long mode: 4 GiB mapped to themselves (AMD64 APM 2, chapter 5). */
static void bare_long_mode(struct bare *bare)
{
	uint64_t *tables = (uint64_t *)(void *)(bare->ram + BARE_TABLES);
	uint64_t *gdt = (uint64_t *)(void *)(bare->ram + BARE_GDT);
	const struct kvm_segment code = { .limit = UINT32_MAX,
					  .selector = 0x10,
					  .type = 0xb,
					  .present = 1,
					  .s = 1,
					  .l = 1,
					  .g = 1 };
	struct kvm_segment data = code;
	struct kvm_regs regs = {
		.rip = BARE_IMAGE, .rsp = BARE_STACK, .rflags = 2, .rdi = bare->size
	};
	struct kvm_sregs sregs;

	tables[0] = (BARE_TABLES + 0x1000) | 3;
	for (uint64_t i = 0; i < 4; i++)
		tables[512 + i] = (BARE_TABLES + 0x1000 * (i + 2)) | 3;
	for (uint64_t i = 0; i < 2048; i++)
		tables[1024 + i] = i << 21 | 0x83;
	gdt[2] = UINT64_C(0x00af9b000000ffff);
	gdt[3] = UINT64_C(0x00cf93000000ffff);
	data.selector = 0x18;
	data.type = 3;
	data.l = 0;
	data.db = 1;
	bare_call(bare->vcpus[0], KVM_GET_SREGS, &sregs, "KVM_GET_SREGS");
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.gdt.base = BARE_GDT;
	sregs.gdt.limit = 31;
	sregs.cr0 = UINT64_C(0x80000011);
	sregs.cr3 = BARE_TABLES;
	sregs.cr4 = 0x20;
	sregs.efer = 0x500;
	bare_call(bare->vcpus[0], KVM_SET_SREGS, &sregs, "KVM_SET_SREGS");
	bare_call(bare->vcpus[0], KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

static uint64_t bare_exit_read(struct bare *bare, uint64_t off, uint32_t size)
{
	(void)size;
	return off == 0 ? bare->writes : 0;
}

static void bare_exit_write(struct bare *bare, uint64_t off, uint32_t size, uint64_t value)
{
	(void)size;
	if (off != 0)
		return;
	bare->writes++;
	bare->status = (uint8_t)(value << 1 | 1);
}

static const struct bare_window bare_windows[] = {
	{ BARE_PORT, BARE_PORT + BARE_PORTS - 1, bare_exit_read, bare_exit_write },
};

static void bare_port(struct bare *bare)
{
	const struct kvm_run *run = bare->run;
	uint8_t *data = (uint8_t *)bare->run + run->io.data_offset;
	uint64_t value = 0;

	for (size_t i = 0; i < sizeof(bare_windows) / sizeof(bare_windows[0]); i++) {
		const struct bare_window *window = &bare_windows[i];

		if (run->io.port < window->first || run->io.port > window->last)
			continue;
		if (run->io.direction == KVM_EXIT_IO_OUT) {
			memcpy(&value, data, run->io.size);
			window->write(bare, run->io.port - window->first, run->io.size, value);
		} else {
			value = window->read(bare, run->io.port - window->first, run->io.size);
			memcpy(data, &value, run->io.size);
		}
		return;
	}
	if (run->io.direction == KVM_EXIT_IO_IN)
		memset(data, 0xff, run->io.size);
}

static void bare_run(struct bare *bare)
{
	bare->status = -1;
	while (bare->status < 0) {
		bare_call(bare->vcpus[0], KVM_RUN, NULL, "KVM_RUN");
		switch (bare->run->exit_reason) {
		case KVM_EXIT_IO:
			bare_port(bare);
			break;
		default:
			fprintf(stderr, "exit %u is not expected\n", bare->run->exit_reason);
			bare->status = BARE_FAILED;
		}
	}
}

int main(int argc, char **argv)
{
	struct bare bare = { .kvm = -1 };

	if (argc == 4) {
		bare.size = strtoull(argv[2], NULL, 10) << 20;
		bare.cpus = (uint32_t)strtoul(argv[3], NULL, 10);
	}
	if (bare.size <= BARE_IMAGE || bare.cpus == 0 || bare.cpus > BARE_CPUS_MAX) {
		fprintf(stderr, "usage: bare IMAGE MEMORY-MIB CPUS\n");
		return BARE_FAILED;
	}
	bare_machine(&bare);
	bare_vcpus(&bare);
	bare_load(&bare, argv[1]);
	bare_long_mode(&bare);
	bare_run(&bare);
	return bare.status;
}
