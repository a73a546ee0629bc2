/* SPDX-License-Identifier: MIT */
/* Instances that come to a VM and leave it, over the fake: what is done, undone, refused. */
#include <fcntl.h>

#include "plug.h"
#include "tap.h"
#include "world.h"

#define BASE "name: world\nmemory: { size: 1M }\nboot: { plugin: begin }\n"
#define DEVICES BASE "devices:\n"

static struct world world;
static struct fw_diags diags;
static char told[4096];

static void finish(void)
{
	world_end(&world);
	fw_diags_clear(&diags);
	CHECK_EQ(0, fake_alive());
	CHECK_EQ(0, fake_misuses());
}

/* Adds to a list of devices; what was told is in `told`. */
static lichen_status add(const char *section, const char *text, struct lichen_instance **in)
{
	const struct fw_plug_entry entry = { .section = section,
					     .text = text,
					     .origin = "device add" };
	lichen_status status;
	FILE *to = fmemopen(told, sizeof(told), "w");

	memset(told, 0, sizeof(told));
	fw_diags_clear(&diags);
	status = fw_plug_add(world.vm, &entry, in, &diags);
	fw_diags_print(&diags, to);
	(void)fclose(to);
	return status;
}

static lichen_status take(const char *id, char why[static LD_ERROR_SIZE])
{
	struct lichen_instance *in = fw_plug_find(world.vm, id);
	struct ld_error error = { "" };
	lichen_status status = -LICHEN_ENOENT;

	if (in)
		status = fw_plug_remove(world.vm, in, 0, 0, NULL, NULL, &error);
	memcpy(why, error.text, LD_ERROR_SIZE);
	return status;
}

/* --- before the VM runs --- */

TEST(what_is_added_comes_with_what_is_nested_in_it_and_goes_with_it)
{
	struct lichen_instance *in = NULL;
	char why[LD_ERROR_SIZE];

	world_start(&world, DEVICES "  - { plugin: debug-exit }\n");
	CHECK_EQ(0,
		 add("devices", "{ plugin: receiver, id: r, peer: { plugin: sender } }", &in));
	CHECK(in == fw_plug_find(world.vm, "r"));
	CHECK(fw_plug_find(world.vm, "sender") != NULL);
	CHECK_EQ(5, world.vm->instance_count);
	CHECK_EQ(5, world.vm->profile->count);
	CHECK_EQ(-LICHEN_EBUSY, take("sender", why));
	CHECK_STR("sender: is needed: r has org.test.relay/1 of sender", why);
	CHECK_EQ(0, take("r", why));
	CHECK_STR("", why);
	CHECK_EQ(3, world.vm->instance_count);
	CHECK_EQ(3, world.vm->profile->count);
	CHECK(fw_plug_find(world.vm, "r") == NULL && fw_plug_find(world.vm, "sender") == NULL);
	finish();
}

TEST(what_came_with_the_profile_goes_too_and_may_come_again)
{
	struct lichen_instance *in = NULL;
	char why[LD_ERROR_SIZE];

	world_start(&world, DEVICES "  - { plugin: steps, id: a }\n"
				    "  - { plugin: steps, id: b, after: a }\n");
	CHECK_EQ(-LICHEN_EBUSY, take("a", why));
	CHECK_STR("a: is needed: b has org.test.step/1 of a", why);
	CHECK_EQ(0, take("b", why));
	CHECK_EQ(0, take("a", why));
	CHECK_EQ(0, add("devices", "{ plugin: steps, id: a }", &in));
	CHECK_EQ(0, add("devices", "{ plugin: steps, id: b, after: a }", &in));
	CHECK_STR("a:create b:create a:realize b:realize a:publish b:publish "
		  "b:quiesce b:destroy a:quiesce a:destroy "
		  "a:create a:realize b:create b:realize",
		  world.story);
	finish();
}

/* --- refused, and nothing changed --- */

