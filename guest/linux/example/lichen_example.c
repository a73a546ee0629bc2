// SPDX-License-Identifier: GPL-2.0-only
/*
 * lichen_example: a module that adds to what the VMM sees: a record, and two functions, one
 * of them direct.  They are there while it is loaded, and gone with it.
 *
 *	lichen sym spy VM example.count/1
 *	lichen sym call VM example.add 3 4
 *	lichen sym call VM example.note hello
 */
#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/mutex.h>

#include <lichen_guest.h>

static bool fail;
module_param(fail, bool, 0444);
MODULE_PARM_DESC(fail, "init fails, for tests (0)");

struct example_count {
	u64 adds, notes;
};

static struct lichen_guest_record *record;
static atomic64_t adds; /* direct calls come on any CPU, at any moment: no lock */
static DEFINE_MUTEX(notes);

/* Direct: as in an NMI. */
static int example_add(struct lichen_guest_call *call)
{
	call->results[0] = call->arguments[0] + call->arguments[1];
	call->size = 0;
	atomic64_inc(&adds);
	return 0;
}

/* Deferred: may sleep, lock and write the record. */
static int example_note(struct lichen_guest_call *call)
{
	struct example_count *count;

	mutex_lock(&notes);
	count = lichen_guest_record_begin(record, 0);
	count->adds = atomic64_read(&adds);
	count->notes++;
	lichen_guest_record_end(record, 0);
	mutex_unlock(&notes);
	pr_info("lichen_example: %.*s\n", (int)call->size, (char *)call->data);
	call->size = 0;
	return 0;
}

static const struct lichen_guest_function add = {
	.name = "example.add",
	.schema = "a:u64 b:u64 -> sum:u64",
	.flags = LICHEN_CALL_DIRECT | LICHEN_CALL_DEFERRED,
	.any = 1,
	.owner = THIS_MODULE,
	.call = example_add,
};

static const struct lichen_guest_function note = {
	.name = "example.note",
	.schema = "| text:text ->",
	.flags = LICHEN_CALL_DEFERRED,
	.owner = THIS_MODULE,
	.call = example_note,
};

static int __init example_init(void)
{
	int status;

	if (fail) {
		pr_info("lichen_example: init fails as it was told to\n");
		return -ENODEV;
	}
	record = lichen_guest_record_add("example.count/1", sizeof(struct example_count),
					 "adds:u64 notes:u64", LICHEN_GUEST_VM);
	if (IS_ERR(record))
		return PTR_ERR(record);
	status = lichen_guest_function_add(&add);
	if (status)
		goto no_add;
	status = lichen_guest_function_add(&note);
	if (!status)
		return 0;
	lichen_guest_function_remove(&add);
no_add:
	lichen_guest_record_remove(record);
	return status;
}
module_init(example_init);

static void __exit example_exit(void)
{
	lichen_guest_function_remove(&note);
	lichen_guest_function_remove(&add);
	lichen_guest_record_remove(record);
}
module_exit(example_exit);

MODULE_DESCRIPTION("adds a record and functions to what Lichen sees of a guest");
MODULE_LICENSE("GPL v2");
