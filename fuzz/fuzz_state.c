/* SPDX-License-Identifier: MIT */
/*
 * The state of a whole VM, of every device and over the hypervisor without KVM, loaded into
 * one that is in a good state.  What is taken must be what is saved again.
 */
#include "hv/fake/fake.h"
#include "state.h"
#include "vm.h"

#include <time.h>

#include "patch.h"

static const char profile[] = "lichen: 1\nname: fuzz\nmemory: { size: 1M }\ncpus: 2\n"
			      "boot: { plugin: begin }\ndevices:\n"
			      "  - { plugin: kvm-irqchip }\n  - { plugin: kvm-pit }\n"
			      "  - { plugin: serial16550, backend: { plugin: \"null\" } }\n"
			      "  - { plugin: debug-port, backend: { plugin: \"null\" } }\n"
			      "  - { plugin: rtc-cmos }\n  - { plugin: i8042 }\n"
			      "  - { plugin: acpi }\n  - { plugin: pvpanic }\n"
			      "  - { plugin: debug-exit }\n";

static struct hv_ops hv; /* the fake, with a clock that stands */
static struct lichen_vm *vm;
static struct fw_buffer good, stream, once, twice;
static int is_telling;

/* Only what keeps the VM from being made is of interest. */
static void tell(void *context, const char *line)
{
	(void)context;
	if (is_telling)
		(void)fprintf(stderr, "%s\n", line);
}

static void save(struct fw_buffer *to)
{
	struct ld_error error = { "" };

	to->size = 0;
	if (fw_state_save(vm, to, &error) == 0)
		return;
	(void)fprintf(stderr, "%s\n", error.text);
	abort();
}

/* Wall clocks show the time, and between two states a second may pass: here none does. */
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	const int status = __real_clock_gettime(clock, now);

	if (status == 0 && clock == CLOCK_REALTIME)
		*now = (struct timespec){ .tv_sec = 1767323045 };
	return status;
}

static lichen_status no_time(struct hv_vm *hvm, uint64_t *ns)
{
	(void)hvm;
	*ns = 0;
	return 0;
}

static lichen_status load(const struct fw_buffer *from)
{
	struct ld_error error = { "" };
	const lichen_status status = fw_state_load(vm, from->bytes, from->size, &error);

	FUZZ_CHECK(status == 0 || error.text[0]);
	return status;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const int file = memfd_create("profile", MFD_CLOEXEC);
	char name[32];
	const struct lichen_vm_options options = { .struct_size = sizeof(options),
						   .profile = name,
						   .plugin_path = FUZZ_PLUGINS,
						   .console_in = -1,
						   .console_out = -1,
						   .log = tell };

	(void)argc, (void)argv;
	(void)snprintf(name, sizeof(name), "/proc/self/fd/%d", file);
	fuzz_file(file, profile, sizeof(profile) - 1);
	is_telling = 1;
	hv = hv_fake;
	hv.clock_get = no_time;
	FUZZ_CHECK(fw_vm_create(&options, &hv, &vm) == 0);
	is_telling = 0;
	fw_clock_run(&vm->loop, 0);
	save(&good);
	return 0;
}

/* Where the two differ is said, with what stands before it: the field's name, mostly. */
static void same(const struct fw_buffer *a, const struct fw_buffer *b)
{
	uint64_t at = 0;

	while (at < a->size && at < b->size && a->bytes[at] == b->bytes[at])
		at++;
	if (at == a->size && at == b->size)
		return;
	(void)fprintf(stderr,
		      "saved, loaded, saved: byte %llu of %llu and %llu differs, after \"",
		      (unsigned long long)at, (unsigned long long)a->size,
		      (unsigned long long)b->size);
	for (uint64_t i = at < 64 ? 0 : at - 64; i < at; i++)
		(void)fputc(a->bytes[i] >= ' ' && a->bytes[i] <= '~' ? a->bytes[i] : '.',
			    stderr);
	(void)fprintf(stderr, "\"\n");
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	FUZZ_CHECK(load(&good) == 0);
	fuzz_patch(bytes, size, &good, &stream);
	if (load(&stream) < 0)
		return 0;
	save(&once);
	FUZZ_CHECK(load(&once) == 0);
	save(&twice);
	same(&once, &twice);
	return 0;
}