static void refused(const char *section, const char *text, const char *sentence)
{
	struct lichen_instance *in = NULL;
	const uint32_t said = world.said;

	CHECK_EQ(-LICHEN_EINVAL, add(section, text, &in));
	CHECK(in == NULL);
	if (strstr(told, sentence) == NULL)
		tap_fail("want \"%s\", got \"%s\"", sentence, told);
	CHECK_EQ(said, world.said); /* nothing was created */
	CHECK_EQ(world.vm->profile->count, world.vm->instance_count);
}

TEST(a_bad_entry_is_told_as_in_a_profile_and_nothing_is_made)
{
	world_start(&world, DEVICES "  - { plugin: steps, id: a }\n"
				    "  - { plugin: debug-exit, port: 0xf4 }\n");
	refused("devices", "{ plugin: stepz }",
		"devices: plugin stepz: not found, did you mean \"steps\" (device add:1:11)\n");
	refused("devices", "{ plugin: steps, id: a }",
		"devices: id a is taken by devices[0] at /tmp/lichen-test-");
	refused("devices", "{ plugin: steps, aftr: a, fail: perhaps }",
		"devices steps: unknown key \"aftr\", did you mean \"after\" (device "
		"add:1:18)\n"
		"devices steps: fail perhaps: not one of never, create, realize, publish, "
		"reset, quietly (device add:1:33)\n");
	refused("devices", "{ plugin: debug-exit, port: 0xf2 }",
		"devices debug-exit-2: port 0xf2: ports 0xf2 to 0xf5 overlap 0xf4 to 0xf7 of "
		"debug-exit at /tmp/lichen-test-");
	refused("devices", "{ plugin: receiver, peer: nobody }",
		"devices receiver: peer: no instance has the id \"nobody\" (device "
		"add:1:27)\n");
	refused("devices", "{ plugin: sender }",
		"devices: plugin sender: its kind is backend, but a device is wanted here "
		"(device add:1:11)\n");
	refused("devices", "[ plugin: sender ]",
		"devices: a list, not a mapping with plugin: in it (device add:1:1)\n");
	refused("devices", "{ plugin: [", "");
	refused("memory", "{ plugin: anon }",
		"memory: only devices, backends and symbiotic plugins can be added to a VM "
		"(device add:1:1)\n");
	finish();
}

TEST(an_instance_that_fails_is_undone_with_those_made_before_it)
{
	struct lichen_instance *in = NULL;
	char why[LD_ERROR_SIZE];

	world_start(&world, DEVICES "  - { plugin: steps, id: a }\n");
	CHECK_EQ(-LICHEN_EINVAL,
		 add("devices",
		     "{ plugin: steps, id: b, fail: realize, after: { plugin: steps, id: c } }",
		     &in));
	CHECK_STR("devices b: realize: told to fail (device add:1:1)\n", told);
	CHECK_STR("a:create a:realize a:publish c:create b:create c:realize b:realize "
		  "b:destroy c:quiesce c:destroy",
		  world.story);
	CHECK_EQ(3, world.vm->instance_count);
	CHECK_EQ(0, take("a", why));
	finish();
}

TEST(what_cannot_go_while_the_vm_lives_is_told_why)
{
	char why[LD_ERROR_SIZE];

	world_start(&world, DEVICES "  - { plugin: kvm-irqchip }\n  - { plugin: kvm-pit }\n");
	CHECK_EQ(-LICHEN_EPERM, take("begin", why));
	CHECK_STR("begin: cannot go while the VM lives: the VM starts the guest with it, after "
		  "each reset",
		  why);
	CHECK_EQ(-LICHEN_EPERM, take("anon", why));
	CHECK_STR("anon: cannot go while the VM lives: the guest's memory is its own", why);
	CHECK_EQ(-LICHEN_EPERM, take("kvm-irqchip", why));
	CHECK_STR(
		"kvm-irqchip: cannot go while the VM lives: the VM's interrupt controllers are "
		"its own, and the hypervisor cannot take them back",
		why);
	CHECK_EQ(-LICHEN_EPERM, take("kvm-pit", why));
	finish();
}

