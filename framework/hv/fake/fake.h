/* SPDX-License-Identifier: MIT */
/*
 * fake.h: hv_fake, a hypervisor without hardware, for tests.  Memory slots, lines,
 * messages, routes and doorbells work and are counted; a vCPU runs a script in
 * place of code, one step at each address from that of its first instruction.
 *
 *	static const struct fake_step hello[] = {
 *		FAKE_OUT(0x3f8, 1, 'h'), FAKE_IN(0x3fd, 1), FAKE_OUT_RAX(0xf4, 1),
 *	};
 *	fake_script(vm->hvm, 0, hello, FAKE_STEPS(hello));
 *
 * What a step reads goes to RAX and is recorded.  After its last step, and without
 * a script, a vCPU stands still until it is kicked.  Interrupts arrive at HLT only:
 * a pin's as vector 0x20 + GSI at vCPU 0, once each time the line rises; a
 * message's as the low byte of its data, at the vCPU of that local APIC id.
 */
#ifndef HV_FAKE_H
#define HV_FAKE_H

#include "hv/hv.h"

extern const struct hv_ops hv_fake;

enum {
	FAKE_PINS = 24,
	FAKE_GSIS = 128, /* msi_routes of its caps */
	FAKE_VCPUS_MAX = 64,
	FAKE_SLOTS_MAX = 64,
	FAKE_BELLS_MAX = 32,
	FAKE_STRING_MAX = 32,  /* elements of one exit */
	FAKE_READS_MAX = 4096, /* values that a vCPU records; later ones are only counted */
};

/* --- scripts --- */

enum fake_op {
	FAKE_DO_OUT = 1,
	FAKE_DO_IN = 2,
	FAKE_DO_STORE = 3,
	FAKE_DO_LOAD = 4,
	FAKE_DO_WRMSR = 5,
	FAKE_DO_RDMSR = 6,
	FAKE_DO_HALT = 7,
	FAKE_DO_SPIN = 8,
	FAKE_DO_EXIT = 9,
	FAKE_DO_MOVE = 10,
	FAKE_DO_ADD = 11,
	FAKE_DO_SHIFT = 12,
	FAKE_DO_COUNT = 13,
	FAKE_DO_JUMP = 14,
	FAKE_DO_LOOP = 15,
	FAKE_DO_CALL = 16,
};

struct fake_step {
	enum fake_op op;
	uint32_t size;	/* bytes of an access */
	uint32_t count; /* elements of a string instruction; 0: it is none */
	uint32_t rax;	/* 1: what is written is RAX, not `value` */
	uint64_t at;	/* port, address, MSR, step */
	uint64_t value; /* written; for strings: where in guest memory */
	void (*call)(void *context);
	void *context;
};

#define FAKE_STEPS(steps) ((uint32_t)(sizeof(steps) / sizeof((steps)[0])))

#define FAKE_OUT(port, size_, value_)                                               \
	{                                                                           \
		.op = FAKE_DO_OUT, .at = (port), .size = (size_), .value = (value_) \
	}
#define FAKE_OUT_RAX(port, size_)                                          \
	{                                                                  \
		.op = FAKE_DO_OUT, .at = (port), .size = (size_), .rax = 1 \
	}
#define FAKE_IN(port, size_)                                    \
	{                                                       \
		.op = FAKE_DO_IN, .at = (port), .size = (size_) \
	}
/* String instructions on memory at `gpa`, ascending. */
#define FAKE_OUTS(port, size_, count_, gpa)                                          \
	{                                                                            \
		.op = FAKE_DO_OUT, .at = (port), .size = (size_), .count = (count_), \
		.value = (gpa)                                                       \
	}
#define FAKE_INS(port, size_, count_, gpa)                                          \
	{                                                                           \
		.op = FAKE_DO_IN, .at = (port), .size = (size_), .count = (count_), \
		.value = (gpa)                                                      \
	}
/* Memory where a slot is, else MMIO. */
#define FAKE_STORE(gpa, size_, value_)                                               \
	{                                                                            \
		.op = FAKE_DO_STORE, .at = (gpa), .size = (size_), .value = (value_) \
	}
#define FAKE_LOAD(gpa, size_)                                    \
	{                                                        \
		.op = FAKE_DO_LOAD, .at = (gpa), .size = (size_) \
	}
/* All 64 bits.  One that is not claimed, and is not of the few kept, is #GP: the vCPU dies. */
#define FAKE_WRMSR(index, value_)                                     \
	{                                                             \
		.op = FAKE_DO_WRMSR, .at = (index), .value = (value_) \
	}
#define FAKE_WRMSR_RAX(index)                                \
	{                                                    \
		.op = FAKE_DO_WRMSR, .at = (index), .rax = 1 \
	}
#define FAKE_RDMSR(index)                          \
	{                                          \
		.op = FAKE_DO_RDMSR, .at = (index) \
	}
