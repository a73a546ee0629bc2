/* SPDX-License-Identifier: MIT */
/*
 * fuzz_state.c: the state of a VM as hostile input, for libFuzzer and for
 * test_state_fuzz.c.  One VM over the fake, which never runs, takes one input after
 * the other; what it takes it must be able to save, and to take again.
 */
#include <stdlib.h>

#include "fuzz_state.h"
#include "state.h"
#include "world.h"

static struct world fuzz_world;
static struct fw_buffer fuzz_again;
uint32_t fuzz_taken;

#define FUZZ_PROFILE                                                                       \
	"name: fuzz\nmemory: { size: 1M }\nboot: { plugin: begin }\ndevices:\n"            \
	"  - { plugin: kvm-irqchip }\n  - { plugin: kvm-pit }\n  - { plugin: rtc-cmos }\n" \
	"  - { plugin: i8042 }\n  - { plugin: serial16550, id: com1 }\n"                   \
	"  - { plugin: debug-exit }\n"

static struct lichen_vm *fuzz_vm(void)
{
	if (!fuzz_world.vm)
		world_start(&fuzz_world, FUZZ_PROFILE);
	return fuzz_world.vm;
}

int fuzz_save(struct fw_buffer *out)
{
	struct ld_error error;

	out->size = 0;
	return fw_state_save(fuzz_vm(), out, &error);
}

void fuzz_end(void)
{
	fw_buffer_clear(&fuzz_again);
	if (fuzz_world.vm)
		world_end(&fuzz_world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lichen_vm *vm = fuzz_vm();
	struct ld_error error = { "" };
	const lichen_status status = fw_state_load(vm, data, size, &error);

	if (status < 0) {
		if (!error.text[0])
			abort(); /* every refusal says why */
		return 0;
	}
	fuzz_taken++;
	fuzz_again.size = 0;
	if (fw_state_save(vm, &fuzz_again, &error) < 0 ||
	    fw_state_load(vm, fuzz_again.bytes, fuzz_again.size, &error) < 0)
		abort();
	return 0;
}