TEST(what_the_hypervisor_makes_before_its_first_vcpu_does_not_come_later)
{
	struct lichen_instance *in = NULL;

	world_start(&world, DEVICES "  - { plugin: debug-exit }\n");
	CHECK_EQ(-LICHEN_EBUSY, add("devices", "{ plugin: kvm-irqchip }", &in));
	CHECK_STR("devices kvm-irqchip: the hypervisor makes interrupt controllers before the "
		  "first vCPU only (device add:1:1)\n",
		  told);
	CHECK_EQ(3, world.vm->instance_count);
	finish();
}

/* --- plugins by hand --- */

static int plugin_file(const char *path)
{
	const char *build = getenv("LICHEN_BUILD");
	char file[512];
	int descriptor;

	(void)snprintf(file, sizeof(file), "%s/tests/%s.so", build ? build : WORLD_BUILD, path);
	descriptor = open(file, O_RDONLY | O_CLOEXEC);
	CHECK(descriptor >= 0);
	return descriptor;
}

static lichen_status load(const char *name, const char *path, struct ld_error *error)
{
	const int descriptor = plugin_file(path);
	const lichen_status status = fw_plug_load(world.vm, name, descriptor, error);

	close(descriptor);
	return status;
}

static const char *version(const char *id)
{
	return ld_plugin_info(fw_plug_find(world.vm, id)->spec->plugin)->version;
}

#define IRQCHIP DEVICES "  - { plugin: kvm-irqchip }\n"

TEST(two_versions_of_a_plugin_serve_a_vm_side_by_side)
{
	struct lichen_instance *in = NULL;
	struct ld_error error = { "" };
	char why[LD_ERROR_SIZE];

	world_start(&world, IRQCHIP "  - { plugin: churn, id: old }\n");
	CHECK_EQ(0, load("churn", "framework-plugins-2/churn", &error));
	CHECK_EQ(0, add("devices",
			"{ plugin: churn, id: new, port: 0x610, port2: 0x710, gpa: 0xd1000000, "
			"ram: 0xd1010000, irq: 12, irq2: 14 }",
			&in));
	CHECK_STR("1.0", version("old"));
	CHECK_STR("2.0", version("new"));
	CHECK_EQ(-LICHEN_EBUSY, fw_plug_unload(world.vm, "churn", &error));
	CHECK_STR("plugin churn: in use by new", error.text);
	CHECK_EQ(0, take("new", why));
	CHECK_EQ(0, fw_plug_unload(world.vm, "churn", &error));
	CHECK_STR("", error.text);
	CHECK_EQ(-LICHEN_EBUSY, fw_plug_unload(world.vm, "churn", &error));
	CHECK_STR("plugin churn: in use by old", error.text);
	CHECK_EQ(0, take("old", why));
	CHECK_EQ(-LICHEN_ENOENT, fw_plug_unload(world.vm, "churn", &error));
	CHECK_STR("plugin churn: not loaded", error.text);
	finish();
}

/* Lines of the memory map that name the plugin. */
static uint32_t mapped(const char *name)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	uint32_t found = 0;
	char line[512];

	while (maps && fgets(line, sizeof(line), maps))
		found += strstr(line, name) != NULL;
	if (maps)
		(void)fclose(maps);
	return found;
}

TEST(a_plugin_is_closed_with_its_last_instance_and_with_its_unloading)
{
	struct lichen_instance *in = NULL;
	struct ld_error error = { "" };
	char why[LD_ERROR_SIZE];

	world_start(&world, IRQCHIP);
	CHECK_EQ(0, add("devices", "{ plugin: clock }", &in));
	CHECK(mapped("lichen:clock") > 0);
	CHECK_EQ(0, take("clock", why));
	CHECK_EQ(0, mapped("lichen:clock"));
	CHECK_EQ(0, load("clock", "framework-plugins/clock", &error));
	CHECK(mapped("lichen:clock") > 0);
	CHECK_EQ(0, load("clock", "framework-plugins/clock", &error)); /* the same once more */
	CHECK_EQ(0, fw_plug_unload(world.vm, "clock", &error));
	CHECK_EQ(0, mapped("lichen:clock"));
	finish();
}