/* Waits for an interrupt, whose vector goes to RAX; an exit where there is no irqchip. */
#define FAKE_HALT()                \
	{                          \
		.op = FAKE_DO_HALT \
	}
/* Runs for ever, without an exit but for kicks. */
#define FAKE_SPIN()                \
	{                          \
		.op = FAKE_DO_SPIN \
	}
/* HV_EXIT_SHUTDOWN, INTERNAL, ENTRY, RESET or OTHER. */
#define FAKE_EXIT(kind, code)                                     \
	{                                                         \
		.op = FAKE_DO_EXIT, .at = (kind), .value = (code) \
	}
#define FAKE_MOVE(value_)                             \
	{                                             \
		.op = FAKE_DO_MOVE, .value = (value_) \
	} /* to RAX */
#define FAKE_ADD(value_)                             \
	{                                            \
		.op = FAKE_DO_ADD, .value = (value_) \
	} /* to RAX */
#define FAKE_SHIFT(bits)                             \
	{                                            \
		.op = FAKE_DO_SHIFT, .value = (bits) \
	} /* RAX, to the right */
#define FAKE_COUNT(times)                             \
	{                                             \
		.op = FAKE_DO_COUNT, .value = (times) \
	} /* to RCX */
#define FAKE_JUMP(step)                          \
	{                                        \
		.op = FAKE_DO_JUMP, .at = (step) \
	}
#define FAKE_LOOP(step)                          \
	{                                        \
		.op = FAKE_DO_LOOP, .at = (step) \
	} /* until RCX is 0 */
/* Calls the test, on the vCPU's thread. */
#define FAKE_CALL(call_, context_)                                         \
	{                                                                  \
		.op = FAKE_DO_CALL, .call = (call_), .context = (context_) \
	}

/* Borrowed until the VM is destroyed; before the vCPU's first run, or between runs. */
void fake_script(struct hv_vm *vm, uint32_t vcpu, const struct fake_step *steps,
		 uint32_t count);
/*
 * From now on a shutdown in a call costs a vCPU what was not kept, and `tables` is where its
 * faults go.  Copied; before the vCPUs run.
 */
void fake_lossy(struct hv_vm *vm, const struct hv_tables *tables);
/* How many values it has read, and number `at` of them, the first being 0. */
uint32_t fake_read_count(struct hv_vm *vm, uint32_t index);
uint64_t fake_read_at(struct hv_vm *vm, uint32_t index, uint32_t at);

/* --- what it was told --- */

struct fake_view {
	uint32_t slots; /* mapped */
	uint32_t vcpus;
	uint32_t level[FAKE_PINS];
	uint32_t edges[FAKE_PINS]; /* how often each line rose */
	uint32_t drives;	   /* calls of line() */
	uint32_t messages;	   /* sent, by call or by eventfd */
	uint64_t last_address;
	uint32_t last_data;
	uint32_t lost; /* by eventfds that had no route */
	struct hv_route routes[FAKE_GSIS];
	uint32_t route_count;
	uint32_t irqfds, bells; /* attached */
	uint32_t pauses;	/* of single vCPUs, that they were told of */
	uint32_t keeps;		/* calls of vcpu_keep() */
};

void fake_look(struct hv_vm *vm, struct fake_view *view);
/* What is mapped as slot `number`; size 0: nothing. */
struct hv_slot fake_slot(struct hv_vm *vm, uint32_t number);
/* The guest's end of interrupt at a pin that an eventfd holds high. */
void fake_eoi(struct hv_vm *vm, uint32_t gsi);

/* VMs and vCPUs of the process that were not destroyed. */
uint32_t fake_alive(void);
/*
 * Calls against the rules of hv.h: a vCPU run before it was attached or on another
 * thread, touched while it runs, left behind by its VM.
 */
uint32_t fake_misuses(void);

/* --- failures --- */

enum fake_call {
	FAKE_VM_CREATE = 0,
	FAKE_MAP = 1,
	FAKE_IRQCHIP_CREATE = 2,
	FAKE_PIT_CREATE = 3,
	FAKE_ROUTES = 4,
	FAKE_IRQFD = 5,
	FAKE_DOORBELL = 6,
	FAKE_CPUID = 7,
	FAKE_VCPU_CREATE = 8,
	FAKE_VCPU_SET = 9,
	FAKE_VCPU_ATTACH = 10,
	FAKE_VCPU_RUN = 11,
	FAKE_VCPU_RESET = 12,
	FAKE_VCPU_BORROW = 13,
	FAKE_VCPU_ENTER = 14,
	FAKE_VCPU_ALARM = 15,
	FAKE_CALLS = 16,
};

/* The nth such call of the process from now fails with `status`; 1 is the next, 0: none.  [any]
 */
void fake_fail(enum fake_call call, uint32_t nth, lichen_status status);

#endif