TEST(what_is_no_plugin_of_that_name_is_refused)
{
	struct ld_error error = { "" };

	world_start(&world, IRQCHIP);
	CHECK_EQ(-LICHEN_ENOEXEC, load("clock", "framework-plugins/churn", &error));
	CHECK(strstr(error.text, "holds plugin churn, so its name must be churn.so") != NULL);
	CHECK_EQ(-LICHEN_ENOENT, load("../clock", "framework-plugins/churn", &error));
	CHECK_EQ(-LICHEN_EBADF, fw_plug_load(world.vm, "clock", 999, &error));
	CHECK_STR("clock: its descriptor cannot be looked at: Bad file descriptor", error.text);
	CHECK(world.vm->offers == NULL);
	finish();
}

TEST(a_plugin_that_stays_mapped_is_told_when_it_is_unloaded)
{
	struct ld_error error = { "" };

	world_start(&world, IRQCHIP);
	CHECK_EQ(0, load("nodelete", "loader/plugins/nodelete", &error));
	CHECK_EQ(0, fw_plug_unload(world.vm, "nodelete", &error));
	CHECK(strstr(error.text, "nodelete: pinned: it is linked with -z nodelete") != NULL ||
	      strstr(error.text, "nodelete.so: pinned: it is linked with -z nodelete") != NULL);
	CHECK_EQ(-LICHEN_ENOENT, fw_plug_unload(world.vm, "nodelete", &error));
	world_end(&world);
	(void)printf("# %s\n", error.text);
	fflush(stdout);
	_exit(0); /* the harness would find the descriptor, which stays as long as the mapping
		   */
}

/* --- files that come opened --- */

TEST(a_file_that_came_as_a_descriptor_is_not_opened_by_its_path)
{
	static const uint8_t image[8];
	const struct fw_given_file given = { .path = "nowhere/image", .descriptor = 0 };
	struct fw_given_file file = given;
	const struct fw_plug_entry entry = { .section = "devices",
					     .text = "{ plugin: filer, file: nowhere/image }",
					     .origin = "device add",
					     .files = &file,
					     .file_count = 1 };
	struct lichen_instance *in = NULL;
	char path[128], why[LD_ERROR_SIZE];

	world_start(&world, IRQCHIP);
	world_file(&world, "image", image, sizeof(image));
	(void)snprintf(path, sizeof(path), "%s/image", world.folder);
	file.descriptor = open(path, O_RDONLY | O_CLOEXEC);
	CHECK_EQ(0, fw_plug_add(world.vm, &entry, &in, &diags));
	close(file.descriptor); /* the instance has its own */
	CHECK_EQ(1, world_heard(&world, "[filer/filer] 8 bytes"));
	CHECK_EQ(0, take("filer", why));
	/* Without one it would be opened, and is not there. */
	CHECK_EQ(-LICHEN_EINVAL, add("devices", "{ plugin: filer, file: nowhere/image }", &in));
	CHECK(strstr(told, "devices filer: file nowhere/image: not found (device add:1:24)"));
	/* One that nobody names is a mistake of the caller's. */
	file.path = "other";
	file.descriptor = open(path, O_RDONLY | O_CLOEXEC);
	fw_diags_clear(&diags);
	CHECK_EQ(-LICHEN_EINVAL, fw_plug_add(world.vm, &entry, &in, &diags));
	CHECK_STR("device add: a descriptor came for other, which no parameter names",
		  diags.items[0].text);
	close(file.descriptor);
	finish();
}
